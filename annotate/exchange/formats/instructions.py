"""Questions with their answers: Alpaca, self-instruct's seed tasks, question and answer, AfriQA, SQuAD.

Each answer is a demonstration; a question without an answer is a prompt that waits for one.
"""

import ast
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import (
    DemonstrationRow,
    Feedback,
    Record,
    Rejected,
    Unusable,
    assistant,
    identity,
    optional_text,
    rest,
    take_filled,
    take_list,
    take_text,
    text,
    user,
)
from annotate.exchange.formats.turns import history, opening, with_columns


def asked(value: Any, name: str = "instruction") -> list[dict[str, str]]:
    """The instruction, and below it, after an empty line, what it is about; one of the two may be empty."""
    parts = [take_text(value, name), text(value.get("input") or "", "input")]
    filled = [part for part in parts if part.strip()]
    if not filled:
        raise Unusable(_('The fields "%(name)s" and "input" are both empty.') % {"name": name})
    return [user("\n\n".join(filled))]


def answered(
    line: int,
    prompt: list[dict[str, str]],
    answers: list[str],
    given: Any,
    language: str,
    about: dict[str, Any],
) -> Feedback:
    return Feedback(
        line=line,
        messages=opening(prompt) if answers else prompt,
        language=language,
        metadata={} if answers else about,
        demonstrations=[
            DemonstrationRow(
                [*prompt, assistant(answer)], identity(prompt, answer, given=given), metadata=about
            )
            for answer in answers
        ],
    )


def parse_alpaca(record: Record) -> Iterator[Feedback]:
    value = record.value
    prompt = asked(value)
    output = take_text(value, "output")
    about = rest(value, "instruction", "input", "output", "history", "id", "system", "weight")
    prompt = with_columns(value, [*history(value), *prompt])
    yield answered(record.line, prompt, [output] if output.strip() else [], value.get("id"), "", about)


def parse_seed_task(record: Record) -> Iterator[Feedback]:
    """A task with its instances: one prompt and one demonstration for each; the record counts once."""
    value = record.value
    instances = take_list(value, "instances")
    if not instances:
        raise Unusable(_("The task has no instances."))
    about = rest(value, "instruction", "instances", "id")
    for number, instance in enumerate(instances):
        prompt = asked({"instruction": value.get("instruction"), "input": optional(instance, "input")})
        output = take_text(instance, "output")
        answers = [output] if output.strip() else []
        feedback = answered(record.line, prompt, answers, value.get("id"), "", about)
        feedback.num_records = 1 if number == 0 else 0
        yield feedback


def optional(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def parse_question(record: Record) -> Iterator[Feedback]:
    """{question, answer}, as in GSM8K and ExpertQA; `context`, where there is one, stands before the question."""
    value = record.value
    question = take_filled(value, "question")
    context = text(value.get("context") or "", "context")
    prompt = [user(f"{context}\n\n{question}" if context.strip() else question)]
    answer = take_text(value, "answer")
    about = rest(
        value, "question", "answer", "context", "example_id", "id", "system", "system_prompt", "weight"
    )
    prompt = with_columns(value, prompt)
    given = value.get("id", value.get("example_id"))
    yield answered(record.line, prompt, [answer] if answer.strip() else [], given, "", about)


def parse_afriqa(record: Record) -> Iterator[Feedback]:
    """The first answer of the list that stands, as a string, in `answers`; the others stay in the metadata."""
    value = record.value
    prompt = [user(take_filled(value, "question"))]
    answers = [answer for answer in spelled_list(take_text(value, "answers")) if answer.strip()][:1]
    about = rest(value, "question", "lang", "id")
    language = optional_text(value, "lang", 16)
    yield answered(record.line, prompt, answers, value.get("id"), language, about)


def spelled_list(spelled: str) -> list[str]:
    """A Python list as text: "['yes', 'no']". Where an apostrophe inside breaks the quotes, the text between."""
    try:
        found = ast.literal_eval(spelled)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        between = spelled.strip().removeprefix("[").removesuffix("]").strip()
        return [between[1:-1] if len(between) > 1 and between[0] in "'\"" else between]
    return [str(answer) for answer in found] if isinstance(found, list) else [spelled]


def parse_squad_page(record: Record) -> Iterator[Feedback | Rejected]:
    """A page with paragraphs and questions; each question is a record.

    A question that is the page's title stands by itself (questions people often ask); any other is asked about
    its paragraph, which then stands before it.
    """
    value = record.value
    title = text(value.get("title") or "", "title")
    for paragraph in take_list(value, "paragraphs"):
        context = text(optional(paragraph, "context") or "", "context")
        for asked_question in take_list(paragraph, "qas"):
            try:
                yield _squad_question(record.line, asked_question, title, context, value)
            except Unusable as reason:
                yield Rejected(record.line, str(reason))


def _squad_question(line: int, value: Any, title: str, context: str, page: dict[str, Any]) -> Feedback:
    question = take_filled(value, "question")
    alone = question.strip() == title.strip() or not context.strip()
    prompt = [user(question if alone else f"{context}\n\n{question}")]
    answers = [take_text(answer, "text") for answer in value.get("answers") or []]
    answers = list(dict.fromkeys(answer for answer in answers if answer.strip()))[:1]
    about = rest(page, "paragraphs") | rest(value, "question", "answers", "id")
    return answered(line, prompt, answers, value.get("id"), "", about)
