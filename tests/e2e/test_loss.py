"""What goes wrong in mid-writing costs nothing: each misfortune falls on all five kinds of work at once, each at a
random moment, in a real browser.

Once each in the suite; PARLEY_LOSS_MOMENTS=10 gives each ten random moments. What was written, chosen, rated, flagged
and ordered is held against the drafts that the database has in the end, character for character.
"""

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.conftest import PASSWORD
from tests.e2e.desk import ask, desk_site, model_server

NUM_MOMENTS = int(os.environ.get("PARLEY_LOSS_MOMENTS", "1"))
pytestmark = [
    pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.parametrize("moment", range(NUM_MOMENTS)),
]  # fmt: skip
SENTENCES = "Boats that come late ring twice — «bonsoir» — and wait, 待って, é, ok?"
MISFORTUNES = ["killed", "cut", "closed", "session", "taken"]

# A campaign of one unit for each kind, misfortune and moment. Bob has written what is reviewed.
MAKE = """
import json, uuid
from annotate.accounts.models import User
from annotate.accounts.services import annotator_of, create_token, create_user
from annotate.campaigns.models import Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.units import queue_prompts, queue_ranking_units
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.campaigns.models import CampaignPolicy
from annotate.runs.models import PolicyVersion

alice, bob = (User.objects.get(username=name) for name in ("alice", "bob"))
dora = create_user(username="dora", password=PASSWORD, roles=["annotator"])
User.objects.filter(id=dora.id).update(preferences=alice.preferences)
policy = PolicyVersion.objects.create(name="a policy", path="varies")
asked, made = [NewPrompt(messages=[{"role": "user", "content": "What is it?"}])], {}

def make(kind, name, members=(alice, dora), **options):
    campaign = create_campaign(name=f"{kind} {name}", kind=kind, **options)
    for member in members:
        add_member(campaign, member)
    made[campaign.name] = campaign.id
    return campaign

for name in NAMES:
    queue_prompts(make("demonstration", name), asked)
    chat = make("chat", name)
    queue_prompts(chat, asked)
    CampaignPolicy.objects.create(campaign=chat, policy_version=policy)
    for kind in ("ranking", "comparison"):
        judged = make(kind, name, num_completions=2)
        # Whose answers one is still to judge is not answered in a chat.
        [prompt] = add_prompts(judged, [NewPrompt(messages=[{"role": "user", "content": "And who is it?"}])]).created
        rows = [Completion.objects.create(prompt=prompt, text=text, model_name="by hand") for text in ("One.", "Two.")]
        queue_ranking_units(judged, [(prompt.id, [row.id for row in rows])])
    letters = make("demonstration", f"of bob, {name}", [bob])
    queue_prompts(letters, asked)
    unit = lease_next_assignment(letters, bob).assignment
    messages = [*asked[0].messages, {"role": "assistant", "content": "It is Port."}]
    submit_demonstration(unit.id, annotator_of(bob), HandedIn(uuid.uuid4()), messages=messages)
    make("review", name, reviewed_campaign=letters)
print(json.dumps([made, create_token(dora)[1]]))
"""


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with model_server() as settings, desk_site(tmp_path_factory.mktemp("loss"), **settings) as site:
        names = [f"{misfortune} {moment}" for misfortune in MISFORTUNES for moment in range(NUM_MOMENTS)]
        made, token = json.loads(site.python(f"PASSWORD, NAMES = {PASSWORD!r}, {names!r}\n{MAKE}"))
        site.seeded |= made
        site.seeded["tokens"]["dora"] = token
        yield site


@dataclass
class Kind:
    """How one works on a unit of a kind, and what its draft must hold in the end."""

    name: str
    field: str
    """Where one writes."""
    begin: Callable
    """What is done before one writes, on the page."""
    go_on: Callable
    """What is done after the misfortune, beside writing on."""
    has_kept: Callable[[dict, str], bool]
    """Whether a draft's content holds all of that, and the text."""
    table: str
    """Of what is handed in."""


def begin_chat(page) -> None:
    page.get_by_role("button", name="Get the answer").click()
    page.get_by_role("article", name="Completion B").wait_for()
    page.get_by_role("radio", name="Completion B is clearly better").check(force=True)
    page.get_by_role("button", name="Make it better").click()
    page.locator("textarea[data-field=edited]").fill("Nobody but herons.")


def has_kept_chat(draft: dict, text: str) -> bool:
    [turn] = draft["turns"]
    is_chosen = (turn["chosen"], turn["strength"]) == (turn["answers"][1]["suggestion"], 1)
    return is_chosen and turn["edited"] == "Nobody but herons." and draft["written"] == text


def begin_ranking(page) -> None:
    page.get_by_role("article", name="Completion B").wait_for()
    first, second = page.locator("article[data-completion]").all()
    first.locator("select").select_option("0")
    first.locator("input[type=radio][value='6']").check(force=True)
    second.locator("[role=group] button").first.click()
    page.get_by_role("button", name="Write a better answer").click()


