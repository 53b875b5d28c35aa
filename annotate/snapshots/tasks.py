"""The clock of this app: looks for queued imports and snapshots that wait to be written."""

from celery import shared_task

from annotate.snapshots import services


@shared_task
def advance_imports() -> None:
    services.advance_imports()
    services.advance_snapshots()
