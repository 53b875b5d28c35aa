"""The state machine of a round, with real snapshots; the jobs' results are written as jobs write them."""

import threading

import pytest
from django.db import connection, transaction
from rest_framework.exceptions import ValidationError

from annotate.campaigns.models import Campaign, CampaignPolicy, Completion, Prompt
from annotate.feedback.models import Comparison, Demonstration, Ranking
from annotate.runs import tasks
from annotate.runs.jobs import advancing, sampling
from annotate.runs.jobs.queueing import cancel_run, resume_run
from annotate.runs.loop import rounds, seeing_through
from annotate.runs.loop.rounds import advance_rounds, start_round
from annotate.runs.models import PolicyVersion, Round, Run
from annotate.snapshots.models import Snapshot
from tests.annotate.runs.moves import finished, job_of, make_policy, running, succeed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def base() -> PolicyVersion:
    return make_policy(name="base")


def add_demonstrations(campaign: Campaign, num: int = 30) -> None:
    Demonstration.objects.bulk_create(
        Demonstration(
            campaign=campaign,
            messages=[{"role": "user", "content": f"Say {i}"}, {"role": "assistant", "content": str(i)}],
        )
        for i in range(num)
    )


def add_prompts(campaign: Campaign, num: int = 30) -> list[Prompt]:
    return Prompt.objects.bulk_create(
        Prompt(
            campaign=campaign, messages=[{"role": "user", "content": f"Ask {i}"}], key=f"{campaign.pk}-{i}"
        )
        for i in range(num)
    )


def add_rankings(campaign: Campaign, all_bad: bool = False) -> None:
    for prompt in campaign.prompts.all():
        better, worse = Completion.objects.bulk_create(
            Completion(prompt=prompt, text=text) for text in ("good", "bad")
        )
        ranking = Ranking.objects.create(
            campaign=campaign, prompt=prompt, tiers=[[better.pk], [worse.pk]], all_bad=all_bad
        )
        Comparison.objects.create(ranking=ranking, campaign=campaign, chosen=better, rejected=worse)


@pytest.fixture
def writing(new_campaign) -> Campaign:
    campaign = new_campaign("demonstration")
    add_demonstrations(campaign)
    return campaign


@pytest.fixture
def judging(new_campaign) -> Campaign:
    campaign = new_campaign("ranking")
    add_prompts(campaign)
    return campaign


def look(made: Round) -> Round:
    advance_rounds()
    made.refresh_from_db()
    return made


def run_of(made: Round, kind: str) -> Run:
    return made.runs.get(kind=kind)


def pass_through(made: Round, low: float = 0.6) -> Round:
    """Every run ends well, until the round waits for its candidates or has ended."""
    for kind in ("sft", "reward", "ppo", "evaluate"):
        if kind in look(made).stages:
            succeed(run_of(made, kind), win_rate=0.7, win_rate_low=low)
    return look(made)


def test_demonstrations_alone_give_an_sft_policy_that_is_promoted_and_sampled(base, writing, judging):
    made = start_round(campaigns=[writing, judging], base_policy=base)
    look(made)
    assert made.snapshot.state == Snapshot.State.READY
    assert made.stages == ["snapshot", "sft", "promote", "sample"]
    sft = run_of(made, "sft")
    assert (sft.policy, sft.snapshot, sft.state) == (base, made.snapshot, Run.State.QUEUED)
    succeed(sft)
    look(made)
    assert made.stage == "sample"
    for campaign in (writing, judging):
        assert [row.policy_version for row in campaign.policies.all()] == [sft.policy_version]
    assert run_of(made, "sample").campaign == judging
    assert run_of(made, "sample").policy == sft.policy_version


