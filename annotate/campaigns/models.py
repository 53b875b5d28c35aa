"""Asked: a campaign, its guidelines and members, the prompts, and the completions people judge."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.accounts.models import Annotator


def default_flags() -> list[str]:
    """What InstructGPT's labelers marked beside the overall quality (Ouyang et al. 2022, table 3)."""
    return [
        *("fails_instruction", "inappropriate", "untrue", "ignores_constraint", "sexual", "violent"),
        *("encourages_harm", "denigrates", "harmful_advice", "opinion", "moral_judgement"),
    ]


def default_sampling() -> dict:
    return {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 256}


class Kind(models.TextChoices):
    """What a campaign collects; how each is given is in `annotate.feedback.kinds`."""

    DEMONSTRATION = "demonstration", _("demonstration")
    RANKING = "ranking", _("ranking")
    COMPARISON = "comparison", _("comparison")
    REVIEW = "review", _("review")
    CHAT = "chat", _("chat")
    BEST_WORST = "best_worst", _("best and worst of K")


# K: how many completions at least, and at most, stand beside each other.
NUM_COMPLETIONS = dict.fromkeys(Kind, (2, 9)) | {
    Kind.COMPARISON: (2, 2),
    Kind.CHAT: (1, 2),
    Kind.BEST_WORST: (3, 9),
}
DEFAULT_K = 4


def _k_of_its_kind() -> Q:
    allowed = Q()
    for kind, (fewest, most) in NUM_COMPLETIONS.items():
        allowed |= Q(kind=kind.value, num_completions__gte=fewest, num_completions__lte=most)
    return allowed


class Campaign(models.Model):
    """One goal, its guidelines, one group of annotators."""

    Kind = Kind
    # The kinds in which a unit is a prompt alone, which is answered.
    WRITING = (Kind.DEMONSTRATION, Kind.CHAT)
    # The kinds in which people judge completions; what they give is stored as a ranking.
    JUDGING = (Kind.RANKING, Kind.COMPARISON, Kind.BEST_WORST)
    # The kinds that ask for one choice at a time: no ratings, no further criteria.
    CHOOSING = (Kind.COMPARISON, Kind.CHAT, Kind.BEST_WORST)

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    class OwnAnswer(models.TextChoices):
        """Whether who ranks may write a better answer, and what becomes of it."""

        OFF = "off", _("not asked for")
        RANKED = "ranked", _("a completion in their ranking")
        DEMONSTRATION = "demonstration", _("a completion in their ranking, and a demonstration")

    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    reviewed_campaign = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="review_campaign",
        help_text="of a campaign of reviews: whose work is reviewed",
    )
    ranking_campaign = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="of a campaign of chats: where one turn of each waits for other answers to be ranked",
    )
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.OPEN)
    language = models.CharField(max_length=16, default="en", help_text="BCP 47 tag of the work, as en or fr")
    overlap = models.PositiveSmallIntegerField(default=1, help_text="how many people do each unit")
    num_completions = models.PositiveSmallIntegerField(
        default=DEFAULT_K, help_text="K, completions in one ranking, or answers at one turn of a chat"
    )
    sampling = models.JSONField(default=default_sampling)
    flags = models.JSONField(default=default_flags)
    # How a ranking is made.
    is_rated_first = models.BooleanField(
        default=False, help_text="each completion is rated alone, and only then are they ordered"
    )
    criteria = models.JSONField(
        default=list, blank=True, help_text="further orders beside the overall one, as helpful or harmless"
    )
    own_answer = models.CharField(max_length=16, choices=OwnAnswer.choices, default=OwnAnswer.RANKED)
    # How a demonstration is written.
    has_system_message = models.BooleanField(
        default=False, help_text="the writer may say how the assistant is to behave"
    )
    min_words = models.PositiveIntegerField(
        null=True, blank=True, help_text="an answer's length, as a hint to the writer"
    )
    max_words = models.PositiveIntegerField(null=True, blank=True)
    lease_seconds = models.PositiveIntegerField(default=600)
    correction_hours = models.PositiveSmallIntegerField(
        default=24, help_text="how long people may correct what they submitted; 0: not at all"
    )
    # The same for every campaign, unless somebody knows better: a prompt that two share is on one side in both.
    split_seed = models.PositiveIntegerField(default=0, editable=False)
    validation_fraction = models.FloatField(default=0.1)
    queue_epoch = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values),
                name="campaign_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="review", reviewed_campaign__isnull=False, overlap=1)
                | ~Q(kind="review") & Q(reviewed_campaign=None),
                name="campaign_reviews_another",
            ),
            models.CheckConstraint(condition=Q(overlap__gte=1), name="campaign_overlap_at_least_1"),
            models.CheckConstraint(condition=_k_of_its_kind(), name="campaign_k_of_its_kind"),
            models.CheckConstraint(
                condition=Q(kind="chat") | Q(ranking_campaign=None),
                name="campaign_chats_are_ranked_elsewhere",
            ),
            models.CheckConstraint(condition=Q(lease_seconds__gte=30), name="campaign_lease_at_least_30_s"),
            models.CheckConstraint(
                condition=Q(validation_fraction__gte=0, validation_fraction__lt=1),
                name="campaign_validation_fraction",
            ),
            models.CheckConstraint(
                condition=Q(own_answer__in=["off", "ranked", "demonstration"]), name="campaign_own_answer"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def fewest_and_most(self) -> tuple[int, int]:
        """Between which numbers its K is."""
        return NUM_COMPLETIONS[Kind(self.kind)]


class Guidelines(models.Model):
    """One version of a campaign's guidelines (markdown). The highest version is in force; none is changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField()
    text = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        verbose_name_plural = "guidelines"
        constraints = [
            models.UniqueConstraint(fields=["campaign", "version"], name="guidelines_version_once")
        ]


class Terms(models.Model):
    """One version of what people agree to before their first unit. The highest is in force; an empty one asks nothing."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="terms")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        verbose_name_plural = "terms"
        constraints = [models.UniqueConstraint(fields=["campaign", "version"], name="terms_version_once")]


class Consent(models.Model):
    """A login agreed to one version of a campaign's terms. Kept when the membership ends."""

    terms = models.ForeignKey(Terms, on_delete=models.CASCADE, related_name="consents")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consents")
    given_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["terms", "user"], name="consent_once")]


