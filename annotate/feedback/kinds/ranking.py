"""Rankings: completions in tiers, rated and flagged, and the pairs that they imply."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers

from annotate.accounts.models import Annotator
from annotate.campaigns.limits import MAX_TEXT
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.feedback.kinds.base import HandedIn, Kind, Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import OWN, check_ranking, check_ratings
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.kinds.pairs import store_pairs
from annotate.feedback.models import OWN_ANSWER, Assignment, Demonstration, Ranking, Rating, Unit
from annotate.feedback.naming import NONE_SUCH


class GivenRatingSerializer(serializers.Serializer):
    completion = serializers.IntegerField()
    value = serializers.IntegerField(min_value=1, max_value=7, allow_null=True, default=None)
    flags = serializers.ListField(child=serializers.CharField(max_length=64), max_length=30, default=list)

    def validate_flags(self, flags: list[str]) -> list[str]:
        return list(dict.fromkeys(flags))


class TiersField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        tier = serializers.ListField(child=serializers.IntegerField(), max_length=100)
        super().__init__(child=tier, max_length=100, **options)


class RankingSubmissionSerializer(SubmissionSerializer):
    tiers = TiersField(
        help_text="the completions' ids as shown, best tier first; in one tier they are tied; 0: the own answer"
    )
    criteria = serializers.DictField(
        child=TiersField(),
        required=False,
        help_text="tiers for each of the campaign's criteria",
    )
    own_answer = serializers.CharField(
        max_length=MAX_TEXT,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="a better answer, written by the one who ranks",
    )
    all_bad = serializers.BooleanField(default=False)
    ratings = GivenRatingSerializer(many=True, required=False, max_length=100)  # type: ignore[call-arg]


@transaction.atomic
def submit_ranking(
    assignment_id: int,
    annotator: Annotator,
    handed_in: HandedIn,
    *,
    tiers: list[list[int]],
    all_bad: bool = False,
    criteria: Mapping[str, list[list[int]]] | None = None,
    own_answer: str = "",
    ratings: Sequence[dict[str, Any]] = (),
) -> Stored:
    """Store a ranking with its ratings and the comparisons it implies.

    A better answer that the person wrote becomes a completion of theirs; in the tiers it is named by `OWN`.
    """
    assignment, stored, earlier = begin_submission(KIND, assignment_id, annotator, handed_in)
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

    def name(completion: int) -> int:
        return own.id if own and completion == OWN else completion

    ranking = store_judgement(
        KIND,
        assignment,
        earlier,
        handed_in,
        tiers=_in_tiers(filter(None, tiers), name),
        all_bad=all_bad,
        criteria={about: _in_tiers(filter(None, order), name) for about, order in criteria.items()},
        metadata={"own_answer": own.id} if own else {},
    )
    if earlier:
        ranking.ratings.all().delete()
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
    return Stored(ranking, True)


def store_judgement(
    kind: Kind[Ranking], assignment: Assignment, earlier: Ranking | None, handed_in: HandedIn, **content: Any
) -> Ranking:
    """What was judged of a unit's completions, whatever was asked, as a ranking with its pairs."""
    ranking = store_submission(
        kind,
        assignment,
        earlier,
        handed_in,
        prompt=assignment.unit.prompt,
        shown_order=assignment.shown_order,
        **content,
    )
    if earlier:
        ranking.comparisons.all().delete()
    store_pairs([ranking])
    if assignment.unit.overlap > 1:
        # Also where it is marked already: who counts just now is waited for, and counts again.
        Unit.objects.filter(id=assignment.unit_id).update(has_new_judgements=True)
    return ranking


def _in_tiers(tiers: Iterable[Sequence[int]], name: Callable[[int], int]) -> list[list[int]]:
    """The same tiers of completions with other names."""
    return [[name(completion) for completion in tier] for tier in tiers]


def _store_own_answer(prompt: Prompt, annotator: Annotator, text: str, earlier: Ranking | None) -> Completion:
    """A completion of theirs; the one of the revision before, if it says the same."""
    before = own_completion(earlier) if earlier else None
    if before and before.text == text:
        return before
    return Completion.objects.create(prompt=prompt, author=annotator, text=text, source=OWN_ANSWER)


def own_completion(ranking: Ranking) -> Completion | None:
    """The better answer that whoever ranked wrote themselves."""
    return Completion.objects.filter(id=ranking.metadata.get("own_answer")).first()


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


def _content_of(ranking: Ranking) -> dict[str, Any]:
    own = own_completion(ranking)

    def name(completion: int) -> int:
        return OWN if own and completion == own.id else completion

    ratings = ranking.ratings.filter(criterion="overall").order_by("id")
    return {
        "tiers": _in_tiers(ranking.tiers, name),
        "criteria": {about: _in_tiers(order, name) for about, order in ranking.criteria.items()},
        "all_bad": ranking.all_bad,
        "own_answer": own.text if own else "",
        "ratings": [
            {"completion": rating.completion_id, "value": rating.value, "flags": rating.flags}
            for rating in ratings
        ],
    }


def _renamed(content: dict[str, Any], names: Mapping[int, int]) -> dict[str, Any]:
    """`OWN` keeps its name."""

    def name(completion: int) -> int:
        return OWN if completion == OWN else names.get(completion, NONE_SUCH)

    after = {**content, "tiers": _in_tiers(content["tiers"], name)}
    if "criteria" in content:
        after["criteria"] = {about: _in_tiers(order, name) for about, order in content["criteria"].items()}
    if "ratings" in content:
        after["ratings"] = [
            {**rating, "completion": names.get(rating["completion"], NONE_SUCH)}
            for rating in content["ratings"]
        ]
    return after


def _made_beside(ranking: Ranking) -> list[QuerySet[Any]]:
    return [demonstrated_in(ranking)]


KIND = Kind(
    Campaign.Kind.RANKING,
    Ranking,
    RankingSubmissionSerializer,
    submit_ranking,
    _content_of,
    _renamed,
    _made_beside,
)
