"""python manage.py serve [--port N] [--host ADDRESS]: migrate, then web, worker and beat until Ctrl-C."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from annotate.operating.processes import site


class Command(BaseCommand):
    help = "Run web, worker and beat together, with the embedded servers where none are named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="default: 8000")
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on; default: this machine only"
        )

    def handle(self, **options: Any) -> None:
        call_command("migrate", verbosity=0, skip_checks=False)
        try:
            with site(options["port"], options["host"]) as processes:
                self.stdout.write(f"Parley is at {processes.url}   (logs: {processes.logs}; Ctrl-C stops it)")
                self.stdout.flush()
                processes.wait()
        except KeyboardInterrupt:
            self.stderr.write("Stopped. The next start resumes training jobs from their checkpoints.")
