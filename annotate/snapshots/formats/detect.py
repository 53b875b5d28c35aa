"""The formats by name, and which of them a file has: by the fields of its first records, never by its name."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from annotate.snapshots.formats import chat, hh, instructions, llmbar, oasst, pandalm, prompts, squality
from annotate.snapshots.formats.fields import FIELDS, count, unread_fields
from annotate.snapshots.formats.reading import records
from annotate.snapshots.formats.records import Feedback, Record, Rejected, TreeRow, Unusable, guarded

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
    parse: Callable[[Record], Iterator[Feedback | Rejected]] | None = None


def has(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(name in value for name in names)


def _is_tree(value: Any) -> bool:
    nested = has("prompt")(value) and has("message_id")(value["prompt"])
    return nested or has("message_id", "replies")(value)


def _is_message(value: Any) -> bool:
    return has("message_id", "role", "text")(value) or has("user_message_id", "role", "text")(value)


def _is_pair(value: Any) -> bool:
    return has("chosen", "rejected")(value) and (
        has("conversations")(value) or has("messages")(value) or has("prompt")(value)
    )


def _is_thumb(value: Any) -> bool:
    said = has("messages")(value) or has("conversations")(value) or has("prompt", "completion")(value)
    return said and has("label")(value)


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
    Format("dpo", _("A dialogue with a chosen and a rejected reply"), "dpo", _is_pair, chat.parse_pair),
    Format("hh", _("Anthropic HH: two whole dialogues as text"), "hh", has("chosen", "rejected"), hh.parse),
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
        has("turns"),
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
UNKNOWN = _(
    "The fields of its first records fit no format that Parley reads. Look at the formats in the guide, or name "
    "one if you know it."
)


def detect(path: Path) -> Format | None:
    """The first format that fits one of the first records."""
    seen = [found.value for found in islice(records(path), LOOK_AT) if isinstance(found, Record)]
    return next((form for value in seen for form in FORMATS if form.fits(value)), None)


def parse_file(
    path: Path, form: Format, scratch: Path, unread: Counter[str] | None = None
) -> Iterator[Parsed]:
    """Everything in the file, in neutral form. `scratch` is a path for a temporary file of flat messages.

    `unread` counts the fields that were not read, by name.
    """
    unread = Counter() if unread is None else unread
    if form.name == "oasst-flat":
        yield from oasst.flat(counted(records(path), form.name, unread), scratch)
        return
    read = guarded(lambda record: [oasst.nested(record)] if form.parse is None else list(form.parse(record)))
    for found in records(path):
        if isinstance(found, Rejected):
            yield found
            continue
        try:
            parsed = read(found)
        except Unusable as reason:
            yield Rejected(found.line, str(reason))
            continue
        count(unread, unread_fields(found.value, FIELDS[form.name]))
        for item in parsed:
            if not isinstance(item, Rejected):
                item.size = found.size
            if isinstance(item, Feedback):
                take_language(item, found.value)
            yield item


def counted(
    found: Iterator[Record | Rejected], form_name: str, unread: Counter[str]
) -> Iterator[Record | Rejected]:
    for record in found:
        if isinstance(record, Record):
            count(unread, unread_fields(record.value, FIELDS[form_name]))
        yield record


def take_language(item: Feedback, value: Any) -> None:
    """The record's own `language` or `lang`, where it is a tag (en, pt-BR) and the format has not read it."""
    for name in ("language", "lang"):
        tag = value.get(name) if isinstance(value, dict) and not item.language else None
        if isinstance(tag, str) and len(tag) <= 16 and LANGUAGE_TAG.fullmatch(tag):
            item.language = tag
            for about in (item.metadata, *(row.metadata for row in item.demonstrations)):
                about.pop(name, None)
