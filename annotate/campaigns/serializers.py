"""The JSON of campaigns."""

from rest_framework import serializers

from annotate.api.names import one_line
from annotate.campaigns.limits import MAX_TEXT
from annotate.campaigns.models import Campaign, default_flags, default_sampling

ROLES = ("system", "user", "assistant")
LANGUAGE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"
MAX_CRITERIA = 8


class MessageSerializer(serializers.Serializer):
    """One chat message."""

    role = serializers.ChoiceField(ROLES)
    content = serializers.CharField(max_length=MAX_TEXT, trim_whitespace=False)


class SamplingSerializer(serializers.Serializer):
    """How completions are drawn from a policy."""

    temperature = serializers.FloatField(min_value=0, max_value=2)
    top_p = serializers.FloatField(min_value=0.01, max_value=1)
    max_new_tokens = serializers.IntegerField(min_value=1, max_value=32_768)


class GuidelinesSerializer(serializers.Serializer):
    version = serializers.IntegerField(read_only=True)
    text = serializers.CharField(max_length=MAX_TEXT, allow_blank=True, trim_whitespace=False)


class GuidelinesSeenSerializer(GuidelinesSerializer):
    """The guidelines in force, and the version that this login read last where it is another."""

    created_at = serializers.DateTimeField(read_only=True)
    read = GuidelinesSerializer(allow_null=True)


class TermsSerializer(GuidelinesSerializer):
    """What people agree to before their first unit; an empty text asks nothing."""


class TermsSeenSerializer(TermsSerializer):
    is_accepted = serializers.BooleanField()


class VersionSerializer(serializers.Serializer):
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class NamedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class CampaignPolicySerializer(serializers.Serializer):
    policy_version = NamedSerializer()
    weight = serializers.FloatField()


class CampaignProgressSerializer(serializers.Serializer):
    num_units = serializers.IntegerField()
    num_done = serializers.IntegerField(help_text="as many submissions as the overlap asks")
    num_open = serializers.IntegerField(help_text="somebody can still begin on it")
    num_leased = serializers.IntegerField(help_text="somebody works on it now")


class MineSerializer(serializers.Serializer):
    num_submitted = serializers.IntegerField()
    num_skipped = serializers.IntegerField()
    has_lease = serializers.BooleanField()
    num_left = serializers.IntegerField(help_text="units that this login can still work on")
    needs_consent = serializers.BooleanField(help_text="terms are to be accepted before the next unit")
    guidelines_read = serializers.IntegerField(
        allow_null=True, help_text="the version read last; 0: there were none; null: nothing begun yet"
    )


class CampaignSerializer(serializers.Serializer):
    """A campaign as one login sees it (campaigns.overview)."""

    id = serializers.IntegerField(source="campaign.id")
    name = serializers.CharField(source="campaign.name")
    kind = serializers.ChoiceField(Campaign.Kind.choices, source="campaign.kind")
    status = serializers.ChoiceField(Campaign.Status.choices, source="campaign.status")
    reviewed_campaign = NamedSerializer(allow_null=True, help_text="null too where one may not see it")
    ranking_campaign = NamedSerializer(allow_null=True, help_text="null too where one may not see it")
    language = serializers.CharField(source="campaign.language")
    overlap = serializers.IntegerField(source="campaign.overlap")
    num_completions = serializers.IntegerField(source="campaign.num_completions")
    sampling = SamplingSerializer()
    flags = serializers.ListField(child=serializers.CharField(), source="campaign.flags")
    is_rated_first = serializers.BooleanField(source="campaign.is_rated_first")
    criteria = serializers.ListField(child=serializers.CharField(), source="campaign.criteria")
    own_answer = serializers.ChoiceField(Campaign.OwnAnswer.choices, source="campaign.own_answer")
    has_system_message = serializers.BooleanField(source="campaign.has_system_message")
    min_words = serializers.IntegerField(allow_null=True, source="campaign.min_words")
    max_words = serializers.IntegerField(allow_null=True, source="campaign.max_words")
    lease_seconds = serializers.IntegerField(source="campaign.lease_seconds")
    correction_hours = serializers.IntegerField(source="campaign.correction_hours")
    validation_fraction = serializers.FloatField(source="campaign.validation_fraction")
    created_at = serializers.DateTimeField(source="campaign.created_at")
    guidelines_version = serializers.IntegerField(allow_null=True, help_text="the one in force")
    num_members = serializers.IntegerField()
    is_member = serializers.BooleanField()
    policies = CampaignPolicySerializer(many=True, help_text="empty for annotators, who must not know")
    progress = CampaignProgressSerializer()
    mine = MineSerializer(allow_null=True)


