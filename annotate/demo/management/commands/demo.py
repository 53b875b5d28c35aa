"""python manage.py demo [--serve | --no-serve] [--port N] [--fresh]: the loop once on the project's own sample."""

import argparse
import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import APIException

from annotate.api.errors import sentence
from annotate.demo import story, table
from annotate.exchange.importing import ImportRefused
from annotate.operating.processes import Processes, free_port, site
from annotate.runs.models import Run

NUM_NEXT_PROMPTS = 40
LEARNING_STAGES = ["snapshot", "reward", "ppo", "evaluate", "promote", "sample"]


class Command(BaseCommand):
    help = "Run the loop once on the project's own sample, print what was learned, and serve the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--serve", action=argparse.BooleanOptionalAction, default=True, help="leave the site open"
        )
        parser.add_argument("--port", type=int, default=8000, help="default: 8000")
        parser.add_argument(
            "--settings-file", type=Path, default=story.HERE / "settings.json", help="settings of each stage"
        )
        parser.add_argument("--fresh", action="store_true", help="run it anew, in campaigns of its own")

    def handle(self, **options: Any) -> None:
        self.began = time.monotonic()
        self.settings_file = options["settings_file"]
        self.kept_in = Path(settings.PARLEY_DATA) / "demo" / "demo.json"
        self.kept: dict[str, Any] = json.loads(self.kept_in.read_text()) if self.kept_in.exists() else {}
        if options["fresh"] and self.kept:
            self.kept = {"number": self.kept["number"] + 1, "passwords": self.kept["passwords"]}
        self.kept.setdefault("number", 1)
        self.kept.setdefault("passwords", {})
        self.kept.setdefault("seconds", {})
        if "table" not in self.kept:
            # Tiny models gain nothing from threads, which on shared cores wait for each other, many times as long.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
        try:
            with self.timed("database and migrations"):
                call_command("migrate", verbosity=0, skip_checks=False)
            if "table" in self.kept and not options["serve"]:
                self.show()
                return self.show_next()
            port = options["port"] if options["serve"] else free_port(options["port"])
            with site(port) as processes:
                if "table" not in self.kept:
                    self.tell_story(processes, is_open=options["serve"])
                self.show()
                if options["serve"]:
                    self.show_sign_ins(processes)
                    processes.wait()
                else:
                    self.show_next()
        except APIException as refusal:
            raise CommandError(sentence(refusal.detail)) from refusal
        except (ImportRefused, httpx.HTTPError) as refusal:
            raise CommandError(
                f"{refusal}. The logs are in {Path(settings.PARLEY_DATA) / 'logs'}."
            ) from refusal
        except KeyboardInterrupt:
            self.tell("Stopped. `make demo` goes on where it was.")

    # ------------------------------------------------------------ the story

    def tell_story(self, processes: Processes, is_open: bool) -> None:
        chosen = json.loads(self.settings_file.read_text(encoding="utf-8"))
        number = self.kept["number"]
        suffix = "" if number == 1 else f" {number}"
        with self.timed("logins and campaigns"):
            logins = story.make_logins(self.kept["passwords"])
            self.keep()
            cast = story.make_campaigns(suffix, chosen, logins)
        if is_open:
            self.show_sign_ins(processes)
            self.stdout.write(f"{story.what_waits_first(cast)} Meanwhile the loop goes on here.\n")
        with self.timed("pretrain a tiny base model"):
            base = story.pretrain_base(chosen.get("tiny_base", {}), self.tell)
        with self.timed("round 1: snapshot, SFT, promotion, candidates"):
            config: dict[str, Any] = {
                "sft": chosen["sft"],
                "sample": chosen["sample"] | {"num_prompts": cast.ranking.prompts.count()},
            }
            first = story.run_round(f"demo {number}: demonstrations", cast, base, config, self.tell)
        with self.timed("the scripted annotator ranks"):
            num_ranked = story.rank_candidates(processes.url, cast, self.tell)
            self.tell(f"{num_ranked} rankings, by a program that applies annotate/demo/PREFERENCE.md")
        with self.timed("round 2: reward model, PPO, evaluation, promotion, candidates"):
            config = {stage: chosen[stage] for stage in ("reward", "ppo", "evaluate")}
            config |= {
                "gate": chosen.get("gate", {}),
                "sample": chosen["sample"] | {"num_prompts": NUM_NEXT_PROMPTS},
            }
            config["stages"] = LEARNING_STAGES
            sft = first.runs.get(kind=Run.Kind.SFT).policy_version
            second = story.run_round(f"demo {number}: rankings", cast, sft, config, self.tell)
        with self.timed("evaluate the base model"):
            base_run = story.evaluate_base(cast, second, chosen.get("evaluate", {}), self.tell)
        judged = second.runs.get(kind=Run.Kind.EVALUATE)
        self.kept["outcome"] = f"{second.outcome} {story.what_waits(cast.ranking, second)}"
        self.kept["num_prompts"] = judged.metrics["num_prompts"]
        self.kept["reward_accuracy"] = second.runs.get(kind=Run.Kind.REWARD).metrics.get("accuracy")
        runs = Run.objects.filter(round__in=[first, second]).order_by("pk")
        self.kept["seconds"] |= {f"  {run.name}": _seconds(run) for run in runs}
        self.kept["table"] = table.rows_of(base_run, judged)
        steps = [seconds for step, seconds in self.kept["seconds"].items() if not step.startswith(" ")]
        self.kept["seconds"]["in all"] = round(sum(steps), 1)
        self.keep()

    # ------------------------------------------------------------ what is printed

    def tell(self, line: str) -> None:
        self.stderr.write(f"[{time.monotonic() - self.began:5.0f} s] {line}", ending="\n")
        self.stderr.flush()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        self.tell(step)
        began = time.monotonic()
        yield
        self.kept["seconds"].setdefault(step, round(time.monotonic() - began, 1))

    def keep(self) -> None:
        self.kept_in.parent.mkdir(parents=True, exist_ok=True)
        written = self.kept_in.with_suffix(".tmp")
        written.touch(mode=0o600)
        written.write_text(json.dumps(self.kept, indent=1))
        written.rename(self.kept_in)

    def show(self) -> None:
        accuracy = self.kept.get("reward_accuracy")
        lines = [
            "",
            f"On {self.kept['num_prompts']} held-out prompts, one completion each, judged by the same reward model"
            + (f" ({accuracy:.0%} of held-out pairs right):" if accuracy is not None else ":"),
            "",
            table.drawn(self.kept["table"]),
            "",
            self.kept["outcome"],
            "The rankings were made by a program that applies a stated preference: they are no human judgement.",
            "",
            "Seconds:",
            *[f"  {seconds:7.1f}  {step}" for step, seconds in self.kept["seconds"].items()],
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def show_next(self) -> None:
        self.stdout.write("\n`make demo` opens the site that this left, and says how to sign in.")

    def show_sign_ins(self, processes: Processes) -> None:
        lines = [
            "",
            f"Parley is at {processes.url}   (logs: {processes.logs}; Ctrl-C stops everything)",
            "Sign in as",
        ]
        lines += [f"  {name:<10} {password}" for name, password in self.kept["passwords"].items()]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _seconds(run: Run) -> float:
    assert run.started_at and run.finished_at  # the round has ended well
    return round((run.finished_at - run.started_at).total_seconds(), 1)
