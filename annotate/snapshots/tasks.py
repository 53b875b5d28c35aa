"""The clock of this app: looks for queued imports and snapshots that wait to be written.

Both may last long, so they have a queue of their own, and one of each runs at a time.
"""

from celery import shared_task

from annotate.snapshots import services


@shared_task
def advance_imports() -> None:
    services.advance_imports()


@shared_task
def advance_snapshots() -> None:
    services.advance_snapshots()
