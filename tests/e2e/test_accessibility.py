"""axe finds nothing on any page, in English and French, light and dark, on a desktop and on a phone.

Each page is loaded once in English on a desktop and once in French on a phone; there it is looked at in light and in
dark, and with all that opens over it. A route, a tab or a kind of work that is not in the list fails the first test.
"""

import functools
import json
import re

import httpx
import pytest

from tests.e2e.axe import set_scheme, violations_by_day_and_night
from tests.e2e.desk import desk_site
from tests.e2e.units import make_campaigns, question
from tests.site import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# By whom a page is opened: its address, and what is then done there, each followed by a look (see `Doing`).
PAGES: dict[str | None, dict[str, list[str]]] = {
    None: {"/sign-in": []},
    "bob": {
        "/": [],
        "/account": [],
        "/guide": [],
        "/nowhere": [],
        "/annotate/{demonstration}": ["key s dialog"],
        "/annotate/{chat}": ["key e textarea[data-field=edited]"],
        "/annotate/{ranking}": ["key Control+k dialog", "Escape; key ? dialog", "Escape; key r dialog"],
        "/annotate/{comparison}": ["key 2 [data-chosen]"],
        "/annotate/{best_worst}": ["key b; key 1; key c; key 3 [aria-pressed=true]"],
        "/annotate/{review}": ["key m textarea:enabled"],
        "/annotate/{review of rankings}": ["key m [data-letter]:enabled"],
        "/annotate/{terms}": [],
        "/annotate/{alone}": ["key 3 [data-chosen]"],
        "/annotate/{criteria}": ["key p; key l [data-layout=columns]; key z; key j ins", "key u"],
        "/annotate/{instructions}": [],
        "/annotate/{handed in}?unit={given}": ["button versions.title dialog"],
        "/annotate/{handed in}": [],
        "/practice/{kind ranking}": ["key Control+Enter [role=alert]"],
        "/practice/{kind comparison}": ["key 7 [data-chosen]; key Control+Enter dialog"],
    },
    "carol": {
        "/campaigns": [],
        "/campaigns/new": [],
        "/campaigns/{ranking}/progress": [],
        "/campaigns/{new}": ["button checklist.openAnyway dialog"],
        "/campaigns/{ranking}/members": [],
        "/campaigns/{ranking}/guidelines": [],
        "/campaigns/{ranking}/terms": [],
        "/campaigns/{ranking}/remarks": [],
        "/campaigns/{ranking}/material": [],
        "/campaigns/{ranking}/policies": [],
        "/campaigns/{ranking}/settings": [],
    },
    "tom": {
        "/runs": [
            "button runs.start dialog",
            "Escape; button rounds.start dialog",
            "Escape; button schedules.new dialog",
        ],
        "/runs/{run}": [
            "tab runs.tab.numbers dl",
            "tab runs.tab.samples article",
            "tab runs.tab.log pre",
            "tab runs.tab.inputs dl",
        ],
        "/policies": ["button policies.register dialog"],
        "/policies/{base}": ["button promotion.title dialog"],
        "/snapshots": ["button snapshots.new dialog"],
    },
}
# So high that no page is longer, and no bar covers a part of it.
HEIGHT = 4000
SCREENS = {
    "desktop-english": {"viewport": {"width": 1440, "height": HEIGHT}, "locale": "en-GB"},
    "phone-french": {"viewport": {"width": 390, "height": HEIGHT}, "locale": "fr-FR"},
}

