"""LLMBar: two outputs, and `label` says which one does what was asked: a ranking with that one first."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import (
    CompletionRow,
    Feedback,
    RankingRow,
    Record,
    Unusable,
    identity,
    take,
    take_filled,
    take_text,
    user,
)


def parse(record: Record) -> Iterator[Feedback]:
    value = record.value
    prompt = [user(take_filled(value, "input"))]
    outputs = [take_text(value, "output_1"), take_text(value, "output_2")]
    label = take(value, "label")
    if isinstance(label, bool) or label not in (1, 2):
        raise Unusable(_('The field "label" is %(value)s, not 1 or 2.') % {"value": str(label)[:20]})
    if outputs[0] == outputs[1]:
        raise Unusable(_("Both outputs are the same, so neither is the better one."))
    yield Feedback(
        line=record.line,
        messages=prompt,
        completions=[CompletionRow(output, identity(output)) for output in outputs],
        rankings=[RankingRow([[label - 1], [2 - label]], identity(prompt, outputs, label))],
    )
