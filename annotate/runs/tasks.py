"""Look now. The work and the truth are in the rows; a message lost or delivered twice changes nothing."""

from celery import shared_task

from annotate.runs import serving
from annotate.runs.jobs import advancing
from annotate.runs.loop import rounds, schedules


@shared_task
def advance_runs() -> None:
    advancing.advance_runs()


@shared_task
def advance_rounds() -> None:
    advancing.advance_runs()
    rounds.advance_rounds()
    advancing.advance_runs()  # what the rounds have just queued need not wait for the next look


@shared_task
def start_due_schedules() -> None:
    schedules.start_due_schedules()


@shared_task
def tend_model_server() -> None:
    serving.tend_model_server()