MORE = """
import json, pathlib, uuid
from django.conf import settings
from django.utils import timezone
from annotate.accounts.models import User
from annotate.accounts.services import annotator_of
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import add_member, create_campaign, write_guidelines, write_terms
from annotate.feedback.models import Draft, Suggestion
from annotate.feedback.remarks import make_remark
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.feedback.kinds.ranking import submit_ranking
from annotate.campaigns.models import CampaignPolicy
from annotate.runs.models import PolicyVersion, Promotion, Round, Run, Schedule
from annotate.exchange.models import FeedbackImport
from annotate.snapshots.models import Snapshot
made, now = json.loads(MADE), timezone.now()
campaign = {name: Campaign.objects.get(id=id) for name, id in made.items()}
alice, bob = (User.objects.get(username=name) for name in ("alice", "bob"))
write_terms(campaign["terms"], "# Terms\\n\\nWhat you write trains models.", by=None)

def answered(name, user, *answers):
    unit = lease_next_assignment(campaign[name], user).assignment
    for number, answer in enumerate(answers):
        messages = [*unit.unit.prompt.messages, {"role": "assistant", "content": answer}]
        submit_demonstration(unit.id, annotator_of(user), HandedIn(uuid.uuid4(), revises=number or None), messages=messages)
    return unit.id

answered("letters", alice, "It is called Port.")
unit = lease_next_assignment(campaign["orders"], alice).assignment
submit_ranking(unit.id, annotator_of(alice), HandedIn(uuid.uuid4()), tiers=[[id] for id in unit.shown_order])
for name, reviewed in {"review": "letters", "review of rankings": "orders"}.items():
    review = create_campaign(name=name, kind="review", reviewed_campaign=campaign[reviewed])
    add_member(review, bob)
    made[name] = review.id
made["given"] = answered("handed in", bob, "It is called Port.", "It is called Port Hope.")

base = PolicyVersion.objects.create(name="tiny base", path="/models/base", model_sha256="0" * 64, promoted_at=now)
for name in ("demonstration", "chat"):
    CampaignPolicy.objects.create(campaign=campaign[name], policy_version=base)
    Promotion.objects.create(campaign=campaign[name], policy_version=base, how="override", promoted_by=alice)
talk = lease_next_assignment(campaign["chat"], bob).assignment
answers = [Suggestion.objects.create(assignment=talk, turn=1, pair=1, side=side, seed=1, text=text, is_complete=True)
           for side, text in enumerate(["A **harbour**.", "No idea."])]
turn = {"key": "first", "content": "", "pair": 1, "chosen": answers[0].id, "strength": 2, "edited": None,
        "answers": [{"suggestion": answer.id, "text": answer.text} for answer in answers]}
Draft.objects.create(assignment=talk, content={"turns": [turn], "written": "And who lives there?"}, revision=1)
held = lease_next_assignment(campaign["ranking"], alice).assignment
make_remark(held, "unclear", "Which harbour is meant?")

frozen = Snapshot.objects.create(name="autumn", state="ready", path="/snapshots/autumn", manifest_sha256="1" * 64,
                                 counts={"demonstrations": 3, "rankings": 2})
frozen.campaigns.set([campaign["ranking"]])
Snapshot.objects.create(name="winter", state="failed", path="/snapshots/winter", error="The disk is full.")
for state in Run.State.values:
    place = pathlib.Path(settings.PARLEY_DATA, "run-" + state)
    place.mkdir()
    place.joinpath("metrics.jsonl").write_text("".join(
        json.dumps({"step": step, "loss": 1 / step, "reward_mean": step / 9}) + "\\n" for step in range(1, 9)))
    place.joinpath("log.txt").write_text("step 1 of 8\\nstep 2 of 8\\n")
    place.joinpath("samples.jsonl").write_text(json.dumps({"prompt": "Where?", "completion": "At the harbour.", "reward": 1.5}) + "\\n")
    run = Run.objects.create(name="a run that is " + state, kind="sft", state=state, policy=base, snapshot=frozen, step=8,
                             run_dir=str(place), total_steps=8, config={"max_steps": 8}, started_at=now,
                             metrics={"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "kl": 2, "seconds": 3},
                             error="Out of memory." if state == "failed" else "")
    if state == "succeeded":
        made["run"] = run.id
for state in Round.State.values:
    round = Round.objects.create(name="round that is " + state, base_policy=base, state=state, stage="reward",
                                 stages=["snapshot", "sft", "reward"], error="No feedback." if state == "failed" else "")
    round.campaigns.set([campaign["ranking"]])
schedule = Schedule.objects.create(name="every night", base_policy=base, every_hours=24)
schedule.campaigns.set([campaign["ranking"]])
file = {"file": "old.jsonl", "format": "chat", "records": 3, "accepted": 1, "duplicates": 1,
        "rejected": [{"line": 3, "reason": "It has no messages."}]}
FeedbackImport.objects.create(campaign=campaign["ranking"], file_name="old.jsonl", path="old", state="succeeded",
                              report={"files": [file], "stored": {"demonstrations": 1}})
print(json.dumps(made | {"base": base.id}))
"""


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with desk_site(tmp_path_factory.mktemp("desk")) as site:
        yield site


