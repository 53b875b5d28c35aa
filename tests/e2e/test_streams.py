"""The policy's words as they come, or fail to: whatever becomes of a stream, the page says it and no word is lost."""

import pytest
from playwright.sync_api import expect

from tests.e2e.desk import ask, desk_site, model_server
from tests.e2e.phone import PHONE, fits
from tests.e2e.units import make_campaigns, question

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SPOKEN = "The heron fishes — à l’aube."
TOO_LONG, WRONG, NONE = "took too long to answer", "did not answer as it should", "has no policy yet"
# What the server does, and what the person is told.
TROUBLES = [("stalls", TOO_LONG), ("hangs", TOO_LONG), ("falls-silent", WRONG), ("refuses", WRONG)]
SERVED = """
from annotate.campaigns.models import Campaign
from annotate.campaigns.models import CampaignPolicy
from annotate.runs.models import PolicyVersion
for campaign in Campaign.objects.filter(name__in=["Dialogues", "Talks"]):
    policy = PolicyVersion.objects.create(name=campaign.name, path="speaks")
    CampaignPolicy.objects.create(campaign=campaign, policy_version=policy)
"""


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with (
        model_server() as settings,
        desk_site(tmp_path_factory.mktemp("streams"), **settings) as site,
    ):
        asked = {"prompts": [question("Who fishes here?")]}
        site.seeded |= make_campaigns(
            site,
            {"name": "Dialogues", "kind": "demonstration", **asked},
            {"name": "Talks", "kind": "chat", **asked},
        )
        site.python(SERVED)
        yield site


def serve(site, name: str, path: str) -> None:
    """The campaign's policy, as the server knows it; "" takes it from the campaign."""
    ask(site, "UPDATE runs_policyversion SET path = %s WHERE name = %s", path or "gone", name)
    ask(
        site,
        "UPDATE campaigns_campaignpolicy SET weight = %s WHERE campaign_id = %s",
        float(bool(path)),
        site.seeded[name],
    )


def stored_in(site, query: str, name: str) -> list[tuple]:
    """What the query finds of a campaign, once it finds anything: work goes to the server beside the page."""
    site.wait_until(lambda: ask(site, query, site.seeded[name]), 20, f"nothing of {name} was stored")
    return ask(site, query, site.seeded[name])


def test_a_suggestion_that_fails_says_so_and_a_good_one_is_taken_by_keyboard_alone(site, open_page):
    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['Dialogues']}")
    field = page.locator("textarea[data-turn]")
    field.wait_for()
    page.keyboard.press("e")
    page.keyboard.type("Words of my own.")
    alert = page.get_by_role("alert")
    for path, told in [*TROUBLES, ("", NONE)]:
        serve(site, "Dialogues", path)
        page.keyboard.press("Alt+s")
        alert.get_by_text(told).wait_for()
        page.keyboard.type(".")  # one writes on
        page.keyboard.press("Alt+r")
        if path in ("hangs", "refuses", ""):
            page.get_by_role("button", name="Close").click()
        alert.wait_for(state="detached")
        page.keyboard.press("End")
    expect(field).to_have_value("Words of my own......")
    serve(site, "Dialogues", "speaks")
    page.keyboard.press("Alt+s")
    page.get_by_role("button", name="Take and edit").wait_for()
    page.keyboard.press("Alt+e")
    expect(field).to_have_value(SPOKEN)
    page.keyboard.type(" Really.")
    page.keyboard.press("Control+Enter")
    page.get_by_text("nothing more for now").wait_for()
    stored = "SELECT messages -> -1 ->> 'content' FROM feedback_demonstration WHERE campaign_id = %s"
    assert stored_in(site, stored, "Dialogues") == [(f"{SPOKEN} Really.",)]
    offered = """SELECT s.outcome, s.text, s.is_complete FROM feedback_suggestion s
        JOIN feedback_assignment a ON a.id = s.assignment_id WHERE a.campaign_id = %s ORDER BY s.id"""
    assert ask(site, offered, site.seeded["Dialogues"])[-1] == ("edited", SPOKEN, True)


def test_a_chat_on_a_phone_outlives_every_failure_of_its_policy(site, open_page):
    page = open_page("alice", **PHONE)
    page.goto(f"/annotate/{site.seeded['Talks']}")
    serve(site, "Talks", "refuses")
    page.get_by_role("button", name="Get the answer").tap()
    alert = page.get_by_role("alert")
    alert.get_by_text(WRONG).wait_for()
    for path, told in [("hangs", TOO_LONG), ("stalls", TOO_LONG), ("", NONE)]:
        serve(site, "Talks", path)
        with page.expect_request("**/suggestions"):  # the alert from before is gone then
            page.get_by_role("button", name="Answer again").tap()
        alert.get_by_text(told).wait_for()
    serve(site, "Talks", "speaks")
    page.get_by_role("button", name="Answer again").tap()
    page.get_by_role("article", name="Answer").get_by_text(SPOKEN).wait_for()
    page.get_by_text("Both answers are the same, word for word").wait_for()
    expect(page.get_by_role("radio")).to_have_count(0)  # there is nothing to choose
    message = page.get_by_label("Your message")
    message.tap()
    message.fill("And who eats the fish?")
    serve(site, "Talks", "stalls")
    page.get_by_role("button", name="Send").tap()
    alert.get_by_text(TOO_LONG).wait_for()
    page.get_by_role("button", name="Take the message back").tap()
    expect(message).to_have_value("And who eats the fish?")
    serve(site, "Talks", "speaks")
    page.get_by_role("button", name="Send").tap()
    page.get_by_text("Both answers are the same, word for word").wait_for()
    page.get_by_role("button", name="Make it better").tap()
    page.get_by_label("The answer as it should be").fill("The heron.")
    assert fits(page)
    page.get_by_role("button", name="Submit").tap()
    page.get_by_text("nothing more for now").wait_for()
    stored = "SELECT messages FROM feedback_demonstration WHERE campaign_id = %s"
    [(messages,)] = stored_in(site, stored, "Talks")
    assert [message["content"] for message in messages] == [
        "Who fishes here?", SPOKEN, "And who eats the fish?", "The heron.",
    ]  # fmt: skip
    choices = "SELECT strength FROM feedback_ranking WHERE campaign_id = %s ORDER BY external_id"
    assert ask(site, choices, site.seeded["Talks"]) == [(None,)]  # the better one; the pairs said the same
