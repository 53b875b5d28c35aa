"""The clock of this app: what has ended is cleared away."""

from celery import shared_task
from django.core.management import call_command

from annotate.accounts import services


@shared_task
def clear_ended() -> None:
    call_command("clearsessions")
    services.clear_ended()
