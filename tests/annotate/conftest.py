"""Campaigns with work in them, and a site in which every address names something."""

from collections.abc import Callable
from functools import partial

import pytest

from annotate.accounts.models import User
from annotate.accounts.services import annotator_of, create_token
from annotate.campaigns.models import Campaign, CampaignPolicy, Completion
from annotate.campaigns.services import (
    add_member,
    add_prompts,
    create_campaign,
    prompt_key,
    write_guidelines,
    write_terms,
)
from annotate.exchange.models import FeedbackImport
from annotate.feedback.models import Suggestion
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.units import queue_all_reviews, queue_prompts, queue_ranking_units
from annotate.feedback.remarks import make_remark
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.models import PolicyVersion, Round, Schedule
from annotate.snapshots.models import Snapshot
from tests.annotate.moves import leased, prompts, submit


@pytest.fixture
def writing(new_campaign, alice, bob) -> Callable[..., Campaign]:
    """writing(num_units, **options): a demonstration campaign of alice and bob."""

    def make(num_units: int = 3, *, members: list[User] | None = None, **options) -> Campaign:
        campaign = new_campaign("demonstration", members=members or [alice, bob], **options)
        queue_prompts(campaign, prompts(num_units))
        return campaign

    return make


@pytest.fixture
def ranking(new_campaign, alice, bob) -> Callable[..., Campaign]:
    """ranking(num_units, **options): a ranking campaign of alice and bob, K completions a unit."""

    def make(
        num_units: int = 2, *, kind: str = "ranking", members: list[User] | None = None, **options
    ) -> Campaign:
        campaign = new_campaign(kind, members=members or [alice, bob], **options)
        asked = add_prompts(campaign, prompts(num_units)).created
        rows = Completion.objects.bulk_create(
            Completion(prompt=prompt, text=f"Answer {letter}", model_name="secret-model")
            for prompt in asked
            for letter in "ABCDEFGHI"[: campaign.num_completions]
        )
        k = campaign.num_completions
        queue_ranking_units(
            campaign, [(p.id, [c.id for c in rows[i * k : (i + 1) * k]]) for i, p in enumerate(asked)]
        )
        return campaign

    return make


@pytest.fixture
def comparing(new_campaign, alice, bob) -> Callable[..., Campaign]:
    """comparing(num_units, **options): a comparison campaign of alice and bob."""

    def make(num_units: int = 2, **options) -> Campaign:
        campaign = new_campaign("comparison", members=[alice, bob], **options)
        for prompt in add_prompts(campaign, prompts(num_units)).created:
            pair = [
                Completion.objects.create(prompt=prompt, text=text, model_name="secret-model")
                for text in ("One", "Two")
            ]
            queue_ranking_units(campaign, [(prompt.id, [completion.id for completion in pair])])
        return campaign

    return make


@pytest.fixture
def picking(ranking) -> Callable[..., Campaign]:
    """picking(num_units, **options): a campaign of alice and bob that asks for the best and the worst of K."""
    return partial(ranking, kind="best_worst")


@pytest.fixture
def chatting(new_campaign, alice, bob) -> Callable[..., Campaign]:
    """chatting(num_units, **options): a campaign of chats of alice and bob; two answers at each turn."""

    def make(num_units: int = 2, **options) -> Campaign:
        campaign = new_campaign("chat", members=[alice, bob], **options)
        queue_prompts(campaign, prompts(num_units))
        return campaign

    return make


@pytest.fixture
def places(
    alice, alice_client, carol, writing, ranking, comparing, chatting, settings, tmp_path
) -> dict[str, list[int]]:
    """Ids that exist, by the names that addresses give them; carol may do everything and has work."""
    settings.RUNS_DIR, settings.UPLOADS_DIR = tmp_path / "runs", tmp_path / "uploads"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"
    carol.is_annotator = carol.is_trainer = True
    carol.save()
    annotator_of(carol)
    campaigns = [writing(3), ranking(3), comparing(3)]
    assert submit(alice_client, leased(alice_client, campaigns[0])).status_code == 201
    campaigns.append(create_campaign(name="of it", kind="review", reviewed_campaign=campaigns[0]))
    queue_all_reviews()
    campaigns.append(chatting(3))
    for campaign in campaigns:
        add_member(campaign, carol)
    base = PolicyVersion.objects.create(name="base", path="/models/base")
    settings.MODEL_SERVER_URL = "http://127.0.0.1:1/v1"  # nobody is there
    CampaignPolicy.objects.create(campaign=campaigns[0], policy_version=base)
    snapshot = Snapshot.objects.create(name="s", path="/s", state="ready", manifest_sha256="1" * 64)
    assignments = [lease_next_assignment(campaign, carol).assignment for campaign in campaigns]
    asked = prompt_key(assignments[4].unit.prompt.messages)
    Suggestion.objects.create(
        assignment=assignments[4], turn=1, seed=1, text="So.", is_complete=True, pair=1, asked=asked
    )
    CampaignPolicy.objects.create(campaign=campaigns[4], policy_version=base)
    write_terms(campaigns[0], "Be fair.", by=carol)
    write_guidelines(campaigns[0], "Be brief.", by=carol)
    return {
        "campaign_id": [campaign.pk for campaign in campaigns],
        "assignment_id": [assignment.pk for assignment in assignments],
        "remark_id": [make_remark(assignments[0], "comment", "Is this a question?").pk],
        "user_id": [alice.pk],
        "token_id": [create_token(carol)[0].token_key],
        "policy_version_id": [base.pk],
        "run_id": [queue_run(kind="sft", policy=base, snapshot=snapshot).pk],
        "round_id": [Round.objects.create(name="r", base_policy=base).pk],
        "schedule_id": [Schedule.objects.create(name="s", base_policy=base, every_hours=1).pk],
        "snapshot_id": [snapshot.pk],
        "import_id": [FeedbackImport.objects.create(campaign=campaigns[0], file_name="f", path="/f").pk],
    }
