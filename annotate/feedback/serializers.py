"""The JSON of feedback. What goes to an annotator names completions by place and text only (feedback.naming)."""

import json
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.campaigns.limits import MAX_MESSAGES, MAX_TEXT, too_long_prompt
from annotate.campaigns.models import Campaign
from annotate.campaigns.serializers import LANGUAGE, GuidelinesSerializer, MessageSerializer, PersonSerializer
from annotate.feedback.models import Assignment, Remark, Suggestion, Verdict

MAX_DRAFT = 2_000_000


class SuggestionSerializer(serializers.ModelSerializer):
    """What was offered; not by which policy."""

    class Meta:
        model = Suggestion
        fields = ["id", "turn", "pair", "side", "text", "outcome", "is_complete"]


class DraftSerializer(serializers.Serializer):
    content = serializers.JSONField()
    revision = serializers.IntegerField()
    saved_at = serializers.DateTimeField()


class LeaseSerializer(serializers.Serializer):
    lease_expires_at = serializers.DateTimeField()
    seconds_left = serializers.SerializerMethodField()

    def get_seconds_left(self, assignment: Assignment) -> float:
        if assignment.state != Assignment.State.LEASED:
            return 0.0
        return max(0.0, (assignment.lease_expires_at - timezone.now()).total_seconds())


class AssignmentCampaignSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Campaign.Kind.choices)
    language = serializers.CharField()
    flags = serializers.ListField(child=serializers.CharField())
    num_completions = serializers.IntegerField()
    is_rated_first = serializers.BooleanField()
    criteria = serializers.ListField(child=serializers.CharField())
    own_answer = serializers.ChoiceField(Campaign.OwnAnswer.choices)
    has_system_message = serializers.BooleanField()
    min_words = serializers.IntegerField(allow_null=True)
    max_words = serializers.IntegerField(allow_null=True)
    guidelines = serializers.SerializerMethodField()

    @extend_schema_field(GuidelinesSerializer(allow_null=True))
    def get_guidelines(self, campaign: Campaign) -> Any:
        guidelines = self.context.get("guidelines")
        return GuidelinesSerializer(guidelines).data if guidelines else None


class AssignmentPromptSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    messages = MessageSerializer(many=True)
    brief = serializers.CharField()
    language = serializers.CharField()


class OfferedCompletionSerializer(serializers.Serializer):
    """A completion without any sign of where it came from."""

    id = serializers.IntegerField(help_text="its place in the order shown, from 1")
    text = serializers.CharField()


class ReviewSerializer(serializers.Serializer):
    """What a reviewer said; not who."""

    verdict = serializers.ChoiceField(Verdict.choices)
    comment = serializers.CharField()
    created_at = serializers.DateTimeField()


class ReviewedSerializer(serializers.Serializer):
    """Another person's submission, with what was before them."""

    assignment = serializers.IntegerField(help_text="names it where its versions are asked for")
    campaign = serializers.SerializerMethodField()
    completions = OfferedCompletionSerializer(many=True)
    content = serializers.JSONField(help_text="in the form in which it is handed in")
    revision = serializers.IntegerField()
    earlier = ReviewSerializer(many=True, help_text="reviews of it before this one, the oldest first")

    @extend_schema_field(AssignmentCampaignSerializer())
    def get_campaign(self, reviewed: dict[str, Any]) -> Any:
        return AssignmentCampaignSerializer(
            reviewed["campaign"], context={"guidelines": reviewed["guidelines"]}
        ).data


class SubmittedContentSerializer(serializers.Serializer):
    """How a finished assignment stands."""

    content = serializers.JSONField(
        help_text="in the form in which it is handed in; 0 in tiers: the own answer"
    )
    revision = serializers.IntegerField()
    given_at = serializers.DateTimeField()
    seconds_spent = serializers.FloatField(allow_null=True)
    correct_until = serializers.DateTimeField()
    can_correct = serializers.BooleanField()
    review = ReviewSerializer(allow_null=True, help_text="the latest")


