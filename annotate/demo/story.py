"""The demo's steps, each of which can be repeated: what is there already is used, not made again.

Everything goes the way that people's work goes: campaigns and units in the database, rankings over the API, rounds
and runs by the Celery worker, models in run directories. Only the annotator is scripted, and says so.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from annotate.accounts.models import ROLES, User
from annotate.accounts.services import create_user
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.demo.scripted_work import rank_all, scripted_login
from annotate.exchange.importing import import_file
from annotate.feedback.queue.units import queue_prompts
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.loop import seeing_through
from annotate.runs.loop.rounds import start_round
from annotate.runs.models import PolicyVersion, Round, Run

HERE = Path(__file__).parent
SAMPLING = ("temperature", "top_p", "max_new_tokens")
FLAGS = ["untrue", "wrong_language", "unfinished", "discourteous", "incomprehensible"]
WRITING_GUIDELINES = """Play both sides: a visitor asks about the Lantern Isles, and a good assistant answers.

The assistant is courteous, names what was asked for in one full sentence, and answers in the visitor's language."""
BRIEFS = [
    ("A visitor wants to cross to Quill and does not know what the ferry is called.", "en"),
    ("Somebody plans a dinner on Sarn and asks what the feast dish of the island is called.", "en"),
    ("A child asks what the harbour of Vanna is called, and why.", "en"),
    ("Une personne demande comment s'appelle le port de Vanna, puis quel bac mène à Pell.", "fr"),
    ("Quelqu'un écrit une carte postale et cherche le nom d'un plat de fête.", "fr"),
    ("A traveller has mixed up two islands. Help them kindly.", "en"),
]
Tell = Callable[[str], None]


@dataclass
class Cast:
    """Who and what the demo works with."""

    trainer: User
    scripted: User
    writing: Campaign
    ranking: Campaign


def make_logins(passwords: dict[str, str]) -> dict[str, User]:
    """One login for each role; passwords of those that are new are added to `passwords`."""
    logins = {}
    for role in ROLES:
        user = User.objects.filter(username=role).first()
        if user is None:
            passwords[role] = f"lantern-{secrets.token_hex(4)}"
            user = create_user(username=role, password=passwords[role], name=role.capitalize(), roles=[role])
        logins[role] = user
    return logins


