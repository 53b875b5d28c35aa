"""python manage.py export_feedback --campaign NAME --format … --out FILE (or - for standard output)"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.campaigns.models import Campaign
from annotate.exchange.exporting import EXPORTS


class Command(BaseCommand):
    help = "Write a campaign's feedback in a format that other tools read."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--campaign", required=True, metavar="NAME")
        parser.add_argument("--format", required=True, choices=EXPORTS)
        parser.add_argument("--out", required=True, metavar="FILE", help="- for standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = Campaign.objects.filter(name=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign named {options['campaign']}; check the name.")
        lines = EXPORTS[options["format"]](campaign)
        if options["out"] == "-":
            self._print(lines)
            return
        path = Path(options["out"])
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        num_lines = 0
        try:
            with open(partial, "w", encoding="utf-8", newline="") as file:
                for line in lines:
                    file.write(line)
                    num_lines += 1
            partial.rename(path)
        except OSError as error:
            raise CommandError(
                f"{path} cannot be written ({error.strerror}); choose another place."
            ) from None
        finally:
            partial.unlink(missing_ok=True)
        print(f"{path}: {num_lines} lines", file=sys.stderr)

    def _print(self, lines: Iterator[str]) -> None:
        try:
            for line in lines:
                self.stdout.write(line, ending="")
            self.stdout.flush()
        except BrokenPipeError:  # the reader has seen enough; Python's own last flush must not complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
