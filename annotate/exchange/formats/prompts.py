"""Prompts to be answered: plain strings, question lists, and sampling reports with a model's completions.

Question lists made to evaluate models (MT-bench, Vicuna, user-oriented instructions) are marked
`evaluation_only`: a snapshot holds them out, or leaves them out, and never trains on them.
"""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from annotate.exchange.formats.instructions import asked
from annotate.exchange.formats.records import (
    CompletionRow,
    Feedback,
    Record,
    Unusable,
    identity,
    optional_text,
    rest,
    take_filled,
    take_list,
    text,
    user,
)
from annotate.exchange.formats.turns import as_turns, with_columns


def parse_plain(record: Record) -> Iterator[Feedback]:
    """A JSON string, or {prompt: "…"}, {text: "…"}, {prompt: [turns]}."""
    value = record.value
    if isinstance(value, dict):
        name = "prompt" if "prompt" in value else "text"
        given = value[name]
        said = as_turns(given) if isinstance(given, list) else [user(take_filled(value, name))]
        if said[-1]["role"] not in ("user", "tool"):
            raise Unusable(_("The prompt does not end with the user, so there is nothing to answer."))
        about = rest(value, name, "system", "system_prompt")
        yield Feedback(record.line, with_columns(value, said), metadata=about)
        return
    if not isinstance(value, str) or not value.strip():
        raise Unusable(_("It is not a text, so it is no prompt."))
    yield Feedback(record.line, [user(value)])


def parse_turns(record: Record) -> Iterator[Feedback]:
    """The first turn is the prompt; what is asked next needs an answer first and stays in the metadata."""
    value = record.value
    turns = take_list(value, "turns")
    if not turns or not text(turns[0], "turns").strip():
        raise Unusable(_('The field "turns" has no first turn.'))
    yield Feedback(
        line=record.line,
        messages=[user(text(turns[0], "turns"))],
        external_id=optional_text(value, "question_id"),
        metadata=rest(value, "question_id") | {"evaluation_only": True},
    )


def parse_reference_answer(record: Record) -> Iterator[Feedback]:
    question = optional_text(record.value, "question_id")
    raise Unusable(
        _("It answers question %(question)s by number only; the question's text is not in this file.")
        % {"question": question}
    )


def parse_expert_question(record: Record) -> Iterator[Feedback]:
    value = record.value
    yield Feedback(
        line=record.line,
        messages=[user(take_filled(value, "question"))],
        author=optional_text(value, "annotator_id"),
        metadata=rest(value, "question", "annotator_id"),
    )


def parse_user_oriented(record: Record) -> Iterator[Feedback]:
    """Its authors ask that it never be used for training: a prompt, with the expected output beside it."""
    value = record.value
    instances = take_list(value, "instances") or [{}]
    for number, instance in enumerate(instances):
        about = instance if isinstance(instance, dict) else {}
        yield Feedback(
            line=record.line,
            messages=asked({"instruction": value.get("instruction"), "input": about.get("input")}),
            external_id=optional_text(value, "id"),
            metadata=rest(value, "id", "instruction", "instances")
            | {"evaluation_only": True, "reference": about.get("output")},
            num_records=1 if number == 0 else 0,
        )


def parse_sampled(record: Record) -> Iterator[Feedback]:
    """A prompt of a sampling report with its completions, which wait to be ranked."""
    value, header = record.value, record.header
    model_name = optional_text(header, "model_name")
    arguments = header.get("args")
    seed = arguments.get("seed") if isinstance(arguments, dict) else None
    completions = []
    for result in take_list(value, "results"):
        named = optional_text(result, "sampling_config")
        sampling = {"config": named, **(result.get("sampling_params") or {})}
        for number, output in enumerate(take_list(result, "outputs")):
            output = text(output, "outputs")
            completions.append(
                CompletionRow(
                    text=output,
                    external_id=identity(model_name, named, number, output),
                    model_name=model_name,
                    sampling=sampling,
                    seed=seed if isinstance(seed, int) and abs(seed) < 2**63 else None,
                )
            )
    if not completions:
        raise Unusable(_("The prompt has no completions."))
    prompt = [user(take_filled(value, "prompt"))]
    yield Feedback(record.line, prompt, completions=completions)
