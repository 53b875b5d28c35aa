"""Django admin for snapshots: to look, not to touch. A snapshot never changes."""

from django.contrib import admin

from annotate.accounts.admin import ShownOnly
from annotate.snapshots.models import Snapshot


@admin.register(Snapshot)
class SnapshotAdmin(ShownOnly):
    list_display = ["name", "state", "counts", "split_seed", "manifest_sha256", "created_at"]
    list_filter = ["state", "campaigns"]
