"""Comparing policies: whose completions meet, and what people's choices between them come to."""

import json
import uuid

import pytest
from django.db import connection

from annotate.campaigns.models import Completion
from annotate.campaigns.services import add_prompts
from annotate.feedback.models import Ranking
from annotate.runs.jobs import advancing
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.jobs.sampling import prompts_to_sample
from annotate.runs.models import Run
from annotate.runs.policies.arena import against_others, win_share
from tests.annotate.moves import leased, prompts, rows_touched
from tests.annotate.runs.moves import job_of, make_policy, running

pytestmark = pytest.mark.django_db


@pytest.fixture
def arena(new_campaign, alice):
    campaign = new_campaign("comparison", members=[alice])
    add_prompts(campaign, prompts(3))
    return campaign


def sampled(campaign, policy, *texts) -> Run:
    """A sample run that wrote these texts for each prompt that the policy is to be asked."""
    run = running(queue_run(kind="sample", policy=policy, campaign=campaign))
    job = job_of(run)
    with open(job.completions_path, "w") as file:
        for prompt in prompts_to_sample(campaign, policy, 0):
            for index, text in enumerate(texts):
                row = {"prompt_id": prompt.pk, "index": index, "text": text, "seed": 1, "sampling": {}}
                file.write(json.dumps(row) + "\n")
    job.finish({})
    advancing.advance_runs()
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED, run.error
    return run


def pairs_of(campaign) -> list[list[str]]:
    return [
        sorted(completion.policy_version.name for completion in unit.completions.all())
        for unit in campaign.units.order_by("pk")
    ]


def test_a_single_completion_waits_for_another_policys(arena, base):
    rival = make_policy("rival")
    assert sampled(arena, base, "one").metrics["num_queued_units"] == 0
    assert list(prompts_to_sample(arena, base, 0)) == []  # its completions wait already
    assert sampled(arena, rival, "two").metrics["num_queued_units"] == 3
    assert pairs_of(arena) == [["base", "rival"]] * 3


def test_without_a_rival_a_policy_meets_itself(arena, base):
    sampled(arena, base, "one", "two")
    assert pairs_of(arena) == [["base", "base"]] * 3


def test_prompts_where_a_rival_waits_go_first(arena, base):
    rival = make_policy("rival")
    sampled(arena, base, "one")
    add_prompts(arena, prompts(9, start=10))
    first = list(prompts_to_sample(arena, rival, 0)[:3])
    assert {prompt.messages[0]["content"] for prompt in first} == {f"Question {i}?" for i in range(3)}


def test_the_same_text_twice_is_nothing_to_compare(arena, base):
    sampled(arena, base, "same")
    assert sampled(arena, make_policy("rival"), "same").metrics["num_queued_units"] == 0


def test_the_best_and_the_worst_are_picked_of_three_texts_at_least(picking, base):
    campaign = picking(0)
    add_prompts(campaign, prompts(2))
    assert sampled(campaign, base, "one", "two", "two").metrics["num_queued_units"] == 0
    assert sampled(campaign, base, "one", "two", "three").metrics["num_queued_units"] == 2
    assert pairs_of(campaign) == [["base"] * 3] * 2


def test_win_shares_of_people_s_choices(arena, base, alice_client, tom_client):
    rival = make_policy("rival")
    sampled(arena, base, "base")
    sampled(arena, rival, "rival")
    for verdict in ("better", "tie", "better"):
        assignment = leased(alice_client, arena)
        choice = {"verdict": verdict}
        if verdict == "better":
            wins = next(one["id"] for one in assignment["completions"] if one["text"] == "rival")
            choice |= {"chosen": wins, "strength": 2}
        body = {"submission_key": str(uuid.uuid4()), **choice}
        answer = alice_client.post(f"/api/assignments/{assignment['id']}/submit", body, format="json")
        assert answer.status_code == 201, answer.content
    Ranking.objects.create(  # one that came late counts nothing
        campaign=arena, prompt=arena.prompts.first(), is_surplus=True, tiers=[], all_bad=True
    )
    (against,) = tom_client.get(f"/api/policy-versions/{rival.pk}/comparisons").json()
    assert against["rival"] == {"id": base.pk, "name": "base"}
    assert (against["num_wins"], against["num_losses"], against["num_ties"]) == (2, 0, 1)
    assert against["share"] == pytest.approx(2.5 / 3)
    (mirrored,) = tom_client.get(f"/api/policy-versions/{base.pk}/comparisons").json()
    assert mirrored["share"] == pytest.approx(0.5 / 3)
    assert mirrored["share_high"] == pytest.approx(1 - against["share_low"])
    assert alice_client.get(f"/api/policy-versions/{base.pk}/comparisons").status_code == 403


def judged(campaign, better, worse, num: int) -> None:
    """So many comparisons of the two, each of another prompt."""
    asked = add_prompts(campaign, prompts(num, start=campaign.prompts.count())).created
    two = (better, worse)
    made = Completion.objects.bulk_create(
        Completion(prompt=prompt, text=policy.name, policy_version=policy)
        for prompt in asked
        for policy in two
    )
    Ranking.objects.bulk_create(
        Ranking(campaign=campaign, prompt=one.prompt, shown_order=[one.pk, other.pk], tiers=[[one.pk], [other.pk]])
        for one, other in zip(made[::2], made[1::2], strict=True)
    )  # fmt: skip


def test_a_policys_record_is_read_from_its_own_completions_however_much_others_were_judged(arena, base):
    judged(arena, base, make_policy("rival"), 2)
    judged(arena, make_policy("third"), make_policy("fourth"), 2000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    before = rows_touched("feedback_ranking")
    (against,) = against_others(base.pk)
    assert (against.num_wins, against.num_losses) == (2, 0)
    assert rows_touched("feedback_ranking") - before <= 50


def test_the_interval_is_wilsons():
    share, low, high = win_share(8, 2, 0)
    assert (share, low, high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)
    assert win_share(5, 0, 0)[2] == 1.0
