"""A row says that its process lives, so that another one takes its work up when it does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Model
from django.utils import timezone

HEARTBEAT_SECONDS = 5
STALE_AFTER = timedelta(seconds=60)


@contextmanager
def beating(table: type[Model], pk: int) -> Iterator[None]:
    """Renew the row's heartbeat, on a connection of its own, while the block runs."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            try:
                table._default_manager.filter(pk=pk).update(heartbeat_at=timezone.now())
            except DatabaseError:  # the work itself meets the same trouble and reports it
                close_old_connections()
        connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
