"""Frozen: snapshots (immutable, named, hashed directories) and imports of other people's feedback."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotate.campaigns.models import Campaign
from annotate.data_paths import DataPathField
from annotate.languages import spoken_now


class Snapshot(models.Model):
    """One frozen view of some campaigns' feedback. The directory holds the truth; this row says where it is."""

    class State(models.TextChoices):
        WRITING = "writing"
        READY = "ready"
        FAILED = "failed"

    name = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WRITING)
    path = DataPathField(max_length=1000)
    campaigns: models.ManyToManyField = models.ManyToManyField(Campaign, related_name="snapshots")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    filters = models.JSONField(default=dict, blank=True)
    split_seed = models.PositiveIntegerField(default=0)
    validation_fraction = models.FloatField(default=0.1)
    counts = models.JSONField(default=dict, blank=True)
    splits = models.JSONField(default=dict, blank=True, help_text="{name: {train, validation}}, rows of each")
    manifest_sha256 = models.CharField(max_length=64, blank=True, default="")
    error = models.TextField(blank=True, default="")
    language = models.CharField(
        max_length=16, default=spoken_now, editable=False, help_text="of the sentences on this row"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="of the process that writes it")

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="ready") | ~Q(manifest_sha256=""), name="snapshot_ready_has_a_manifest"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Side(models.Model):
    """The side of the split on which all that begins with one message stands, from its first snapshot on for ever.

    So neither another share that is held out, nor another campaign that brings the same prompt, moves it.
    """

    key = models.BigIntegerField(
        primary_key=True, help_text="of its first message: trainer.snapshot.split_key"
    )
    split = models.CharField(max_length=16)


class FeedbackImport(models.Model):
    """One uploaded file on its way into a campaign: a row is the queue entry, `report` what became of it."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=255)
    path = DataPathField(max_length=1000)
    format = models.CharField(max_length=40, default="auto")
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    num_records = models.PositiveIntegerField(default=0, help_text="records read so far")
    num_accepted = models.PositiveIntegerField(default=0)
    num_duplicates = models.PositiveIntegerField(default=0)
    num_rejected = models.PositiveIntegerField(default=0)
    num_parsed = models.PositiveIntegerField(
        default=0, help_text="parts of the file that are done: where an import that broke off goes on"
    )
    found_format = models.CharField(max_length=40, blank=True, default="")
    report = models.JSONField(null=True, blank=True, help_text="counts by file; small, whatever the file is")
    rejected = models.JSONField(default=list, blank=True, help_text="the first thousand [{line, reason}]")
    error = models.TextField(blank=True, default="")
    language = models.CharField(
        max_length=16, default=spoken_now, editable=False, help_text="of the sentences on this row"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    num_attempts = models.PositiveSmallIntegerField(default=0, help_text="since it last got further")

    class Meta:
        ordering = ["-created_at", "-id"]