class SubmittedVersionSerializer(serializers.Serializer):
    """What a submission said at one time."""

    number = serializers.IntegerField()
    content = serializers.JSONField(help_text="in the form in which it is handed in")
    given_at = serializers.DateTimeField()
    is_by_reviewer = serializers.BooleanField(
        help_text="a reviewer's correction; otherwise its author's words"
    )
    person = PersonSerializer(allow_null=True, help_text="for admins alone")


class AssignmentSerializer(LeaseSerializer):
    """One unit of work, with all a person needs for it."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(Assignment.State.choices)
    campaign = AssignmentCampaignSerializer()
    prompt = AssignmentPromptSerializer(source="unit.prompt")
    completions = OfferedCompletionSerializer(many=True, source="shown_completions")
    draft = DraftSerializer(allow_null=True, source="kept_draft")
    suggestions = SuggestionSerializer(many=True, source="offered_suggestions")
    can_suggest = serializers.BooleanField()
    submitted = SubmittedContentSerializer(allow_null=True)
    reviewed = ReviewedSerializer(allow_null=True, help_text="kind review: what is reviewed")


class NextSerializer(serializers.Serializer):
    assignment = AssignmentSerializer(allow_null=True)
    reason = serializers.ChoiceField(
        ["", "none_left", "all_leased", "paused", "closed", "no_units", "enough_begun", "terms"]
    )
    message = serializers.CharField(allow_blank=True)


class DraftSaveSerializer(serializers.Serializer):
    content = serializers.JSONField()
    revision = serializers.IntegerField(min_value=0, max_value=2**31 - 2)

    def validate_content(self, content: Any) -> Any:
        if len(json.dumps(content, ensure_ascii=False)) > MAX_DRAFT:
            raise serializers.ValidationError(
                _("A draft holds %(number)s characters at most. What you wrote stays on your device.")
                % {"number": f"{MAX_DRAFT:_}".replace("_", " ")},
                code="max_length",
            )
        return content


class DraftSavedSerializer(serializers.Serializer):
    revision = serializers.IntegerField()
    saved_at = serializers.DateTimeField()


class SubmittedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Campaign.Kind.choices)
    is_surplus = serializers.BooleanField(help_text="stored, but its slot had gone to somebody else")


class SkipSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class ReleaseSerializer(serializers.Serializer):
    only_ahead = serializers.BooleanField(
        default=False, help_text="only while nobody has begun on it, in whatever window"
    )


class SuggestionRequestSerializer(serializers.Serializer):
    turn = serializers.IntegerField(
        min_value=0, max_value=MAX_MESSAGES, help_text="index of the message wanted"
    )
    messages = MessageSerializer(many=True, max_length=MAX_MESSAGES)  # type: ignore[call-arg]
    pair = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        allow_null=True,
        help_text="kind chat: a number drawn for the answers that will stand beside each other",
    )
    side = serializers.IntegerField(
        min_value=0, max_value=1, required=False, help_text="of a pair: 0 left or above, 1 the other"
    )


class NewPromptSerializer(serializers.Serializer):
    messages = MessageSerializer(many=True, required=False, max_length=MAX_MESSAGES)  # type: ignore[call-arg]
    brief = serializers.CharField(max_length=MAX_TEXT, required=False, allow_blank=True)
    language = serializers.RegexField(LANGUAGE, max_length=16, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("messages") and not attrs.get("brief"):
            raise serializers.ValidationError(_("A prompt needs messages or a brief."), code="empty")
        if reason := too_long_prompt(message["content"] for message in attrs.get("messages", [])):
            raise serializers.ValidationError({"messages": reason})
        return attrs


class AddedPromptsSerializer(serializers.Serializer):
    num_created = serializers.IntegerField()
    num_repeated = serializers.IntegerField(help_text="stored before, or twice in this list")


class DaySerializer(serializers.Serializer):
    date = serializers.DateField()
    num_submitted = serializers.IntegerField()


class ProgressSerializer(serializers.Serializer):
    num_units = serializers.IntegerField()
    num_done = serializers.IntegerField()
    num_open = serializers.IntegerField()
    num_leased = serializers.IntegerField()
    num_prompts = serializers.IntegerField()
    num_completions = serializers.IntegerField()
    num_demonstrations = serializers.IntegerField()
    num_rankings = serializers.IntegerField()
    num_comparisons = serializers.IntegerField()
    num_reviews = serializers.IntegerField()
    num_surplus = serializers.IntegerField()
    num_imported = serializers.IntegerField(
        help_text="of the demonstrations or rankings: those that no member gave here"
    )
    by_day = DaySerializer(many=True)


class RemarkRequestSerializer(serializers.Serializer):
    reason = serializers.ChoiceField(
        [one for one in Remark.Reason.choices if one[0] != Remark.Reason.SKIPPED]
    )
    text = serializers.CharField(max_length=4_000, required=False, allow_blank=True, default="")


class RemarkSerializer(serializers.Serializer):
    """A remark as administrators see it."""

    id = serializers.IntegerField()
    reason = serializers.ChoiceField(Remark.Reason.choices)
    text = serializers.CharField()
    asked = serializers.CharField(help_text="the beginning of what the unit asks")
    person = serializers.SerializerMethodField(help_text="for admins alone: trainers learn no names")
    unit = serializers.IntegerField(source="assignment.unit_id")
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    settled_by = PersonSerializer(allow_null=True)

    @extend_schema_field(PersonSerializer(allow_null=True))
    def get_person(self, remark: Remark) -> Any:
        user = remark.assignment.annotator.user
        return PersonSerializer(user).data if user and "admin" in self.context["reader"].roles else None


class SettleSerializer(serializers.Serializer):
    is_settled = serializers.BooleanField()


class WorkCampaignSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="campaign_id")
    name = serializers.CharField(source="campaign__name")
    kind = serializers.ChoiceField(Campaign.Kind.choices, source="campaign__kind")
    language = serializers.CharField(source="campaign__language")


class WorkSerializer(serializers.Serializer):
    """One of one's own assignments in a list."""

    assignment = serializers.IntegerField(source="id")
    campaign = WorkCampaignSerializer(source="*")
    asked = serializers.CharField(help_text="the beginning of what the unit asks")


