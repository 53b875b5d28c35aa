"""python manage.py create_snapshot --campaign NAME… [--name NAME] [--json]"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotate.campaigns.models import Campaign
from annotate.snapshots.services import SnapshotRefused, create_snapshot


class Command(BaseCommand):
    help = "Freeze what campaigns hold now into a directory that training reads and nothing changes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--campaign", required=True, nargs="+", action="extend", metavar="NAME")
        parser.add_argument(
            "--name", default="", help="of the snapshot; else the campaign's name and the time"
        )
        parser.add_argument("--json", action="store_true", help="print what was made as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        names = dict.fromkeys(options["campaign"])
        campaigns = list(Campaign.objects.filter(name__in=names))
        if missing := [name for name in names if name not in {campaign.name for campaign in campaigns}]:
            raise CommandError(f"There is no campaign named {', '.join(missing)}; check the name.")
        try:
            snapshot = create_snapshot(campaigns=campaigns, name=options["name"])
        except SnapshotRefused as refusal:
            raise CommandError(str(refusal)) from None
        if options["json"]:
            made = {
                "id": snapshot.pk,
                "name": snapshot.name,
                "path": snapshot.path,
                "campaigns": [campaign.name for campaign in snapshot.campaigns.order_by("pk")],
                "counts": snapshot.counts,
                "split_seed": snapshot.split_seed,
                "validation_fraction": snapshot.validation_fraction,
                "manifest_sha256": snapshot.manifest_sha256,
            }
            self.stdout.write(json.dumps(made, ensure_ascii=False))
            return
        counts = ", ".join(f"{number} {name}" for name, number in snapshot.counts.items())
        self.stdout.write(f"{snapshot.name}: {counts}\n{snapshot.path}")
