"""Learned: runs, the policies and reward models they registered, rounds of the loop, and schedules."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotate.api.names import one_line
from annotate.campaigns.models import Campaign
from annotate.operating.data_paths import DataPathField
from annotate.snapshots.models import Snapshot


class PolicyVersion(models.Model):
    """A registered, immutable policy: a model directory with a verified hash, and where it came from."""

    name = models.CharField(max_length=200, unique=True)
    run = models.OneToOneField(
        "Run", null=True, blank=True, on_delete=models.PROTECT, related_name="policy_version"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    path = DataPathField(max_length=1000, help_text="model directory, or a hub id for a base model")
    model_sha256 = models.CharField(
        max_length=64, blank=True, default="", help_text="of the manifest; empty for hub ids"
    )
    metrics = models.JSONField(default=dict, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    promoted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class RewardModel(models.Model):
    """A registered reward model. `parent` is the policy it was initialised from."""

    name = models.CharField(max_length=200, unique=True)
    run = models.OneToOneField("Run", on_delete=models.PROTECT, related_name="registered_reward_model")
    parent = models.ForeignKey(
        PolicyVersion, null=True, on_delete=models.PROTECT, related_name="reward_models"
    )
    path = DataPathField(max_length=1000)
    model_sha256 = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class Promotion(models.Model):
    """One move of a campaign to a policy: which ones it left for it, how, and by whom. Rows are only added."""

    class How(models.TextChoices):
        GATE = "gate", _("through the gate")
        OVERRIDE = "override", _("although the gate refused it")
        CHOSEN = "chosen", _("chosen on the campaign's page")

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="promotions")
    policy_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="promotions")
    replaced: models.ManyToManyField = models.ManyToManyField(PolicyVersion, related_name="replaced_in")
    how = models.CharField(max_length=16, choices=How.choices)
    round = models.ForeignKey(
        "Round", null=True, blank=True, on_delete=models.SET_NULL, related_name="promotions"
    )
    promoted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]


class Round(models.Model):
    """One pass of the loop: freeze, train, judge the result, promote it, sample the next candidates.

    A row is the queue: `advance_rounds` looks at it every few seconds and does the next thing that is due.
    `config["stages"]` may leave stages out; without it they follow from what the snapshot holds.
    """

    class Stage(models.TextChoices):
        SNAPSHOT = "snapshot", _("snapshot")
        SFT = "sft", _("supervised fine-tuning")
        REWARD = "reward", _("reward model")
        PPO = "ppo", _("PPO")
        EVALUATE = "evaluate", _("evaluation")
        PROMOTE = "promote", _("promotion")
        SAMPLE = "sample", _("next candidates")
        DONE = "done", _("done")

    class State(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    name = models.CharField(max_length=200, unique=True)
    campaigns: models.ManyToManyField = models.ManyToManyField(Campaign, related_name="rounds")
    base_policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=32, choices=Stage.choices, default=Stage.SNAPSHOT)
    state = models.CharField(max_length=16, choices=State.choices, default=State.RUNNING)
    snapshot = models.ForeignKey(
        Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="rounds"
    )
    config = models.JSONField(
        default=dict, blank=True, help_text="per stage: the job's settings, and the gate"
    )
    stages = models.JSONField(
        default=list, blank=True, help_text="this round's stages in order, decided when its snapshot is ready"
    )
    outcome = models.TextField(blank=True, default="", help_text="what the round came to, in a sentence")
    error = models.TextField(blank=True, default="", help_text="in English; sentences.py tells it")
    triggered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    schedule = models.ForeignKey(
        "Schedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="rounds"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One execution of one training job, in one run directory."""

    IMPROVES_POLICY = (
        "ppo",
        "dpo",
        "kto",
        "rloo",
        "grpo",
    )  # held near a reference; its result needs a judgement
    MAKES_POLICY = ("sft", *IMPROVES_POLICY)

    class Kind(models.TextChoices):
        SFT = "sft"
        REWARD = "reward"
        PPO = "ppo"
        DPO = "dpo"
        KTO = "kto"
        RLOO = "rloo"
        GRPO = "grpo"
        SAMPLE = "sample"
        EVALUATE = "evaluate"

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        LOST = "lost", _("lost")
        CANCELLED = "cancelled", _("cancelled")

    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    round = models.ForeignKey(Round, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    campaign = models.ForeignKey(
        Campaign,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="runs",
        help_text="of a sample run",
    )
    snapshot = models.ForeignKey(
        Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    policy = models.ForeignKey(
        PolicyVersion,
        null=True,
        on_delete=models.PROTECT,
        related_name="runs",
        help_text="initial or judged policy",
    )
    ref_policy = models.ForeignKey(
        PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reward_model = models.ForeignKey(
        RewardModel, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    config = models.JSONField(default=dict, blank=True, help_text="the job's settings beyond its inputs")
    run_dir = DataPathField(max_length=1000, blank=True, default="")
    num_attempts = models.PositiveSmallIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    launch = models.JSONField(
        default=dict, blank=True, help_text="what the launcher needs to find the job again"
    )
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    seconds_left = models.FloatField(null=True, blank=True)
    metrics = models.JSONField(default=dict, blank=True)
    manifest_sha256 = models.CharField(max_length=64, blank=True, default="")
    error = models.TextField(blank=True, default="", help_text="in English; sentences.py tells it")
    triggered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind__in=["sft", "reward", "ppo", "dpo", "kto", "rloo", "grpo", "sample", "evaluate"]
                ),
                name="run_kind",
            ),
            models.UniqueConstraint(
                fields=["round", "kind"], condition=~Q(kind="sample"), name="run_once_per_stage"
            ),
            models.UniqueConstraint(
                fields=["round", "campaign"], condition=Q(kind="sample"), name="run_samples_once_per_campaign"
            ),
        ]
        indexes = [
            models.Index(
                fields=["state"], condition=Q(state__in=["queued", "running"]), name="run_unfinished"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Evaluation(models.Model):
    """A policy judged against its reference by a reward model on held-out prompts, and whether it passed."""

    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="evaluation")
    policy_version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="evaluations")
    reference = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    reward_model = models.ForeignKey(RewardModel, on_delete=models.PROTECT, related_name="evaluations")
    metrics = models.JSONField(default=dict)
    threshold = models.FloatField(help_text="the lower end of the win rate's interval must exceed it")
    passed = models.BooleanField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]