def has_kept_ranking(draft: dict, text: str) -> bool:
    [[best], [worst], *_others] = draft["rows"]
    judged = draft["ratings"][str(best)]["value"], len(draft["ratings"][str(worst)]["flags"])
    return judged == (6, 1) and draft["own_answer"] == text


def begin_comparison(page) -> None:
    page.get_by_role("radio", name="Completion A is clearly better").check(force=True)
    page.get_by_role("button", name="Tell an administrator").click()  # the words are a remark


def begin_review(page) -> None:
    page.get_by_role("radio", name="Mend it yourself").check(force=True)
    page.get_by_label("A word to its author").fill("Name the island.")
    page.locator("textarea[data-turn]").fill("")


def has_kept_review(draft: dict, text: str) -> bool:
    said = draft["verdict"], draft["comment"], draft["correction"]["turns"][-1]["content"]
    return said == ("corrected", "Name the island, please.", text)


KINDS = [
    Kind(
        "demonstration", "textarea[data-turn]", lambda page: None, lambda page: None,
        lambda draft, text: draft["turns"][-1]["content"] == text, "demonstration",
    ),
    Kind(
        "chat", "textarea[data-field=written]", begin_chat,
        lambda page: page.get_by_role("radio", name="Completion B is slightly better").check(force=True),
        has_kept_chat, "demonstration",
    ),
    Kind(
        "ranking", "textarea", begin_ranking,
        lambda page: page.locator("article[data-completion] select").nth(1).select_option("1"),
        has_kept_ranking, "ranking",
    ),
    Kind(
        "comparison", "dialog textarea", begin_comparison, lambda page: None,
        lambda draft, text: (draft["verdict"], draft["strength"]) == ("better", 2), "ranking",
    ),
    Kind(
        "review", "textarea[data-turn]", begin_review,
        lambda page: page.get_by_label("A word to its author").fill("Name the island, please."),
        has_kept_review, "review",
    ),
]  # fmt: skip


class Desk:
    """Alice works on a unit of one kind; `until_then` characters come before the misfortune."""

    def __init__(self, site, page, kind: Kind, name: str) -> None:
        self.site, self.page, self.kind = site, page, kind
        self.campaign = site.seeded[f"{kind.name} {name}"]
        self.text = f"{kind.name} {name}: {SENTENCES}"
        self.until_then = random.Random(self.text).randrange(1, len(self.text))

    def open(self, page=None) -> None:
        """Begins to load its page; there is no waiting for it here, so that all of them load together."""
        self.page = page or self.page
        self.page.goto(f"/annotate/{self.campaign}", wait_until="commit")
        self.field = self.page.locator(self.kind.field)

    def begin(self) -> None:
        self.page.bring_to_front()  # behind another a page draws seldom, and whoever clicks waits for that
        self.kind.begin(self.page)
        self.field.wait_for()

    def is_on_the_page(self) -> None:
        self.page.wait_for_function(
            "text => [...document.querySelectorAll('textarea')].some(area => area.value === text)",
            arg=self.text,
        )

    def is_in_the_database(self) -> None:
        if self.kind.name == "comparison":
            self.send_remark()
        query = """SELECT draft.content FROM feedback_draft AS draft
            JOIN feedback_assignment AS assignment ON assignment.id = draft.assignment_id
            JOIN accounts_annotator AS annotator ON annotator.id = assignment.annotator_id
            JOIN accounts_user AS login ON login.id = annotator.user_id
            WHERE login.username = 'alice' AND assignment.campaign_id = %s"""

        def has_kept() -> bool:
            try:
                [(draft,)] = ask(self.site, query, self.campaign)
                return self.kind.has_kept(draft, self.text)
            except (KeyError, IndexError, ValueError, TypeError):
                return False  # not all of it is there yet

        self.site.wait_until(
            has_kept, 40, f"{self.kind.name}: no draft holds {self.text!r} and what was chosen", every=0.2
        )

    def give_to_dora(self) -> None:
        """The lease ends and somebody else is given the unit, as soon as no save of Alice's comes in between."""
        headers = {"Authorization": f"Token {self.site.seeded['tokens']['dora']}"}
        url = f"{self.site.url}/api/campaigns/{self.campaign}/assignments/next"
        expire = "UPDATE feedback_assignment SET lease_expires_at = now() - interval '1 minute' WHERE campaign_id = %s"

        def is_hers() -> bool:
            ask(self.site, expire, self.campaign)
            answer = httpx.post(url, headers=headers, json={}).raise_for_status().json()
            return answer["assignment"] is not None

        self.site.wait_until(is_hers, 20, f"{self.kind.name}: nobody else was given the unit")

    def hand_in_beside_another(self) -> None:
        if self.kind.name == "chat":
            self.field.fill("")  # else it would have to be sent first
        self.page.keyboard.press("Control+Enter")
        if self.kind.name == "ranking":  # its own answer stands nowhere in the order: it is meant so
            self.page.keyboard.press("Control+Enter")
        stored = f"SELECT is_surplus FROM feedback_{self.kind.table} WHERE campaign_id = %s"
        self.site.wait_until(
            lambda: ask(self.site, stored, self.campaign) == [(True,)],
            20,
            f"{self.kind.name}: it was not handed in",
        )

    def send_remark(self) -> None:
        """A remark is no part of the draft: it is sent when it is written, as often as it takes."""
        query = "SELECT text FROM feedback_remark WHERE campaign_id = %s"

        def is_sent() -> bool:
            send = self.page.get_by_role("button", name="Send")
            if send.is_visible():
                send.click()
                self.page.wait_for_timeout(300)
            return ask(self.site, query, self.campaign) == [(self.text,)]

        self.site.wait_until(is_sent, 40, f"the remark {self.text!r} was not sent")


