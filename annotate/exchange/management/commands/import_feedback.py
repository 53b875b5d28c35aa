"""python manage.py import_feedback FILE… --campaign NAME [--format auto] [--json]"""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.campaigns.models import Campaign
from annotate.campaigns.services import create_campaign
from annotate.exchange.formats.detect import BY_NAME
from annotate.exchange.importing import (
    FileReport,
    ImportRefused,
    check_readable,
    form_of,
    import_file,
    not_read_to_its_end,
)
from annotate.exchange.storing import stored_counts

RANKED = {
    *("oasst", "oasst-flat", "pandalm", "squality", "llmbar", "dpo", "hh", "kto", "sampling-report"),
    *("k-wise", "csv", "ranks", "nectar"),
}


class Command(BaseCommand):
    help = "Take in other people's feedback. What was read, stored, repeated and refused is reported."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--campaign",
            required=True,
            metavar="NAME",
            help="where it goes; made if there is none of this name",
        )
        parser.add_argument("--format", default="auto", help="auto, or one of: " + ", ".join(BY_NAME))
        parser.add_argument(
            "--kind",
            choices=Campaign.Kind.values,
            help="of a campaign that is made; else what the files hold",
        )
        parser.add_argument("--language", default="en", help="of a campaign that is made, as en or fr")
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for path in options["files"]:
                check_readable(path)
            campaign = self._campaign(options)
            reports = [self._take_in(path, campaign, options) for path in options["files"]]
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from None
        stored = stored_counts(campaign)
        if options["json"]:
            files = [report.as_json() for report in reports]
            self.stdout.write(json.dumps({"files": files, "stored": stored}, ensure_ascii=False))
        else:
            self._print(reports, stored)
        if all(report.format == "unknown" for report in reports):
            first = reports[0].rejected[0].reason if reports[0].rejected else "It holds no records."
            raise CommandError(f"Nothing was taken in. {reports[0].file}: {first}")
        for report in reports:
            if report.is_hopeless:
                raise CommandError(f"{report.file}: {not_read_to_its_end(report)}")

    def _campaign(self, options: dict[str, Any]) -> Campaign:
        found = Campaign.objects.filter(name=options["campaign"]).first()
        if found:
            return found
        kind = options["kind"]
        if kind is None:
            forms = [form_of(path, options["format"]) for path in options["files"]]
            holds_rankings = any(form and form.name in RANKED for form in forms)
            kind = Campaign.Kind.RANKING if holds_rankings else Campaign.Kind.DEMONSTRATION
        campaign = create_campaign(name=options["campaign"], kind=kind, language=options["language"])
        self.stderr.write(f"Made the {kind} campaign {campaign.name}.")
        return campaign

    def _take_in(self, path: Path, campaign: Campaign, options: dict[str, Any]) -> FileReport:
        def keep(report: FileReport) -> None:
            if self.stderr.isatty():
                self.stderr.write(f"{report.file}: {report.num_records} records", ending="\r")

        report = import_file(path, campaign, options["format"], keep=keep)
        self.stderr.write(f"{report.file}: {report.num_records} records read as {report.format}")
        return report

    def _print(self, reports: list[FileReport], stored: dict[str, int]) -> None:
        for report in reports:
            self.stdout.write(
                f"{report.file} ({report.format}): {report.num_records} records, {report.accepted} stored, "
                f"{report.duplicates} there already, {report.num_rejected} refused"
            )
            if made := ", ".join(f"{number} {name}" for name, number in report.made.items() if number):
                self.stdout.write(f"  new: {made}")
            if report.unread:
                named = ", ".join(f"{name} ({count})" for name, count in sorted(report.unread.items()))
                self.stdout.write(f"  fields that were not read: {named}")
            for found in report.refusals()[:20]:
                self.stdout.write(f"  line {found['line']}: {found['reason']}")
            if report.num_rejected > 20:
                self.stdout.write(f"  and {report.num_rejected - 20} more; --json lists the first thousand")
        self.stdout.write(
            "The campaign now holds " + ", ".join(f"{n} {name}" for name, n in stored.items()) + "."
        )
