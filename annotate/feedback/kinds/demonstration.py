"""Demonstrations: a dialogue that a person wrote, and what became of the suggestions in it."""

import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from rapidfuzz.distance import Levenshtein

from annotate.accounts.models import Annotator
from annotate.feedback.kinds.base import Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import check_dialogue, refuse
from annotate.feedback.models import Assignment, Demonstration, Suggestion


@transaction.atomic
def submit_demonstration(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    messages: list[dict[str, Any]],
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store a dialogue, and what became of each suggestion. The same key again changes nothing.

    `revises`: the revision that this corrects; what became of the suggestions was settled by the first.
    """
    assignment, stored, earlier = begin_submission(
        assignment_id, annotator, Demonstration, submission_key, revises, by_reviewer
    )
    if stored:
        return Stored(stored, False)
    prompt = assignment.unit.prompt
    check_dialogue(messages, prompt.messages, may_instruct=assignment.campaign.has_system_message)
    if earlier is None:
        _settle_suggestions(assignment, messages)
    pastes = (earlier.metadata.get("pastes", []) if earlier else []) + _pastes(messages)
    demonstration = store_submission(
        Demonstration,
        assignment,
        annotator,
        earlier,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        prompt=prompt,
        messages=[{"role": m["role"], "content": m["content"]} for m in messages],
        metadata={"pastes": pastes} if pastes else {},
    )
    return Stored(demonstration, True)


def _pastes(messages: list[dict[str, Any]]) -> list[dict[str, int]]:
    """What was pasted and where: soft evidence for whoever reads the export, and never a reason to refuse."""
    return [
        {"turn": turn, "length": length}
        for turn, message in enumerate(messages)
        for length in message.get("pastes", [])
    ]


def _settle_suggestions(assignment: Assignment, messages: list[dict[str, Any]]) -> None:
    """Taken as it was, edited (how far), taken in part, or refused."""
    offered = {suggestion.id: suggestion for suggestion in Suggestion.objects.filter(assignment=assignment)}
    used: set[int] = set()
    for i, message in enumerate(messages):
        text, whole = message["content"], message.get("suggestion")
        taken: dict[int, list[str]] = {} if whole is None else {whole: []}
        for part in message.get("parts", []):
            taken.setdefault(part["suggestion"], []).append(part["text"])
        for suggestion_id, pieces in taken.items():
            if suggestion_id not in offered or suggestion_id in used:
                reason = _("This suggestion was not offered here, or is named twice.")
                raise refuse(f"messages[{i}].suggestion", reason, "unknown")
            used.add(suggestion_id)
            suggestion = offered[suggestion_id]
            if suggestion_id == whole:
                is_same = text == suggestion.text
                suggestion.outcome = Suggestion.Outcome.TAKEN if is_same else Suggestion.Outcome.EDITED
            else:
                suggestion.outcome, suggestion.taken_text = Suggestion.Outcome.PART, "\n".join(pieces)
            suggestion.final_text = text
            suggestion.edit_distance = Levenshtein.distance(suggestion.taken_text or suggestion.text, text)
    for suggestion in offered.values():
        if suggestion.id not in used:
            suggestion.outcome = Suggestion.Outcome.REFUSED
    Suggestion.objects.bulk_update(offered.values(), ["outcome", "taken_text", "final_text", "edit_distance"])