@pytest.fixture(scope="module")
def places(site) -> dict[str, int | str]:
    """What stands for the names in the addresses: a campaign of each kind, and of those that ask for more."""
    asked = {"prompts": [question(), question("What is it called?")], "members": ["alice", "bob"]}
    ranking = {"kind": "ranking", **asked, "completions": ["One small boat.", "One large boat."]}
    writing = {"kind": "demonstration", **asked}
    wanted = [
        {"name": "demonstration", **writing},
        {"name": "chat", "kind": "chat", **asked},
        {"name": "ranking", **ranking},
        {"name": "comparison", **ranking, "kind": "comparison"},
        {
            "name": "best_worst",
            **ranking,
            "kind": "best_worst",
            "completions": ["A boat.", "Two boats.", "No boat."],
        },
        {"name": "terms", **ranking},
        {"name": "alone", **ranking, "is_rated_first": True},
        {"name": "criteria", **ranking, "criteria": ["helpful", "short"]},
        {"name": "instructions", **writing, "has_system_message": True, "min_words": 5},
        {"name": "letters", **writing, "members": ["alice"]},
        {"name": "orders", **ranking, "members": ["alice"]},
        {"name": "new", "kind": "chat", "prompts": [question()], "members": [], "status": "paused"},
        {"name": "handed in", **writing, "prompts": [question()], "members": ["bob"]},
    ]
    made = make_campaigns(site, *wanted)
    kinds = {f"kind {kind}": kind for kind in ("ranking", "comparison")}
    return json.loads(site.python(f"MADE = {json.dumps(made)!r}\n{MORE}")) | kinds


def in_source(path: str, pattern: str) -> list[str]:
    return re.findall(pattern, (ROOT / "frontend" / "src" / path).read_text(), re.MULTILINE)


def test_every_page_is_in_the_list():
    listed = {address.partition("?")[0] for pages in PAGES.values() for address in pages}
    routes = ["/"]
    # An area of the menu, below which its own pages are named without it; or a page.
    for area, path in in_source("app/router.tsx", r'^  "(/\w+)":|path="([^"]+)"'):
        within = routes[-1] if ":" not in routes[-1] else routes[-1].rpartition("/:")[0]
        routes.append(area or (path if path[0] in "/*" else f"{within}/{path}"))
    assert len(routes) > 10
    for route in routes:
        # Another route may be more to the point: "/campaigns/new" is no campaign.
        shape = re.sub(r"/:\w+\?", "(?:/[^/]+)?", route).replace("*", "/nowhere")
        shape = re.sub(r":\w+", r"\\{[^/]+\\}", shape)
        assert any(re.fullmatch(shape, address) for address in listed), f"{route} is not in the list"
    [tabs] = in_source("features/campaigns/campaign-page.tsx", r"const TABS = \{([^}]*)\}")
    names = re.findall(r"^  (\w+):", tabs, re.MULTILINE)
    assert len(names) == 8 and {f"/campaigns/{{ranking}}/{tab}" for tab in names} <= listed
    kinds = in_source("app/kinds.ts", r"^import \{ (\w+) \}")
    assert len(kinds) == 6 and {f"/annotate/{{{kind}}}" for kind in kinds} <= listed


