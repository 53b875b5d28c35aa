"""The Celery application. Celery is the clock: every task only says "look now" (see DESIGN, "Rows are the queue")."""

import logging
import os
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, worker_process_init

from annotate.operating.starting import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
log = logging.getLogger(__name__)


class Look(Task):
    """A database that is away is one line in the log, not a traceback every few seconds; the next look tries again."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from annotate.api.errors import outage  # the applications are not loaded when this module is

        try:
            return super().__call__(*args, **kwargs)
        except Exception as error:
            if self.request.called_directly or not (out := outage(error)):
                raise
            log.error("%s: %s (%s)", self.name, out, str(error).strip().split("\n")[0])


@setup_logging.connect
def keep_our_log(loglevel: int | None = None, **signal: Any) -> None:
    """Workers and the clock log as the web does (settings.LOGGING): Celery itself would put its own form in its place."""
    if loglevel is not None:
        logging.getLogger("celery").setLevel(loglevel)


@worker_process_init.connect
def end_with_worker(**signal: Any) -> None:
    """A worker that is killed leaves none of its processes; the training jobs are no such, they live on."""
    end_with_parent(os.getppid())


app = Celery("parley", task_cls=Look)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
