"""A small site for tests of the desk: people, two campaigns, a web process; no model, unless a server stands in for one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.e2e.conftest import PASSWORD
from tests.site import ROOT, Site

SEED = """
import json, os
from django.db import connection
from annotate.accounts.services import create_token, create_user
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.queue.units import queue_prompts, queue_ranking_units

password = os.environ["E2E_PASSWORD"]
roles = {"alice": ["annotator"], "bob": ["annotator"], "carol": ["admin"], "tom": ["trainer"]}
people = {name: create_user(username=name, password=password, roles=held, name=name.title()) for name, held in roles.items()}
guidelines = "# What we ask\\n\\nBe **kind** and *true*. Read everything first."
asked = [NewPrompt(messages=[{"role": "user", "content": f"What is the harbour of island number {i} called?"}]) for i in range(60)]
writing = create_campaign(name="Letters", kind="demonstration", guidelines_text=guidelines)
ranking = create_campaign(name="Verdicts", kind="ranking", guidelines_text=guidelines, num_completions=3)
for campaign in (writing, ranking):
    for name in ("alice", "bob"):
        add_member(campaign, people[name])
queue_prompts(writing, asked)
candidates = []
for prompt in add_prompts(ranking, asked).created:
    texts = [f"It is called Port {prompt.id}.", "With pleasure! It is **Candlewick**.", "No idea."]
    rows = Completion.objects.bulk_create(Completion(prompt=prompt, text=text, model_name="by hand") for text in texts)
    candidates.append((prompt.id, [row.id for row in rows]))
queue_ranking_units(ranking, candidates)
User.objects.update(preferences={"practised": list(Campaign.Kind.values)})  # at the work, not at its practice
print(json.dumps({
    "writing": writing.id, "ranking": ranking.id, "database": connection.get_connection_params() | {"cursor_factory": None, "context": None},
    "tokens": {name: create_token(user)[1] for name, user in people.items()},
}, default=str))
"""


@contextmanager
def desk_site(directory: Path, **settings: str) -> Iterator[Site]:
    site = Site(directory, E2E_PASSWORD=PASSWORD, **settings)
    try:
        site.seeded = json.loads(site.python(SEED))
        site.start_web()
        yield site
    finally:
        site.stop()


@contextmanager
def model_server() -> Iterator[dict[str, str]]:
    """An OpenAI-style server as an outside party would run one: the settings with which a site asks it.

    What it does is told by the path of the policy that is asked for; "speaks" says a sentence, "varies" never the same twice.
    """
    script = ROOT / "tests" / "annotate" / "feedback" / "model_server.py"
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        yield {"PARLEY_MODEL_SERVER_URL": f"http://127.0.0.1:{port}/v1", "PARLEY_MODEL_SERVER_TIMEOUT": "1.5"}
    finally:
        process.kill()
        process.wait()


def ask(site: Site, query: str, *values) -> list[tuple]:
    """A question to the site's database, much quicker than a process of Django."""
    given = site.seeded["database"]
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(
        **{name: given[name] for name in names if given.get(name)}, autocommit=True
    ) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []
