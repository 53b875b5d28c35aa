"""Rankings: completions in tiers, rated and flagged, and the pairs that they imply."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from annotate.accounts.models import Annotator
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.feedback.kinds.base import Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import OWN, check_ranking, check_ratings
from annotate.feedback.kinds.pairs import ranking_to_comparisons
from annotate.feedback.kinds.revisions import own_completion
from annotate.feedback.models import OWN_ANSWER, Comparison, Demonstration, Ranking, Rating, Unit


@transaction.atomic
def submit_ranking(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    tiers: list[list[int]],
    all_bad: bool = False,
    strength: int | None = None,
    criteria: Mapping[str, list[list[int]]] | None = None,
    own_answer: str = "",
    ratings: Sequence[dict[str, Any]] = (),
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store a ranking with its ratings and the comparisons it implies. The same key again changes nothing.

    A better answer that the person wrote becomes a completion of theirs; in the tiers it is named by `OWN`.
    `revises`: the revision that this corrects.
    """
    assignment, stored, earlier = begin_submission(
        assignment_id, annotator, Ranking, submission_key, revises, by_reviewer
    )
    if stored:
        return Stored(stored, False)
    campaign, prompt = assignment.campaign, assignment.unit.prompt
    shown, criteria, own_answer = assignment.shown_order, criteria or {}, own_answer.strip() and own_answer
    check_ratings(ratings, completions=shown, flags=campaign.flags, must_rate=campaign.is_rated_first)
    check_ranking(
        tiers,
        criteria,
        completions=shown,
        asked_criteria=campaign.criteria,
        own_answer=own_answer,
        may_answer=campaign.own_answer != Campaign.OwnAnswer.OFF,
        all_bad=all_bad,
    )
    own = _store_own_answer(prompt, annotator, own_answer, earlier) if own_answer else None
    names = {OWN: own.id} if own else {}
    ranking = store_submission(
        Ranking,
        assignment,
        annotator,
        earlier,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        prompt=prompt,
        shown_order=shown,
        tiers=_renamed(tiers, names),
        all_bad=all_bad,
        strength=strength,
        criteria={name: _renamed(tiers, names) for name, tiers in criteria.items()},
        metadata={"own_answer": own.id} if own else {},
    )
    if earlier:
        ranking.ratings.all().delete()
        ranking.comparisons.all().delete()
        demonstrated_in(ranking).delete()
    asked_by_person = prompt.messages and prompt.messages[-1]["role"] == "user"
    if own_answer and campaign.own_answer == Campaign.OwnAnswer.DEMONSTRATION and asked_by_person:
        _demonstrate(ranking, own_answer)
    Rating.objects.bulk_create(
        Rating(campaign=campaign, ranking=ranking, annotator=annotator, completion_id=rating["completion"],
               value=rating["value"], flags=rating["flags"])
        for rating in ratings
        if rating["value"] is not None or rating["flags"]
    )  # fmt: skip
    Comparison.objects.bulk_create(
        Comparison(ranking=ranking, campaign=campaign, chosen_id=chosen, rejected_id=rejected, margin=margin)
        for chosen, rejected, margin in ranking_to_comparisons(ranking.tiers, strength)
    )
    if assignment.unit.overlap > 1:
        # Also where it is marked already: who counts just now is waited for, and counts again.
        Unit.objects.filter(id=assignment.unit_id).update(has_new_judgements=True)
    return Stored(ranking, True)


def _renamed(tiers: Iterable[Sequence[int]], names: Mapping[int, int]) -> list[list[int]]:
    """The filled tiers, with ids in place of what had none."""
    return [[names.get(completion, completion) for completion in tier] for tier in tiers if tier]


def _store_own_answer(prompt: Prompt, annotator: Annotator, text: str, earlier: Ranking | None) -> Completion:
    """A completion of theirs; the one of the revision before, if it says the same."""
    before = own_completion(earlier) if earlier else None
    if before and before.text == text:
        return before
    return Completion.objects.create(prompt=prompt, author=annotator, text=text, source=OWN_ANSWER)


def demonstrated_in(ranking: Ranking) -> QuerySet[Demonstration]:
    """The answer of whoever ranked, where it is a dialogue too."""
    own = Demonstration.objects.filter(campaign=ranking.campaign_id, source=OWN_ANSWER)
    return own.filter(external_id=str(ranking.id))


def _demonstrate(ranking: Ranking, answer: str) -> None:
    """The answer to the prompt as a dialogue of its author."""
    Demonstration.objects.create(
        campaign=ranking.campaign,
        annotator=ranking.annotator,
        is_surplus=ranking.is_surplus,
        language=ranking.language,
        source=OWN_ANSWER,
        external_id=str(ranking.id),
        prompt=ranking.prompt,
        messages=[*ranking.prompt.messages, {"role": "assistant", "content": answer}],
    )