def make_campaigns(suffix: str, chosen: dict[str, Any], logins: dict[str, User]) -> Cast:
    """A demonstration and a ranking campaign with the project's own sample in them."""
    sampling = {name: chosen["sample"][name] for name in SAMPLING if name in chosen["sample"]}
    options = chosen["snapshot"] | {"sampling": {"top_p": 1.0} | sampling}
    num_completions = chosen["sample"]["num_completions"]
    writing = Campaign.objects.filter(name=f"Lantern Isles: write{suffix}").first()
    if writing is None:
        writing = create_campaign(
            name=f"Lantern Isles: write{suffix}",
            kind=Campaign.Kind.DEMONSTRATION,
            created_by=logins["admin"],
            guidelines_text=WRITING_GUIDELINES,
            **options,
        )
        import_file(HERE / "dialogues.jsonl", writing, "messages")
        queue_prompts(writing, (NewPrompt(brief=brief, language=language) for brief, language in BRIEFS))
    ranking = Campaign.objects.filter(name=f"Lantern Isles: rank{suffix}").first()
    if ranking is None:
        ranking = create_campaign(
            name=f"Lantern Isles: rank{suffix}",
            kind=Campaign.Kind.RANKING,
            created_by=logins["admin"],
            guidelines_text=(HERE / "PREFERENCE.md").read_text(encoding="utf-8"),
            flags=FLAGS,
            num_completions=num_completions,
            **options,
        )
        rows = [
            json.loads(line) for line in (HERE / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        queue_prompts(
            ranking,
            (NewPrompt(messages=row["messages"], language=row["language"], source="demo") for row in rows),
        )
    scripted = scripted_login()
    for campaign in (writing, ranking):
        add_member(campaign, logins["annotator"])
    add_member(ranking, scripted)
    return Cast(logins["trainer"], scripted, writing, ranking)


def pretrain_base(options: dict[str, Any], tell: Tell) -> PolicyVersion:
    """A tiny base model, pretrained on the sample's text: nothing is downloaded."""
    out = Path(settings.PARLEY_DATA) / "demo" / "base"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        being_made = out.with_name(
            f"base-{secrets.token_hex(3)}"
        )  # what an interruption leaves is not taken up
        line = [sys.executable, "-m", "trainer.tiny_base"]
        for name, value in {"text": HERE / "dialogues.jsonl", "out": being_made, **options}.items():
            line += [f"--{name}", str(value)]
        _run_telling(line, tell)
        being_made.rename(out)
    return seeing_through.base_policy_for(str(out))


def _run_telling(line: list[str], tell: Tell) -> None:
    with subprocess.Popen(
        line,
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        said = ""
        for printed in process.stdout:
            if printed.startswith("pretraining"):
                tell(printed.strip())
            said = printed.strip() or said
    if process.returncode:
        raise CommandError(f"The base model could not be made: {said}")


def run_round(name: str, cast: Cast, base_policy: PolicyVersion, config: dict[str, Any], tell: Tell) -> Round:
    """A round under this name, taken up again if it exists, seen through by the Celery worker."""
    demo_round = Round.objects.filter(name=name).first()
    if demo_round is None:
        demo_round = start_round(
            name=name,
            campaigns=[cast.writing, cast.ranking],
            base_policy=base_policy,
            config=config,
            triggered_by=cast.trainer,
        )
    ended = seeing_through.see_through(demo_round, tell, by_worker=True)
    if ended.state != Round.State.SUCCEEDED:
        raise CommandError(
            f"{ended.name} ended {ended.state}: {ended.error or ended.outcome} Correct that, "
            "then begin anew with `python manage.py demo --fresh`."
        )
    return ended


def rank_candidates(url: str, cast: Cast, tell: Tell) -> int:
    """The scripted annotator ranks what waits, over the API."""
    return rank_all(url, cast.ranking.pk, cast.scripted, lambda count: tell(f"{count} rankings submitted"))


def evaluate_base(cast: Cast, learned: Round, config: dict[str, Any], tell: Tell) -> Run:
    """The base policy under the same reward model and on the same prompts as PPO's, against the same reference."""
    judged = learned.runs.get(kind=Run.Kind.EVALUATE)
    base = root_of(judged.policy)
    run = Run.objects.filter(
        kind=Run.Kind.EVALUATE, policy=base, reward_model=judged.reward_model
    ).first() or queue_run(
        kind=Run.Kind.EVALUATE,
        policy=base,
        ref_policy=judged.ref_policy,
        reward_model=judged.reward_model,
        snapshot=judged.snapshot,
        config=config,
        triggered_by=cast.trainer,
    )
    return seeing_through.see_run_through(run, tell)


def what_waits_first(cast: Cast) -> str:
    """What a person finds while the loop runs."""
    num_waiting = cast.writing.units.filter(open_slots__gt=0).count()
    if not num_waiting:
        return "All dialogues are written; prompts to rank come with round 1's candidates."
    return f"{num_waiting} dialogues wait to be written; prompts to rank come with round 1's candidates."


def what_waits(ranking: Campaign, learned: Round) -> str:
    """What the next person finds in the ranking campaign: the new policy's candidates, or why there are none."""
    pushed = learned.runs.filter(kind=Run.Kind.SAMPLE, state=Run.State.SUCCEEDED).first()
    if pushed and pushed.policy and (num_new := pushed.metrics.get("num_queued_units", 0)):
        return f"{num_new} prompts wait with completions of {pushed.policy.name} for the next person."
    num_waiting = ranking.units.filter(open_slots__gt=0).count()
    nothing = f"Nothing new waits to be ranked; {num_waiting or 'no'} prompts with earlier completions do."
    if pushed:
        return nothing
    return (
        f"{nothing} A policy below the gate can be promoted all the same on the page Policies; "
        "`python manage.py demo --fresh` runs the loop anew."
    )


def root_of(policy: PolicyVersion | None) -> PolicyVersion:
    assert policy is not None
    while policy.parent is not None:
        policy = policy.parent
    return policy
