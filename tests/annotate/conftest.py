"""Campaigns with work in them."""

from collections.abc import Callable

import pytest

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Completion
from annotate.campaigns.services import add_prompts
from annotate.feedback.services import queue_prompts, queue_ranking_units
from tests.annotate.moves import prompts


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

    def make(num_units: int = 2, *, members: list[User] | None = None, **options) -> Campaign:
        campaign = new_campaign("ranking", members=members or [alice, bob], **options)
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
def chatting(new_campaign, alice, bob) -> Callable[..., Campaign]:
    """chatting(num_units, **options): a campaign of chats of alice and bob; two answers at each turn."""

    def make(num_units: int = 2, **options) -> Campaign:
        campaign = new_campaign("chat", members=[alice, bob], **options)
        queue_prompts(campaign, prompts(num_units))
        return campaign

    return make
