"""Celery says when to look; what is called does the work."""

from celery import shared_task

from annotate.feedback.queue import leases, tallies, units


@shared_task
def expire_leases() -> None:
    leases.expire_leases()


@shared_task
def queue_all_reviews() -> None:
    units.queue_all_reviews()


@shared_task
def fold_tallies() -> None:
    tallies.fold_tallies()