class CampaignDetailSerializer(CampaignSerializer):
    guidelines = GuidelinesSerializer(allow_null=True)


class CampaignChangesSerializer(serializers.Serializer):
    """What an admin may change of a campaign. Its kind stays: its units were made for it."""

    name = serializers.CharField(max_length=200, required=False, validators=[one_line])
    status = serializers.ChoiceField(Campaign.Status.choices, required=False)
    language = serializers.RegexField(LANGUAGE, max_length=16, required=False)
    overlap = serializers.IntegerField(min_value=1, max_value=100, required=False)
    num_completions = serializers.IntegerField(min_value=1, max_value=9, required=False)
    ranking_campaign = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(),
        required=False,
        allow_null=True,
        help_text="kind chat: where one turn of each dialogue waits for other answers, to be ranked",
    )
    sampling = SamplingSerializer(required=False)
    flags = serializers.ListField(child=serializers.CharField(max_length=64), max_length=30, required=False)
    lease_seconds = serializers.IntegerField(min_value=30, max_value=86_400, required=False)
    correction_hours = serializers.IntegerField(min_value=0, max_value=8_784, required=False)
    validation_fraction = serializers.FloatField(min_value=0, max_value=0.9, required=False)
    is_rated_first = serializers.BooleanField(required=False)
    criteria = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=MAX_CRITERIA, required=False
    )
    own_answer = serializers.ChoiceField(Campaign.OwnAnswer.choices, required=False)
    has_system_message = serializers.BooleanField(required=False)
    min_words = serializers.IntegerField(min_value=1, max_value=100_000, required=False, allow_null=True)
    max_words = serializers.IntegerField(min_value=1, max_value=100_000, required=False, allow_null=True)

    def validate_flags(self, flags: list[str]) -> list[str]:
        return list(dict.fromkeys(flags))

    def validate_criteria(self, criteria: list[str]) -> list[str]:
        return list(dict.fromkeys(criteria))


class NewCampaignSerializer(CampaignChangesSerializer):
    """A new campaign is open unless it says otherwise; the pages make it paused, until it has what it needs."""

    name = serializers.CharField(max_length=200, validators=[one_line])
    kind = serializers.ChoiceField(Campaign.Kind.choices)
    reviewed_campaign = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(),
        required=False,
        allow_null=True,
        help_text="kind review: whose work is reviewed",
    )
    language = serializers.RegexField(LANGUAGE, max_length=16, default="en")
    sampling = SamplingSerializer(default=default_sampling)
    flags = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=30, default=default_flags
    )
    guidelines_text = serializers.CharField(
        max_length=MAX_TEXT, required=False, allow_blank=True, trim_whitespace=False
    )


class PersonSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField(source="first_name")


class MemberSerializer(serializers.Serializer):
    user = PersonSerializer()
    created_at = serializers.DateTimeField()
    num_submitted = serializers.IntegerField()
    num_skipped = serializers.IntegerField()
    seconds_per_unit = serializers.FloatField(allow_null=True, help_text="median")
    last_active_at = serializers.DateTimeField(allow_null=True)


class NewMemberSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=150)
