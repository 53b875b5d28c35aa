"""Carried: imports of other people's feedback, and the message trees that came with them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from annotate.accounts.models import Annotator
from annotate.api.languages import spoken_now
from annotate.campaigns.models import Campaign
from annotate.operating.data_paths import DataPathField


class Tree(models.Model):
    """An imported message tree (Open-Assistant's form), kept whole so that it can be given back."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="trees")
    external_id = models.CharField(max_length=200)
    source = models.CharField(max_length=64)
    state = models.CharField(max_length=64, blank=True, default="")
    language = models.CharField(max_length=16, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "external_id"], name="tree_once_per_campaign")
        ]


class Message(models.Model):
    """One message of an imported tree. `rank` 0 is best among its siblings; null was never ranked."""

    tree = models.ForeignKey(Tree, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="replies"
    )
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    external_id = models.CharField(max_length=200)
    role = models.CharField(max_length=16)
    text = models.TextField(blank=True)
    language = models.CharField(max_length=16, blank=True, default="")
    author = models.ForeignKey(Annotator, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    rank = models.PositiveSmallIntegerField(null=True, blank=True)
    is_deleted = models.BooleanField(default=False)
    is_synthetic = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict, blank=True, help_text="every other field, as it came")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "external_id"], name="message_once_per_campaign"),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="message_not_its_own_parent"),
        ]


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