def test_rankings_lead_through_reward_model_ppo_and_evaluation(base, writing, judging):
    add_rankings(judging)
    made = start_round(campaigns=[writing, judging], base_policy=base, config={"ppo": {"kl_coef": 0.2}})
    look(made)
    assert made.stages == ["snapshot", "sft", "reward", "ppo", "evaluate", "promote", "sample"]
    sft = succeed(run_of(made, "sft")).policy_version
    look(made)
    assert run_of(made, "reward").policy == sft
    reward_model = succeed(run_of(made, "reward")).registered_reward_model
    look(made)
    ppo = run_of(made, "ppo")
    assert (ppo.policy, ppo.ref_policy, ppo.reward_model, ppo.config) == (
        sft,
        sft,
        reward_model,
        {"kl_coef": 0.2},
    )
    learned = succeed(ppo).policy_version
    look(made)
    judged = run_of(made, "evaluate")
    assert (judged.policy, judged.ref_policy, judged.reward_model) == (learned, sft, reward_model)
    succeed(judged, win_rate=0.8, win_rate_low=0.7)
    look(made)
    assert judging.policies.get().policy_version == learned
    assert run_of(made, "sample").policy == learned
    links = [link["policy_version"] for link in rounds_ancestry(learned)]
    assert links == [learned, sft, base]


def rounds_ancestry(policy: PolicyVersion) -> list[dict]:
    from annotate.runs.policies.registry import ancestry_of

    return ancestry_of(policy)


def test_rankings_alone_begin_at_the_base_policy(base, judging):
    add_rankings(judging)
    made = start_round(campaigns=[judging], base_policy=base)
    look(made)
    assert made.stages == ["snapshot", "reward", "ppo", "evaluate", "promote", "sample"]
    assert run_of(made, "reward").policy == base


def test_rankings_in_which_everything_is_bad_train_no_reward_model(base, writing, judging):
    add_rankings(judging, all_bad=True)
    made = look(start_round(campaigns=[writing, judging], base_policy=base))
    assert made.stages == ["snapshot", "sft", "promote", "sample"]


def test_without_any_feedback_the_base_policy_gives_the_first_candidates(base, judging):
    made = look(start_round(campaigns=[judging], base_policy=base))
    assert made.stages == ["snapshot", "promote", "sample"]
    assert judging.policies.get().policy_version == base
    assert run_of(made, "sample").policy == base


def test_nothing_is_promoted_below_the_gate(base, writing, judging):
    add_rankings(judging)
    old = make_policy(name="old")
    for campaign in (writing, judging):
        CampaignPolicy.objects.create(campaign=campaign, policy_version=old)
    config = {"gate": {"win_rate_low": 0.65}}
    made = pass_through(start_round(campaigns=[writing, judging], base_policy=base, config=config), low=0.65)
    assert (made.state, made.stage, made.error) == (Round.State.SUCCEEDED, "promote", "")
    assert "was not promoted" in made.outcome
    assert "old" in made.outcome
    assert {campaign.policies.get().policy_version for campaign in (writing, judging)} == {old}
    assert not made.runs.filter(kind="sample").exists()


def test_below_the_gate_a_campaign_with_nothing_in_use_gets_the_reference(base, writing, judging):
    add_rankings(judging)
    old = make_policy(name="old")
    CampaignPolicy.objects.create(campaign=writing, policy_version=old)
    config = {"gate": {"win_rate_low": 0.65}}
    made = pass_through(start_round(campaigns=[writing, judging], base_policy=base, config=config), low=0.65)
    sft = run_of(made, "sft").policy_version
    assert made.stage == "sample"
    assert judging.policies.get().policy_version == sft
    assert writing.policies.get().policy_version == old
    assert run_of(made, "sample").policy == sft
    assert made.outcome.endswith(f"{sft.name} was promoted.")


def test_the_gate_lets_through_what_exceeds_it(base, writing, judging):
    add_rankings(judging)
    config = {"gate": {"win_rate_low": 0.65}}
    made = pass_through(start_round(campaigns=[writing, judging], base_policy=base, config=config), low=0.651)
    assert made.stage == "sample"
    assert judging.policies.get().policy_version == run_of(made, "ppo").policy_version