class OwnDraftSerializer(WorkSerializer):
    saved_at = serializers.DateTimeField(allow_null=True, help_text="null: the server has no word of it")
    is_taken = serializers.BooleanField(help_text="others have it now; what is submitted is kept as an extra")


class OwnSubmissionSerializer(WorkSerializer):
    submitted_at = serializers.DateTimeField(source="ended_at")
    seconds_spent = serializers.FloatField(allow_null=True)
    is_surplus = serializers.BooleanField()
    revision = serializers.IntegerField()
    can_correct = serializers.BooleanField()
    correct_until = serializers.DateTimeField()
    review_state = serializers.ChoiceField(Verdict.choices, allow_blank=True)
    comment = serializers.CharField(allow_blank=True, help_text="the latest review's")


class OwnFiguresSerializer(serializers.Serializer):
    campaign = serializers.IntegerField()
    num_submitted = serializers.IntegerField()
    num_since = serializers.IntegerField(help_text="since the time asked for")
    seconds_per_unit = serializers.FloatField(allow_null=True, help_text="median")


class OwnWorkRequestSerializer(serializers.Serializer):
    since = serializers.DateTimeField(required=False, help_text="the beginning of the person's day")
    drafts = serializers.RegexField(
        r"^\d{1,18}(,\d{1,18}){0,99}$", required=False, help_text="assignments with words on the device alone"
    )


class OwnWorkSerializer(serializers.Serializer):
    """What one has begun and what one has given."""

    drafts = OwnDraftSerializer(many=True)
    recent = OwnSubmissionSerializer(many=True)
    figures = OwnFiguresSerializer(many=True)
