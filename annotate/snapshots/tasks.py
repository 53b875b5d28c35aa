"""The clock of this app: looks for snapshots that wait to be written; in the queue of what lasts long."""

from celery import shared_task

from annotate.snapshots import services


@shared_task
def advance_snapshots() -> None:
    services.advance_snapshots()
