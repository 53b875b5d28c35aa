from django.apps import AppConfig


class SnapshotsConfig(AppConfig):
    name = "annotate.snapshots"
    default_auto_field = "django.db.models.BigAutoField"
