"""Campaigns of one unit each, made for one file of browser tests: whatever other files do, theirs are untouched."""

import json

from tests.e2e.desk import ask

MAKE = """
import json
from annotate.accounts.models import User
from annotate.campaigns.models import Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.queue.units import NewUnit, queue_prompts, queue_units

def make(name, kind, prompts, completions=(), members=("alice",), **options):
    if completions:
        options["num_completions"] = max(2, len(completions))
    campaign = create_campaign(name=name, kind=kind, **options)
    for member in members:
        add_member(campaign, User.objects.get(username=member))
    asked = [NewPrompt(messages=messages) for messages in prompts]
    if kind in ("demonstration", "chat"):
        queue_prompts(campaign, asked)
    else:
        for prompt in add_prompts(campaign, asked).created:
            rows = [Completion.objects.create(prompt=prompt, text=text, model_name="by hand") for text in completions]
            queue_units(campaign, [NewUnit(prompt.id, [row.id for row in rows])], overlap=len(members))
    return campaign.id

print(json.dumps({wanted["name"]: make(**wanted) for wanted in json.loads(WANTED)}))
"""


def make_campaigns(site, *wanted: dict) -> dict[str, int]:
    """{name: campaign id}. Each wanted: name, kind, prompts (lists of messages), completions, members, settings."""
    return json.loads(site.python(f"WANTED = {json.dumps(wanted)!r}\n{MAKE}"))


def question(text: str = "What is it?") -> list[dict]:
    return [{"role": "user", "content": text}]


def card_with(page, words: str):
    """The completion that says this, wherever it was shown."""
    return page.locator("article[data-completion]", has_text=words)


def assignment_on(page) -> int:
    """Which assignment the page shows."""
    return int(page.locator("[data-assignment]").get_attribute("data-assignment"))


def wait_for_another(page, before: int) -> None:
    page.wait_for_function("id => !document.querySelector(`[data-assignment='${id}']`)", arg=before)


def shown_order(site, assignment: int) -> list[int]:
    """The completions of an assignment in the order shown; the page itself knows their places alone."""
    [(order,)] = ask(site, "SELECT shown_order FROM feedback_assignment WHERE id = %s", assignment)
    return order
