"""The formats by name, and which of them a file has: by the fields of its first records, never by its name."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotate.exchange.formats import (
    chat,
    instructions,
    kwise,
    llmbar,
    oasst,
    own_csv,
    pairs,
    pandalm,
    prompts,
    squality,
)
from annotate.exchange.formats.fields import ANSWER, FIELDS, HEADER, checked, count, unread_fields
from annotate.exchange.formats.reading import records
from annotate.exchange.formats.records import Feedback, Record, Rejected, TreeRow, Unusable, guarded, kind

Parsed = Feedback | TreeRow | Rejected | int  # int: the line of a mere repetition
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
LOOK_AT = 20  # records that decide; a few of them may be broken


@dataclass(frozen=True)
class Format:
    """`fits` looks at one record's value; `parse` turns one record into what is stored."""

    name: str
    description: Any  # a lazy translation
    source: str  # under which ids of people and records of this origin are kept apart from other origins
    fits: Callable[[Any], bool]
    parse: Callable[[Record], Iterator[Parsed]] | None = None


def has(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(name in value for name in names)


def _is_tree(value: Any) -> bool:
    nested = has("prompt")(value) and has("message_id")(value["prompt"])
    return nested or has("message_id", "replies")(value)


def _is_message(value: Any) -> bool:
    return has("message_id", "role", "text")(value) or has("user_message_id", "role", "text")(value)


ASKED = ("prompt", "question", "instruction", "messages", "conversations")


def _is_pair(value: Any) -> bool:
    """With what was asked in a field of its own, or with whole dialogues as turns."""
    if not has("chosen", "rejected")(value):
        return False
    return any(name in value for name in ASKED) or not isinstance(value["chosen"], str)


def _is_thumb(value: Any) -> bool:
    said = has("messages")(value) or has("conversations")(value) or has("prompt", "completion")(value)
    return said and has("label")(value)


def _is_questions(value: Any) -> bool:
    return has("turns")(value) and isinstance(value["turns"], list)


# In the order in which they are tried: the more particular first.
FORMATS = [
    Format(
        "oasst", _("Open-Assistant message trees, nested: one tree or one root a line"), "oasst", _is_tree
    ),
    Format("oasst-flat", _("Open-Assistant messages, one a line, with parent_id"), "oasst", _is_message),
    Format(
        "pandalm",
        _("PandaLM: two responses and the choices of three annotators"),
        "pandalm",
        has("response1", "response2", "annotator1"),
        pandalm.parse,
    ),
    Format(
        "squality",
        _("SQuALITY human evaluation: ratings and orders of summaries"),
        "squality",
        has("passage-id", "questions"),
        squality.parse,
    ),
    Format(
        "llmbar",
        _("LLMBar: two outputs, and which one does what was asked"),
        "llmbar",
        has("input", "output_1", "output_2", "label"),
        llmbar.parse,
    ),
    Format(
        "k-wise",
        _("Parley's own k-wise export: rankings whole, with ties"),
        "parley",
        has("prompt", "completions", "tiers"),
        kwise.parse,
    ),
    Format(
        "csv",
        _("Parley's own CSV export"),
        "parley",
        has("kind", "completion", "num_pastes"),
    ),
    Format(
        "ranks",
        _("A prompt with completions and their ranks, 1 being the best"),
        "ranks",
        has("prompt", "completions", "ranks"),
        kwise.parse_ranks,
    ),
    Format(
        "nectar",
        _("Nectar: a prompt with answers and their ranks"),
        "nectar",
        lambda value: has("prompt", "answers")(value) and isinstance(value["answers"], list),
        kwise.parse_nectar,
    ),
    Format(
        "dpo",
        _("A chosen and a rejected reply to a dialogue, a prompt, a question or an instruction"),
        "dpo",
        _is_pair,
        pairs.parse,
    ),
    Format(
        "hh", _("Anthropic HH: two whole dialogues as text"), "hh", has("chosen", "rejected"), pairs.parse_hh
    ),
    Format(
        "kto", _("A dialogue with a thumb up or down for its last reply"), "kto", _is_thumb, chat.parse_thumb
    ),
    Format(
        "sampling-report",
        _("A model's completions for each prompt, to be ranked"),
        "sampling-report",
        has("prompt", "results"),
        prompts.parse_sampled,
    ),
    Format("messages", _("Dialogues as [{role, content}]"), "messages", has("messages"), chat.parse_dialogue),
    Format(
        "sharegpt",
        _("Dialogues as [{from, value}], with system turns and tool calls"),
        "sharegpt",
        has("conversations"),
        chat.parse_dialogue,
    ),
    Format(
        "prompt-completion",
        _("TRL's prompt and completion"),
        "messages",
        has("prompt", "completion"),
        chat.parse_completed,
    ),
    Format(
        "user-oriented",
        _("User-oriented instructions, for evaluation only"),
        "user-oriented",
        has("instruction", "instances", "motivation_app"),
        prompts.parse_user_oriented,
    ),
    Format(
        "self-instruct",
        _("Self-instruct seed tasks with instances"),
        "self-instruct",
        has("instruction", "instances"),
        instructions.parse_seed_task,
    ),
    Format(
        "alpaca",
        _("Alpaca: instruction, input, output"),
        "alpaca",
        has("instruction", "output"),
        instructions.parse_alpaca,
    ),
    Format(
        "afriqa",
        _("AfriQA: questions with a list of short answers"),
        "afriqa",
        has("question", "answers", "lang"),
        instructions.parse_afriqa,
    ),
    Format(
        "expert-questions",
        _("ExpertQA questions by field, without answers"),
        "expertqa",
        has("question", "annotator_id"),
        prompts.parse_expert_question,
    ),
    Format(
        "question-answer",
        _("Questions with one answer each"),
        "question-answer",
        has("question", "answer"),
        instructions.parse_question,
    ),
    Format(
        "squad",
        _("SQuAD: pages with paragraphs, questions and answers"),
        "squad",
        has("paragraphs"),
        instructions.parse_squad_page,
    ),
    Format(
        "reference-answers",
        _("Reference answers by question number: counted, and refused without their questions"),
        "mt-bench",
        has("question_id", "choices"),
        prompts.parse_reference_answer,
    ),
    Format(
        "questions",
        _("Questions in turns, for evaluation only (MT-bench, Vicuna)"),
        "mt-bench",
        _is_questions,
        prompts.parse_turns,
    ),
    Format(
        "prompts",
        _("Prompts: one JSON string each, or objects with prompt or text"),
        "prompts",
        lambda value: isinstance(value, str) or has("prompt")(value) or has("text")(value),
        prompts.parse_plain,
    ),
]
BY_NAME = {found.name: found for found in FORMATS}
SCRATCH = ("oasst", "oasst-flat", "csv")  # read by parse_file in ways of their own


def detect(path: Path) -> Format | None:
    """The form that fits one of the first records and reads every field that could change what it means.

    Best one that reads a record whole; else one that knows its fields and says what is wrong with them.
    """
    seen = [found for found in islice(records(path), LOOK_AT) if isinstance(found, Record)]
    fitting = [(form, record) for record in seen for form in FORMATS if form.fits(record.value)]
    for is_whole in (True, False):
        for form, record in fitting:
            if not why_unread(form, record, is_whole):
                return form
    return None


def why_unread(form: Format, record: Record, is_whole: bool = True) -> str:
    """Why the form does not read the record, or not all fields that could change what it means; else empty."""
    try:
        read_record(form, record, is_whole and form.name not in SCRATCH)
    except Unusable as reason:
        return str(reason)
    return ""


def read_record(form: Format, record: Record, is_whole: bool = True) -> tuple[list[Parsed], set[str]]:
    """What the record says, and the names of its fields that were not read."""
    parsed: list[Parsed] = []
    if is_whole:
        parse = form.parse or nested
        parsed = guarded(lambda given: list(parse(given)))(record)
    unread = checked(record.value, form.name, texts_of(parsed))
    unread |= {name for name, _found in unread_fields(record.header, HEADER)}
    if "weight" in FIELDS[form.name]:
        take_weight(parsed, record.value)
    return parsed, unread


def nested(record: Record) -> Iterator[TreeRow]:
    yield oasst.nested(record)


def why_unknown(record: Record) -> str:
    """For a file whose first records no form reads: what the record looks like, and what the nearest form lacks."""
    value = record.value
    nearest = next((form for form in FORMATS if form.fits(value)), None)
    if nearest and (reason := why_unread(nearest, record)):
        return gettext("It looks like %(what)s, and no form reads all of it. %(reason)s") % {
            "what": looks_like(value),
            "reason": reason,
        }
    if nearest:
        return gettext(
            "No form reads the first records of this file; name one (this looks like %(form)s)."
        ) % {"form": nearest.name}
    fields = ", ".join(list(value)[:10])[:200] if isinstance(value, dict) else kind(value)
    return gettext(
        "It fits no format that Parley reads: %(fields)s. Look at the formats in the guide, or name one if you know it."
    ) % {"fields": fields}


def looks_like(value: dict[str, Any]) -> str:
    answers = [name for name in value if ANSWER.fullmatch(name.casefold())]
    if "chosen" in value and "rejected" in value:
        return gettext("a preference pair")
    if len(answers) > 1:
        return gettext("several answers with a judgement")
    if "messages" in value or "conversations" in value:
        return gettext("a dialogue")
    return gettext("an answer with a judgement") if answers else gettext("a prompt with more")


def parse_file(
    path: Path, form: Format, scratch: Path, unread: Counter[str] | None = None
) -> Iterator[Parsed]:
    """Everything in the file, in neutral form. `scratch` is a path for a temporary file of flat messages.

    `unread` counts the fields that were not read, by name.
    """
    unread = Counter() if unread is None else unread
    if form.name in ("oasst-flat", "csv"):
        rows = with_known_fields(records(path), form, unread)
        yield from oasst.flat(rows, scratch) if form.name == "oasst-flat" else own_csv.read(rows)
        return
    for found in records(path):
        if isinstance(found, Rejected):
            yield found
            continue
        try:
            parsed, names = read_record(form, found)
        except Unusable as reason:
            yield Rejected(found.line, str(reason))
            continue
        count(unread, names)
        for item in parsed:
            if isinstance(item, Feedback | TreeRow):
                item.size = found.size
            if isinstance(item, Feedback):
                take_language(item, found.value)
            yield item


def with_known_fields(
    found: Iterator[Record | Rejected], form: Format, unread: Counter[str]
) -> Iterator[Record | Rejected]:
    for record in found:
        if isinstance(record, Record):
            try:
                count(unread, checked(record.value, form.name))
            except Unusable as reason:
                record = Rejected(record.line, str(reason))
        yield record


def texts_of(parsed: Iterable[Parsed]) -> Iterator[str]:
    for item in parsed:
        if not isinstance(item, Feedback):
            continue
        for said in (item.messages, *(row.messages for row in item.demonstrations)):
            yield from (message["content"] for message in said)
        yield from (row.text for row in item.completions)


def take_weight(parsed: Iterable[Parsed], value: Any) -> None:
    """A record's `weight` is that of its demonstrations: how much it counts in training; 0 leaves it out."""
    weight = value.get("weight")
    if weight is None:
        return
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise Unusable(gettext('The field "weight" is no number of 0 or more.'))
    for item in parsed:
        for row in item.demonstrations if isinstance(item, Feedback) else []:
            row.weight = float(weight)


def take_language(item: Feedback, value: Any) -> None:
    """The record's own `language` or `lang`, where it is a tag (en, pt-BR) and the format has not read it."""
    for name in ("language", "lang"):
        tag = value.get(name) if isinstance(value, dict) and not item.language else None
        if isinstance(tag, str) and len(tag) <= 16 and LANGUAGE_TAG.fullmatch(tag):
            item.language = tag
            for about in (item.metadata, *(row.metadata for row in item.demonstrations)):
                about.pop(name, None)