class Desks:
    """Alice works on five units at once, each in a tab of its own, or in a browser of its own."""

    def __init__(self, site, open_page, name: str, browsers: int = 1) -> None:
        pages = [open_page("alice") for _ in range(browsers)]
        while len(pages) < len(KINDS):
            pages.append(pages[0].context.new_page())
        self.all = [Desk(site, page, kind, name) for page, kind in zip(pages, KINDS, strict=True)]
        self.context = pages[0].context
        for desk in self.all:
            desk.open()
        for desk in self.all:
            desk.begin()
        longest = max(desk.until_then for desk in self.all)
        self._write(lambda desk, at: desk.text[: desk.until_then][at : at + 16], longest)
        pages[0].wait_for_timeout(random.Random(name).randrange(0, 2500))  # anywhere between two saves

    def _write(self, part: Callable[[Desk, int], str], longest: int) -> None:
        """All of them are written at, a few characters each in turn."""
        for at in range(0, longest, 16):
            for desk in self.all:
                if letters := part(desk, at):
                    desk.field.press_sequentially(letters)

    def go_on(self) -> None:
        longest = max(len(desk.text) - desk.until_then for desk in self.all)
        self._write(lambda desk, at: desk.text[desk.until_then :][at : at + 16], longest)
        for desk in self.all:
            desk.kind.go_on(desk.page)

    def expect_all_is_kept(self) -> None:
        for desk in self.all:
            desk.is_on_the_page()
            desk.is_in_the_database()


def test_the_server_is_killed(site, open_page, moment):
    desks = Desks(site, open_page, f"killed {moment}")
    site.kill("web")
    desks.go_on()
    site.start_web()
    desks.expect_all_is_kept()


def test_the_network_is_cut(site, open_page, moment):
    desks = Desks(site, open_page, f"cut {moment}")
    desks.context.set_offline(True)
    desks.go_on()
    for desk in desks.all:
        if desk.kind.name != "comparison":  # there nothing but the remark was touched
            desk.page.get_by_text("On this device only").wait_for()
    desks.context.set_offline(False)
    desks.expect_all_is_kept()


def test_the_tab_is_closed(site, open_page, moment):
    desks = Desks(site, open_page, f"closed {moment}")
    for desk in desks.all:
        desk.text = desk.text[: desk.until_then]
        desk.page.close()
    for desk in desks.all:
        desk.open(desks.context.new_page())
    for desk in desks.all:
        if desk.kind.name == "comparison":
            desk.page.get_by_role("button", name="Tell an administrator").click()
        desk.is_on_the_page()
        desk.kind.go_on(desk.page)
    desks.expect_all_is_kept()


def test_the_session_ends(site, open_page, moment):
    desks = Desks(site, open_page, f"session {moment}", browsers=len(KINDS))
    for desk in desks.all:
        # In mid-word: whoever has paused is asked to sign in as soon as the page knows of it.
        desk.field.press_sequentially(desk.text[desk.until_then])
        [key] = [cookie["value"] for cookie in desk.page.context.cookies() if cookie["name"] == "sessionid"]
        ask(site, "DELETE FROM django_session WHERE session_key = %s", key)
        desk.field.press_sequentially(desk.text[desk.until_then + 1 :])
        if desk.kind.name == "comparison":
            desk.page.get_by_role("button", name="Send").click()
        desk.page.locator("dialog input[type=password]").fill(PASSWORD)
        desk.page.locator("dialog:has(input[type=password]) button[type=submit]").click()
        desk.page.locator("dialog input[type=password]").wait_for(state="detached")
        desk.kind.go_on(desk.page)
    desks.expect_all_is_kept()


def test_the_unit_goes_to_somebody_else(site, open_page, moment):
    desks = Desks(site, open_page, f"taken {moment}")
    for desk in desks.all:
        desk.give_to_dora()
    desks.go_on()
    desks.expect_all_is_kept()
    for desk in desks.all:
        desk.hand_in_beside_another()