class Membership(models.Model):
    """A login that works in a campaign, and where its next look into the queue begins (see feedback.queue.leasing)."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    cursor_epoch = models.PositiveIntegerField(default=0, editable=False)
    cursor_priority = models.IntegerField(null=True, editable=False)
    cursor_position = models.BigIntegerField(null=True, editable=False)
    nothing_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="when the whole queue held nothing for this login, in cursor_epoch",
    )
    guidelines_read = models.PositiveIntegerField(
        null=True,
        editable=False,
        help_text="the version read last; 0: there were none; null: nothing begun yet",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "user"], name="membership_once")]


class Prompt(models.Model):
    """What is asked: a list of chat messages [{role, content}], or, for writing from nothing, a brief."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="prompts")
    messages = models.JSONField(default=list)
    brief = models.TextField(blank=True, default="", help_text="what the writer is asked to write about")
    key = models.CharField(
        max_length=64, help_text="sha256 of messages and brief; the same prompt is stored once"
    )
    language = models.CharField(max_length=16, blank=True, default="")
    source = models.CharField(max_length=64, blank=True, default="")
    external_id = models.CharField(max_length=200, blank=True, default="")
    author = models.ForeignKey(Annotator, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "key"], name="prompt_once_per_campaign"),
            models.CheckConstraint(condition=~Q(messages=[]) | ~Q(brief=""), name="prompt_says_something"),
        ]


class Completion(models.Model):
    """An answer to a prompt, and where it came from: a policy version, a person, or a model outside Parley."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="completions")
    text = models.TextField(blank=True)
    policy_version = models.ForeignKey(
        "runs.PolicyVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="completions"
    )
    author = models.ForeignKey(Annotator, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    model_name = models.CharField(
        max_length=200, blank=True, default="", help_text="an outside model, as imported"
    )
    sampling = models.JSONField(null=True, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=64, blank=True, default="")
    external_id = models.CharField(max_length=200, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "source", "external_id"],
                condition=~Q(external_id=""),
                name="completion_once_per_source",
            ),
            models.CheckConstraint(
                condition=Q(policy_version=None) | Q(author=None), name="completion_has_one_origin"
            ),
        ]


class CampaignPolicy(models.Model):
    """A policy version that a campaign samples from, with its weight. Promotion writes this row."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="policies")
    policy_version = models.ForeignKey(
        "runs.PolicyVersion", on_delete=models.PROTECT, related_name="campaigns"
    )
    weight = models.FloatField(default=1.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "policy_version"], name="campaign_policy_once"),
            models.CheckConstraint(condition=Q(weight__gte=0), name="campaign_policy_weight"),
        ]