def appears(page, selector: str) -> None:
    """At the next frame; a locator's own wait looks every half second."""
    seen = "selector => [...document.querySelectorAll(selector)].some(found => found.checkVisibility())"
    page.wait_for_function(seen, arg=selector)


def goes(page, selector: str) -> None:
    page.wait_for_function("selector => !document.querySelector(selector)", arg=selector)


class Quiet:
    """Tells when a page has all that it asked for: sooner than `networkidle`, which waits half a second more."""

    def __init__(self, page) -> None:
        self.page, self.under_way = page, 0
        page.on("request", lambda _request: self.count(1))
        page.on("requestfinished", lambda _request: self.count(-1))
        page.on("requestfailed", lambda _request: self.count(-1))

    def count(self, step: int) -> None:
        self.under_way += step

    def wait(self) -> None:
        num_quiet = 0
        while num_quiet < 3:
            self.page.wait_for_timeout(25)
            num_quiet = 0 if self.under_way > 0 else num_quiet + 1
        goes(self.page, "[role=status][aria-label], [aria-busy=true]")


class Doing:
    """ "key K S": press K; "button T S", "tab T S": click what the sentence T is on; until S is there. "; " joins."""

    def __init__(self, page, language: str) -> None:
        self.page = page
        self.sentences = json.loads((ROOT / f"frontend/src/locales/{language}.json").read_text())

    def do(self, all_of_it: str) -> None:
        for step in filter(None, all_of_it.split("; ")):
            act, *words = step.split(" ", 2)
            if act == "Escape":
                self.page.keyboard.press("Escape")
                goes(self.page, "dialog")
                continue
            if act == "key":
                self.page.keyboard.press(words[0])
            else:
                said = functools.reduce(lambda found, part: found[part], words[0].split("."), self.sentences)
                self.page.get_by_role(act, name=said).first.click()
            if len(words) > 1:
                appears(self.page, words[1])


def all_that_is_wrong(page) -> list[str]:
    found = violations_by_day_and_night(page)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*found, f"scrolls sideways by {overflow} px"] if overflow > 0 else found


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", list(PAGES), ids=lambda name: name or "stranger")
def test_axe_finds_nothing(places, open_page, name, screen):
    page = open_page(name, **SCREENS[screen], color_scheme="light", reduced_motion="reduce")
    language = SCREENS[screen]["locale"][:2]
    doing, quiet = Doing(page, language), Quiet(page)
    found = {}
    for address, steps in PAGES[name].items():
        page.goto(address.format_map(places))
        appears(page, "h1, main h2, [role=alert]")
        quiet.wait()
        assert page.evaluate("document.documentElement.lang") == language
        for step in ("", *steps):
            doing.do(step)
            quiet.wait()
            if problems := all_that_is_wrong(page):
                found[f"{address} {step}"] = problems
    assert found == {}


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing_in_what_comes_by_itself(site, places, open_page, screen):
    """Two versions of a draft; and the session that ended."""
    page = open_page("bob", **SCREENS[screen], color_scheme="light", reduced_motion="reduce")
    with page.expect_response("**/assignments/next") as answer:
        page.goto(f"/annotate/{places['demonstration']}")
    field = page.get_by_role("textbox").first
    field.wait_for()
    unit = answer.value.json()["assignment"]
    headers = {"Authorization": f"Token {site.seeded['tokens']['bob']}"}
    elsewhere = {"content": {"turns": []}, "revision": (unit["draft"] or {"revision": 0})["revision"]}
    httpx.put(
        f"{site.url}/api/assignments/{unit['id']}/draft", headers=headers, json=elsewhere
    ).raise_for_status()
    field.fill("Written here.")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    found = all_that_is_wrong(page)
    dialog.get_by_role("button").first.click()
    dialog.wait_for(state="detached")
    page.context.clear_cookies()
    field.fill("Written here, and after the end of the session.")
    dialog.locator("input[type=password]").wait_for()
    found += all_that_is_wrong(page)
    set_scheme(page, "dark")
    assert found == []
