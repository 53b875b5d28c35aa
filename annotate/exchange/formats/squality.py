"""SQuALITY's human evaluation: several raters read the same summaries, rated each 0..100 and put them in order.

A review (one rater, one summary) is a record: three ratings. A rater's orders of one question are one ranking, by
`overall-rank`. The question is not in the file, so the prompt names the passage and the number of the question.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import (
    CompletionRow,
    Feedback,
    RankingRow,
    RatingRow,
    Record,
    Rejected,
    Unusable,
    identity,
    rest,
    take,
    take_filled,
    take_list,
    take_text,
    user,
)

CRITERIA = ("correctness", "selection", "overall")


def parse(record: Record) -> Iterator[Feedback | Rejected]:
    passage = take_filled(record.value, "passage-id")
    questions = take(record.value, "questions")
    if not isinstance(questions, dict):
        raise Unusable(_('The field "questions" is no object.'))
    for number, systems in questions.items():
        yield from question(record.line, passage, number, systems)


def question(line: int, passage: str, number: str, systems: Any) -> Iterator[Feedback | Rejected]:
    if not isinstance(systems, dict):
        raise Unusable(_("Question %(number)s is no object.") % {"number": number})
    completions: list[CompletionRow] = []
    orders: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    ratings: dict[str, list[tuple[int, RatingRow]]] = defaultdict(list)
    num_reviews = 0
    for position, (system, judged) in enumerate(systems.items()):
        summary = take_text(judged, "response")
        completions.append(CompletionRow(summary, identity(system, summary), model_name=system[:200]))
        for review in take_list(judged, "reviews"):
            try:
                rater, rank, rows = read(review, f"{passage}/{number}/{system}", summary)
            except Unusable as reason:
                yield Rejected(
                    line,
                    _("A review of %(system)s on question %(number)s: %(reason)s")
                    % {"system": system, "number": number, "reason": reason},
                )
                continue
            num_reviews += 1
            orders[rater][rank].append(position)
            ratings[rater] += [(position, row) for row in rows]
    rankings = [
        RankingRow(
            [ranks[rank] for rank in sorted(ranks)],
            identity(passage, number, rater, ranks, given=f"{passage}/{number}/{rater}"),
            author=rater,
            ratings=ratings[rater],
        )
        for rater, ranks in orders.items()
    ]
    if num_reviews:
        yield Feedback(
            line=line,
            messages=[user(f"Summarise passage {passage} as question {number} about it asks.")],
            external_id=f"{passage}/{number}",
            metadata={"question_not_in_file": True},
            completions=completions,
            rankings=rankings,
            num_records=num_reviews,
        )


def read(review: Any, where: str, summary: str) -> tuple[str, int, list[RatingRow]]:
    """Rater, place in their order (1 is best), and their ratings."""
    rater = take_filled(review, "worker_id")
    rank = take(review, "overall-rank")
    if isinstance(rank, bool) or not isinstance(rank, int):
        raise Unusable(
            _('The field "overall-rank" is %(value)s, not a whole number.') % {"value": str(rank)[:20]}
        )
    rows = []
    for criterion in CRITERIA:
        value = take(review, f"{criterion}-rating")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise Unusable(
                _('The field "%(criterion)s-rating" is %(value)s, not a number from 0 to 100.')
                % {"criterion": criterion, "value": str(value)[:20]}
            )
        about = {"rank": review.get(f"{criterion}-rank")}
        if criterion == "overall":  # comments on stretches of the text, and whatever else came
            named = [f"{name}-{what}" for name in CRITERIA for what in ("rating", "rank")]
            about |= rest(review, "worker_id", "system", *named)
        rows.append(RatingRow(criterion, float(value), identity(where, rater, summary), 0, 100, rater, about))
    return rater, rank, rows
