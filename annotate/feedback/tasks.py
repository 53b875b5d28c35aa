"""Celery says when to look; services do the work."""

from celery import shared_task

from annotate.feedback import services, tallying


@shared_task(name="annotate.feedback.tasks.expire_leases")
def expire_leases() -> None:
    services.expire_leases()
    services.queue_all_reviews()
    tallying.fold_tallies()
