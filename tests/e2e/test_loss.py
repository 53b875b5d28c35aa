"""What goes wrong in mid-writing costs no character: each misfortune at several random moments, in a real browser.

Once each in the suite; PARLEY_LOSS_MOMENTS=10 gives each ten random moments. What was typed is held against
the draft that the database has in the end, character for character.
"""

import os
import random

import httpx
import pytest

from tests.e2e.conftest import PASSWORD
from tests.e2e.desk import ask, desk_site
from tests.e2e.units import make_campaigns, question

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
MOMENTS = range(int(os.environ.get("PARLEY_LOSS_MOMENTS", "1")))
SENTENCES = "The harbour of Dorsay lies under a hill. Boats that come late ring twice — «bonsoir» — and wait, 待って, é, ok?"


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with desk_site(tmp_path_factory.mktemp("loss")) as site:
        yield site


class Writing:
    """Alice writes; `until_then` characters come before the misfortune, which falls anywhere between two saves."""

    def __init__(self, site, open_page, moment: int, seed: str, campaign: int | None = None) -> None:
        chance = random.Random(f"{seed} {moment}")
        self.site, self.page, self.campaign = site, open_page("alice"), campaign or site.seeded["writing"]
        self.text = f"{seed} {moment}: {SENTENCES}"
        self.until_then = chance.randrange(1, len(self.text))
        self.wait_ms = chance.randrange(0, 2500)
        self.open()
        self.field.fill("")

    def open(self) -> None:
        self.page.goto(f"/annotate/{self.campaign}")
        self.field = self.page.get_by_role("textbox").first
        self.field.wait_for()

    def begin(self) -> None:
        self.field.press_sequentially(self.text[: self.until_then], delay=8)
        self.page.wait_for_timeout(self.wait_ms)

    def go_on(self) -> None:
        self.field.press_sequentially(self.text[self.until_then :], delay=8)

    def is_on_the_page(self) -> None:
        self.page.wait_for_function(
            "text => [...document.querySelectorAll('textarea')].some(area => area.value === text)",
            arg=self.text,
        )

    def is_in_the_database(self) -> None:
        self.site.wait_until(
            lambda: self.text in drafts(self.site, "alice"), 40, f"no draft holds {self.text!r}", every=0.2
        )


def drafts(site, name: str) -> list[str]:
    query = """SELECT jsonb_path_query(draft.content, '$.**.content') #>> '{}' FROM feedback_draft AS draft
        JOIN feedback_assignment AS assignment ON assignment.id = draft.assignment_id
        JOIN accounts_annotator AS annotator ON annotator.id = assignment.annotator_id
        JOIN accounts_user AS login ON login.id = annotator.user_id WHERE login.username = %s"""
    return [row[0] for row in ask(site, query, name)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_server_is_killed(site, open_page, moment):
    writing = Writing(site, open_page, moment, "killed")
    writing.begin()
    site.kill("web")
    writing.go_on()
    site.start_web()
    writing.is_in_the_database()
    writing.is_on_the_page()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_network_is_cut(site, open_page, moment):
    writing = Writing(site, open_page, moment, "cut")
    writing.begin()
    writing.page.context.set_offline(True)
    writing.go_on()
    writing.page.get_by_text("On this device only").wait_for()
    writing.page.context.set_offline(False)
    writing.is_in_the_database()
    writing.is_on_the_page()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_tab_is_closed(site, open_page, moment):
    writing = Writing(site, open_page, moment, "closed")
    writing.begin()
    writing.text = writing.text[: writing.until_then]
    context = writing.page.context
    writing.page.close()
    writing.page = context.new_page()
    writing.open()
    writing.is_on_the_page()
    writing.is_in_the_database()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_session_ends(site, open_page, moment):
    writing = Writing(site, open_page, moment, "session")
    writing.begin()
    ask(site, "DELETE FROM django_session")
    writing.go_on()
    dialog = writing.page.get_by_role("dialog")
    dialog.locator("input[type=password]").fill(PASSWORD)
    dialog.locator("button[type=submit]").click()
    writing.is_in_the_database()
    writing.is_on_the_page()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_unit_goes_to_somebody_else(site, open_page, moment):
    name = f"One unit {moment}"
    wanted = {"name": name, "kind": "demonstration", "prompts": [question()], "members": ["alice", "bob"]}
    campaign = make_campaigns(site, wanted)[name]
    writing = Writing(site, open_page, moment, "taken", campaign)
    writing.begin()
    expire = (
        "UPDATE feedback_assignment SET lease_expires_at = now() - interval '1 minute' WHERE campaign_id = %s"
    )
    ask(site, expire, campaign)
    headers = {"Authorization": f"Token {site.seeded['tokens']['bob']}"}
    url = f"{site.url}/api/campaigns/{campaign}/assignments/next"
    assert httpx.post(url, headers=headers, json={}).raise_for_status().json()["assignment"]
    writing.go_on()
    writing.is_in_the_database()
    writing.is_on_the_page()
    writing.page.keyboard.press("Control+Enter")
    stored = (
        "SELECT messages -> -1 ->> 'content', is_surplus FROM feedback_demonstration WHERE campaign_id = %s"
    )
    site.wait_until(lambda: ask(site, stored, campaign) == [(writing.text, True)], 20, "it was not handed in")
