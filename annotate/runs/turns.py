"""Work that takes long and is for one process at a time, without any row or transaction being held meanwhile."""

import contextlib
from collections.abc import Iterator

from django.db import connection

TEND, FINISH = 0x5041, 0x5042  # one kind of work each


@contextlib.contextmanager
def our_turn(work: int, number: int = 0) -> Iterator[bool]:
    """Whether nobody else does this work (on the row of this number) now; then nobody does until the block ends.

    The lock belongs to the connection: it is gone with the process, however that ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [work, number])
        is_ours = cursor.fetchone()[0]
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [work, number])