class Schedule(models.Model):
    """When a round starts by itself: every so many hours, or after so much new feedback, or both."""

    name = models.CharField(max_length=200, unique=True, validators=[one_line])
    campaigns: models.ManyToManyField = models.ManyToManyField(Campaign, related_name="schedules")
    base_policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    every_hours = models.FloatField(null=True, blank=True)
    min_new_feedback = models.PositiveIntegerField(null=True, blank=True)
    snapshot_only = models.BooleanField(default=False, help_text="export a snapshot, train nothing")
    config = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(default=True)
    last_started_at = models.DateTimeField(null=True, blank=True)
    last_feedback_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(every_hours__gt=0) | Q(min_new_feedback__gt=0), name="schedule_says_when"
            )
        ]


class ModelServer(models.Model):
    """A server that answers with one policy: at which address, under which name, and how it is (see serving.py).

    While a policy takes the place of another there are two. `feedback` finds them as `policy_version.servers`.
    """

    class State(models.TextChoices):
        OFF = "off"
        STARTING = "starting"
        READY = "ready"
        UNREACHABLE = "unreachable"
        STOPPING = "stopping"

    url = models.CharField(max_length=500, help_text="up to and with /v1")
    model_name = models.CharField(max_length=1000, blank=True, default="", help_text="what it is asked for")
    state = models.CharField(max_length=16, choices=State.choices, default=State.OFF)
    policy_version = models.ForeignKey(
        PolicyVersion, null=True, blank=True, on_delete=models.CASCADE, related_name="servers"
    )
    detail = models.TextField(blank=True, default="")
    launch = models.JSONField(default=dict, blank=True, help_text="host, process id and its creation time")
    num_failures = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True, help_text="since when it is as it is")
    tended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["url", "model_name"], name="model_server_once")]
