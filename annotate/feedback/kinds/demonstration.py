"""Demonstrations: a dialogue that a person wrote, and what became of the suggestions in it."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from rapidfuzz.distance import Levenshtein
from rest_framework import serializers

from annotate.accounts.models import Annotator
from annotate.campaigns.limits import MAX_MESSAGES, MAX_TEXT
from annotate.campaigns.models import Campaign
from annotate.campaigns.serializers import MessageSerializer
from annotate.feedback.kinds.base import HandedIn, Kind, Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import check_dialogue, refuse
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.models import Assignment, Demonstration, Suggestion

MAX_PIECES = 200


class TakenPartSerializer(serializers.Serializer):
    """A piece of a suggestion, as it was when it was taken."""

    suggestion = serializers.IntegerField()
    text = serializers.CharField(max_length=MAX_TEXT, trim_whitespace=False)


class WrittenMessageSerializer(MessageSerializer):
    content = serializers.CharField(max_length=MAX_TEXT, allow_blank=True, trim_whitespace=False)
    suggestion = serializers.IntegerField(
        required=False, allow_null=True, help_text="the suggestion it began as"
    )
    parts = TakenPartSerializer(many=True, required=False, max_length=MAX_PIECES)  # type: ignore[call-arg]
    pastes = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_TEXT * 10),
        required=False,
        max_length=MAX_PIECES,
        help_text="length of each text that was pasted into it, in characters",
    )


class DemonstrationSubmissionSerializer(SubmissionSerializer):
    messages = WrittenMessageSerializer(many=True, max_length=MAX_MESSAGES)  # type: ignore[call-arg]


@transaction.atomic
def submit_demonstration(
    assignment_id: int, annotator: Annotator, handed_in: HandedIn, *, messages: list[dict[str, Any]]
) -> Stored:
    """Store a dialogue, and what became of each suggestion, which a correction does not settle anew."""
    assignment, stored, earlier = begin_submission(KIND, assignment_id, annotator, handed_in)
    if stored:
        return Stored(stored, False)
    prompt = assignment.unit.prompt
    check_dialogue(messages, prompt.messages, may_instruct=assignment.campaign.has_system_message)
    if earlier is None:
        _settle_suggestions(assignment, messages)
    pastes = (earlier.metadata.get("pastes", []) if earlier else []) + _pastes(messages)
    demonstration = store_submission(
        KIND,
        assignment,
        earlier,
        handed_in,
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
            suggestion.edit_distance = Levenshtein.distance(suggestion.taken_text or suggestion.text, text)
    for suggestion in offered.values():
        if suggestion.id not in used:
            suggestion.outcome = Suggestion.Outcome.REFUSED
    Suggestion.objects.bulk_update(offered.values(), ["outcome", "taken_text", "edit_distance"])


def _content_of(demonstration: Demonstration) -> dict[str, Any]:
    return {"messages": demonstration.messages}


KIND = Kind(
    Campaign.Kind.DEMONSTRATION,
    Demonstration,
    DemonstrationSubmissionSerializer,
    submit_demonstration,
    _content_of,
)
