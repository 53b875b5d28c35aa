"""A campaign's moves from policy to policy: kept, served, and in nobody's way."""

import threading
import time

import pytest
from django.db import close_old_connections, connection, transaction

from annotate.feedback.queue.leases import lease_next_assignment
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.loop.promoting import choose_policies, promote_policy
from annotate.runs.models import Evaluation, Promotion
from tests.annotate.runs.moves import make_policy, make_reward_model

pytestmark = pytest.mark.django_db


def promote(client, policy, *campaigns, **more):
    body = {"campaigns": [campaign.pk for campaign in campaigns], "sample": False, **more}
    return client.post(f"/api/policy-versions/{policy.pk}/promote", body, format="json")


def refuse_at_the_gate(policy, base, snapshot):
    judged = {"policy": policy, "ref_policy": base, "snapshot": snapshot}
    reward_model = make_reward_model(base, snapshot)
    run = queue_run(kind="evaluate", reward_model=reward_model, **judged)
    numbers = {"metrics": {"win_rate_low": 0.4}, "threshold": 0.5, "passed": False}
    Evaluation.objects.create(
        run=run, policy_version=policy, reference=base, reward_model=reward_model, **numbers
    )


def test_an_override_and_who_gave_it_stay_told_after_the_next_promotion(
    tom_client, base, snapshot, new_campaign, caplog
):
    caplog.set_level("INFO", "annotate")
    campaign, better = new_campaign("ranking"), make_policy(name="better")
    refuse_at_the_gate(better, base, snapshot)
    assert promote(tom_client, base, campaign).status_code == 200
    assert promote(tom_client, better, campaign).json()["errors"][0]["code"] == "gate"
    assert promote(tom_client, better, campaign, override=True).status_code == 200
    assert promote(tom_client, base, campaign, override=True).status_code == 200

    assert f"campaign {campaign.name} samples from better now, by tom (override)" in caplog.messages
    told = tom_client.get(f"/api/promotions?policy_version={better.pk}").json()["results"]
    moves = [
        (m["policy_version"]["name"], m["how"], [one["name"] for one in m["replaced"]], m["promoted_by"])
        for m in told
    ]
    assert moves == [("base", "gate", ["better"], "tom"), ("better", "override", ["base"], "tom")]
    assert told[0]["campaign"] == {"id": campaign.pk, "name": campaign.name}
    assert len(tom_client.get(f"/api/promotions?campaign={campaign.pk}").json()["results"]) == 3


def test_what_an_admin_chooses_is_a_move_too(base, new_campaign, carol):
    campaign, rival = new_campaign("chat"), make_policy(name="rival")
    choose_policies(campaign=campaign, weights={base: 1, rival: 1}, chosen_by=carol)
    choose_policies(campaign=campaign, weights={rival: 2}, chosen_by=carol)  # only a weight: no move
    assert [(row.policy_version, row.how) for row in Promotion.objects.order_by("pk")] == [
        (base, "chosen"),
        (rival, "chosen"),
    ]


def elsewhere(do) -> threading.Thread:
    """Another connection does it; one that must wait gives up after two seconds."""

    def work():
        close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        do()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_people_are_given_work_while_a_promotion_is_under_way(base, writing, alice):
    campaign, given = writing(1), []
    with transaction.atomic():
        promote_policy(policy=base, campaigns=[campaign])
        elsewhere(lambda: given.append(lease_next_assignment(campaign, alice))).join()
    assert given[0]


@pytest.mark.django_db(transaction=True)
def test_a_promotion_and_a_choice_at_once_wait_for_each_other_and_both_happen(base, writing):
    campaign, rival = writing(1), make_policy(name="rival")
    with transaction.atomic():
        choose_policies(campaign=campaign, weights={rival: 1})
        promoting = elsewhere(lambda: promote_policy(policy=base, campaigns=[campaign]))
        wait_until_somebody_waits()
        choose_policies(campaign=campaign, weights={rival: 1, base: 1})
    promoting.join()
    assert list(campaign.policies.values_list("policy_version__name", "weight")) == [("base", 1)]


def wait_until_somebody_waits() -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")
