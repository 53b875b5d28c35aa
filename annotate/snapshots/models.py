"""Frozen: snapshots, which are immutable, named, hashed directories."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotate.api.languages import spoken_now
from annotate.campaigns.models import Campaign
from annotate.operating.data_paths import DataPathField


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
