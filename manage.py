#!/usr/bin/env python
"""Django's command line. `python manage.py help` lists Parley's own commands under their apps."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError
    from psycopg.errors import DiskFull

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError, OSError) as error:
        from annotate.api.errors import outage

        if "--traceback" in sys.argv or not (out := outage(error)):
            raise
        reason = str(error).strip().split("\n")[0]
        if isinstance(error, OperationalError) and not isinstance(error.__cause__, DiskFull):
            out = "The database did not answer. Start it or check DATABASE_URL, then try again."
        sys.exit(f"{out} ({reason})")


if __name__ == "__main__":
    main()
