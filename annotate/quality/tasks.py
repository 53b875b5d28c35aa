"""Celery says when to look; the rows say what is to be counted."""

from celery import shared_task

from annotate.quality import agreement


@shared_task(name="annotate.quality.tasks.count_agreement")
def count_agreement() -> None:
    agreement.count_agreement()