def test_the_stages_can_be_named(base, writing, judging):
    add_rankings(judging)
    config = {"stages": ["reward", "ppo", "evaluate", "promote"]}
    made = look(start_round(campaigns=[writing, judging], base_policy=base, config=config))
    assert made.stages == ["snapshot", "reward", "ppo", "evaluate", "promote"]
    assert not made.runs.filter(kind="sft").exists()


@pytest.mark.parametrize(
    "config",
    [
        {"speed": {}},
        {"sft": 3},
        {"stages": ["sft", "magic"]},
        {"stages": "sft"},
        {"stages": [["sft"]]},
        {"gate": {"win_rate_low": "high"}},
        {"gate": {"win_rate": 0.5}},
        {"sft": {"max_steps": 5}, "ppo": {"kl_coeff": 0.1}},
        {"sample": {"run_dir": "/etc"}},
    ],
)
def test_a_round_with_unknown_settings_is_refused(base, writing, config):
    with pytest.raises(ValidationError, match="config|stages|speed"):
        start_round(campaigns=[writing], base_policy=base, config=config)
    assert not Round.objects.exists()


def test_messages_delivered_twice_queue_each_stage_once(base, writing, judging):
    made = start_round(campaigns=[writing, judging], base_policy=base)
    for _ in range(3):
        rounds.advance_rounds()
    finished(run_of(made, "sft"))
    for _ in range(3):
        rounds.advance_rounds()
        advancing.advance_runs()
    made.refresh_from_db()
    assert sorted(made.runs.values_list("kind", flat=True)) == ["sample", "sft"]
    assert Snapshot.objects.count() == 1


def test_a_failed_run_fails_its_round_and_resuming_takes_it_up_again(base, writing, judging):
    made = look(start_round(campaigns=[writing, judging], base_policy=base))
    job_of(running(run_of(made, "sft"))).fail("The disk is full.")
    tasks.advance_rounds()
    made.refresh_from_db()
    assert (made.state, made.error) == (Round.State.FAILED, f"{run_of(made, 'sft').name}: The disk is full.")
    resume_run(run_of(made, "sft"))
    made.refresh_from_db()
    assert (made.state, made.error) == (Round.State.RUNNING, "")
    made = look(made)
    assert made.state == Round.State.RUNNING


def test_cancelling_a_round_cancels_its_run(base, writing):
    made = look(start_round(campaigns=[writing], base_policy=base))
    rounds.cancel_round(made)
    made.refresh_from_db()
    assert made.state == Round.State.CANCELLED
    assert run_of(made, "sft").state == Run.State.CANCELLED


def test_cancelling_a_run_cancels_its_round(base, writing):
    made = look(start_round(campaigns=[writing], base_policy=base))
    cancel_run(run_of(made, "sft"))
    assert look(made).state == Round.State.CANCELLED


def states_of(made: Round) -> dict[str, str]:
    described = rounds.describe_stages(made, list(made.runs.order_by("pk")))
    return {stage["stage"]: stage["state"] for stage in described}


def test_a_cancelled_round_tells_where_it_stopped_and_goes_on_from_there(base, writing, judging, tom_client):
    made = look(start_round(campaigns=[writing, judging], base_policy=base))
    Run.objects.filter(round=made, kind="sft").update(step=3, total_steps=10)
    rounds.cancel_round(made)
    made.refresh_from_db()
    stage = rounds.describe_stages(made, list(made.runs.all()))[1]
    assert (stage["stage"], stage["progress"]) == ("sft", 0.3)
    states = states_of(made)
    assert (states["snapshot"], states["sft"], states["reward"]) == ("done", "cancelled", "skipped")
    assert (states["promote"], states["sample"]) == ("not_reached", "not_reached")
    assert tom_client.post(f"/api/rounds/{made.pk}/resume").json()["state"] == "running"
    assert run_of(made, "sft").state == Run.State.QUEUED
    succeed(run_of(made, "sft"))
    assert look(made).stage == "sample"
    assert tom_client.post(f"/api/rounds/{made.pk}/resume").status_code == 409


