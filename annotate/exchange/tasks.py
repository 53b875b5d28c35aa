"""The clock of this app: looks for queued imports, one at a time; in the queue of what lasts long."""

from celery import shared_task

from annotate.exchange import services


@shared_task
def advance_imports() -> None:
    services.advance_imports()
