"""python manage.py run_loop --campaign NAME… --base-model DIR_OR_HUB_ID [--rounds N] [--config FILE] [--json]"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import APIException

from annotate.api.errors import sentence
from annotate.campaigns.models import Campaign
from annotate.runs.loop import seeing_through
from annotate.runs.loop.rounds import start_round
from annotate.runs.models import Round


class Command(BaseCommand):
    help = "Run the loop on some campaigns: snapshot, training, evaluation, promotion, next candidates."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--campaign", nargs="+", required=True, metavar="NAME", help="campaigns by name")
        parser.add_argument(
            "--base-model",
            required=True,
            metavar="DIR_OR_HUB_ID",
            help="a directory with safetensors, or a hub id",
        )
        parser.add_argument(
            "--rounds", type=int, default=1, help="passes, each from the base model; default 1"
        )
        parser.add_argument("--config", type=Path, help="JSON file: settings by stage, the gate, the stages")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        campaigns = self.find_campaigns(options["campaign"])
        config = self.read_config(options["config"])
        if options["rounds"] < 1:
            raise CommandError("--rounds is at least 1.")
        by_worker = seeing_through.worker_answers()
        self.tell(
            "A Celery worker answers and does the work." if by_worker else "No worker answers: working here."
        )
        reports = []
        try:
            base_policy = seeing_through.base_policy_for(options["base_model"])
            for _number in range(options["rounds"]):
                made = start_round(campaigns=campaigns, base_policy=base_policy, config=config)
                ended = seeing_through.see_through(made, self.tell, by_worker)
                reports.append(seeing_through.report(ended))
                if ended.state != Round.State.SUCCEEDED:
                    break
        except APIException as refusal:
            raise CommandError(sentence(refusal.detail)) from refusal
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. The round goes on where a worker is running, or with the next run_loop."
            ) from None
        self.show(reports, options["json"])
        last = reports[-1]
        if last["state"] != Round.State.SUCCEEDED:
            raise CommandError(f"{last['name']} ended {last['state']}: {last['error'] or last['outcome']}")

    def tell(self, line: str) -> None:
        self.stderr.write(line, ending="\n")
        self.stderr.flush()

    def find_campaigns(self, names: list[str]) -> list[Campaign]:
        found = {campaign.name: campaign for campaign in Campaign.objects.filter(name__in=names)}
        if missing := [name for name in names if name not in found]:
            known = (
                ", ".join(Campaign.objects.order_by("name").values_list("name", flat=True)[:20]) or "none yet"
            )
            raise CommandError(f"There is no campaign {', '.join(missing)}. Campaigns here: {known}.")
        return list(found.values())

    def read_config(self, path: Path | None) -> dict[str, Any]:
        if path is None:
            return {}
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"The configuration {path} cannot be read: {error}.") from error
        if not isinstance(config, dict):
            raise CommandError(f"The configuration {path} must hold one JSON object.")
        return config

    def show(self, reports: list[dict[str, Any]], as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"rounds": reports}, ensure_ascii=False, indent=1, default=str))
            return
        for report in reports:
            self.stdout.write(f"{report['name']}: {report['state']} after {report['seconds']} s")
            for stage in report["stages"]:
                run = stage["run"]
                line = f"  {stage['stage']:<9} {stage['state']:<8}"
                if run:
                    numbers = "  ".join(
                        f"{k} {v}" for k, v in seeing_through.short_metrics(run["metrics"]).items()
                    )
                    line += f" {run['name']:<12} {run['seconds']} s  {numbers}"
                self.stdout.write(line)
            self.stdout.write(f"  {report['outcome']}")
            for pushed in report["pushed_back"]:
                self.stdout.write(
                    f"  pushed back to {pushed['campaign']}: {pushed['num_completions']} completions of "
                    f"{pushed['policy_version']} in {pushed['num_units']} rankings that wait"
                )