def test_a_round_that_failed_goes_on_with_a_new_snapshot_where_that_had_failed(base, writing):
    made = start_round(campaigns=[writing], base_policy=base)
    made.snapshot = Snapshot.objects.create(name="s", path="/x", state="failed", error="The disk is full.")
    made.save()
    assert look(made).state == Round.State.FAILED
    rounds.resume_round(made)
    assert look(made).stage == "sft"


@pytest.mark.parametrize("at", [0, 1], ids=["the first", "the second"])
def test_a_run_that_ended_in_between_does_not_save_the_other(base, writing, judging, new_campaign, at):
    other = new_campaign("ranking")
    add_prompts(other)
    made = pass_through(start_round(campaigns=[writing, judging, other], base_policy=base))
    ended, other_run = (made.runs.filter(kind="sample").order_by("pk")[i] for i in (at, 1 - at))
    stopping = threading.Thread(target=lambda: (rounds.cancel_round(made), connection.close()))
    with transaction.atomic():
        Run.objects.filter(pk=ended.pk).update(state=Run.State.SUCCEEDED)
        stopping.start()  # it still sees both queued, and waits for this one
        while made.state != Round.State.CANCELLED:
            made.refresh_from_db()
    stopping.join()
    for run in (ended, other_run):
        run.refresh_from_db()
    assert (ended.state, other_run.state) == ("succeeded", "cancelled")


def test_a_round_whose_snapshot_failed_says_why(base, writing):
    made = start_round(campaigns=[writing], base_policy=base)
    made.snapshot = Snapshot.objects.create(name="s", path="/x", state="failed", error="The disk is full.")
    made.save()
    assert (look(made).state, made.error) == (Round.State.FAILED, "The disk is full.")


def test_prompts_that_wait_with_the_same_policy_are_not_asked_again(base, writing, judging):
    made = start_round(campaigns=[writing, judging], base_policy=base)
    pass_through(made)
    policy = run_of(made, "sft").policy_version
    prompt = judging.prompts.first()
    completions = Completion.objects.bulk_create(
        Completion(prompt=prompt, text=text, policy_version=policy) for text in "ab"
    )
    unit = judging.units.create(prompt=prompt, open_slots=1)
    unit.completions.set(completions)
    asked = {row["id"] for row in sampling.rows_to_sample(judging, policy, 0, 100)}
    assert asked == set(judging.prompts.values_list("pk", flat=True)) - {prompt.pk}
    other = {row["id"] for row in sampling.rows_to_sample(judging, base, 0, 100)}
    assert prompt.pk in other
    judging.units.update(open_slots=0)
    assert prompt.pk in {row["id"] for row in sampling.rows_to_sample(judging, policy, 0, 100)}


def test_prompts_that_nobody_judged_come_first(base, judging):
    judged = list(judging.prompts.all()[:10])
    for prompt in judged:
        judging.units.create(prompt=prompt, open_slots=0)
    first = [row["id"] for row in sampling.rows_to_sample(judging, base, 1, 20)]
    assert set(first).isdisjoint(prompt.pk for prompt in judged)


def test_prompts_for_evaluation_only_and_briefs_are_never_sampled(base, judging):
    only = judging.prompts.first()
    only.metadata = {"evaluation_only": True}
    only.save()
    brief = Prompt.objects.create(campaign=judging, brief="Write about herons", key="brief")
    asked = {row["id"] for row in sampling.rows_to_sample(judging, base, 0, 100)}
    assert asked.isdisjoint({only.pk, brief.pk})


def test_the_report_names_every_stage_its_run_and_what_was_pushed_back(base, writing, judging):
    made = start_round(campaigns=[writing, judging], base_policy=base)
    pass_through(made)
    report = seeing_through.report(made)
    states = {stage["stage"]: stage["state"] for stage in report["stages"]}
    assert states == {
        "snapshot": "done", "sft": "done", "reward": "skipped", "ppo": "skipped", "evaluate": "skipped",
        "promote": "done", "sample": "running",
    }  # fmt: skip
    assert report["promoted"] == run_of(made, "sft").policy_version.name
    assert report["snapshot"]["counts"]["demonstrations"] == 30
