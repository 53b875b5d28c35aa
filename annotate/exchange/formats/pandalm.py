"""PandaLM's test set: two answers to an instruction, judged by three people (0 a tie, 1 or 2 the better one).

Three rankings a record, one for each person. An answer that is JSON true or false is the word. Empty answers
were judged like any other and stay.
"""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from annotate.exchange.formats.instructions import asked
from annotate.exchange.formats.records import (
    CompletionRow,
    Feedback,
    RankingRow,
    Record,
    Unusable,
    identity,
    rest,
    take,
    take_text,
)

JUDGES = ("annotator1", "annotator2", "annotator3")
TIERS = {0: [[0, 1]], 1: [[0], [1]], 2: [[1], [0]]}


def parse(record: Record) -> Iterator[Feedback]:
    value = record.value
    prompt = asked(value)
    answers = [take_text(value, "response1"), take_text(value, "response2")]
    models = value.get("cmp_key") if isinstance(value.get("cmp_key"), str) else ""
    names = models.split("_", 1) if models.count("_") == 1 else ["", ""]
    judgements = {judge: take(value, judge) for judge in JUDGES}
    for judge, choice in judgements.items():
        if isinstance(choice, bool) or choice not in TIERS:
            raise Unusable(
                _('The field "%(name)s" is %(value)s, not 0, 1 or 2.')
                % {"name": judge, "value": str(choice)[:20]}
            )
    if names[0] == names[1] and answers[0] == answers[1]:
        raise Unusable(_("Both answers are the same, so there was nothing to judge."))
    yield Feedback(
        line=record.line,
        messages=prompt,
        completions=[
            CompletionRow(answer, identity(answer, name), model_name=name[:200])
            for answer, name in zip(answers, names, strict=True)
        ],
        rankings=[
            RankingRow(TIERS[choice], identity(prompt, answers, judge, given=value.get("idx")), author=judge)
            for judge, choice in judgements.items()
        ],
        metadata=rest(value, "instruction", "input", "response1", "response2", *JUDGES, "idx", "cmp_key"),
    )
