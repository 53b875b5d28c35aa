#!/usr/bin/env python
"""Django's command line. `python manage.py help` lists Parley's own commands under their apps."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        reason = str(error).strip().split("\n")[0]
        sys.exit(f"The database did not answer ({reason}). Start it or check DATABASE_URL, then try again.")


if __name__ == "__main__":
    main()
