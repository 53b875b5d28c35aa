"""Talking with a real policy in a real browser: by mouse with two answers, by keyboard alone with one."""

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.axe import violations
from tests.e2e.test_demonstration import model_server_is_ready
from tests.e2e.units import make_campaigns, question

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVED = """
from annotate.campaigns.models import Campaign
from annotate.campaigns.models import CampaignPolicy
from annotate.runs.models import PolicyVersion
base = PolicyVersion.objects.get(name="tiny base")
for campaign in Campaign.objects.filter(kind="chat").exclude(policies__policy_version=base):
    CampaignPolicy.objects.create(campaign=campaign, policy_version=base)
"""
GIVEN = """
import json
from annotate.campaigns.models import Prompt
from annotate.feedback.models import Demonstration, Ranking
dialogue = Demonstration.objects.filter(campaign={campaign}).first()
print(json.dumps(dialogue and {{
    "messages": dialogue.messages,
    "rankings": [[r.prompt.messages, r.strength, [len(tier) for tier in r.tiers]]
                 for r in Ranking.objects.filter(campaign={campaign}).order_by("external_id")],
    "offered": list(dialogue.assignment.suggestions.order_by("id").values_list("outcome", flat=True)),
    "later": Prompt.objects.filter(campaign__name="Later").count(),
}}))
"""
LONG = 60_000


@pytest.fixture(scope="module")
def campaigns(site):
    sampling = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 24}
    chat = {"kind": "chat", "sampling": sampling, "prompts": [question("What is the harbour called?")]}
    later = make_campaigns(site, {"name": "Later", "kind": "ranking", "prompts": []})["Later"]
    greeting = [{"role": "assistant", "content": "Good morning! What would you like to know?"}]
    made = make_campaigns(
        site,
        {"name": "Talks", "ranking_campaign_id": later, **chat},
        {"name": "Talks by keys", **chat, "num_completions": 1, "prompts": [greeting], "members": ["bob"]},
        {"name": "حوارات", **chat, "language": "ar", "prompts": [question("ما اسم الميناء؟")]},
    )
    site.wait_until(lambda: model_server_is_ready(site), 180, "the model server was not ready", every=2)
    site.python(SERVED)
    return made


def given(site, campaign: int) -> dict:
    """What the campaign's dialogue came to, once it is there: it goes to the server beside the page."""
    found: dict = {}

    def has_come() -> bool:
        found.update(json.loads(site.python(GIVEN.format(campaign=campaign))) or {})
        return bool(found)

    site.wait_until(has_come, 20, "the dialogue was not stored")
    return found


def two_answers(page) -> list[str]:
    page.get_by_role("article", name="Completion B").wait_for(timeout=LONG)
    cards = page.locator("article[data-suggestion]")
    return [cards.nth(at).get_attribute("data-suggestion") for at in range(2)]


def wait_for_others(page, ids: list[str]) -> list[str]:
    gone = "id => !document.querySelector(`[data-suggestion='${id}']`)"
    page.wait_for_function(gone, arg=ids[0], timeout=LONG)
    return two_answers(page)


def test_of_two_answers_one_is_chosen_and_the_next_made_better(site, open_page, campaigns):
    page = open_page("alice")
    page.goto(f"/annotate/{campaigns['Talks']}")
    submit = page.get_by_role("button", name="Submit")
    page.get_by_role("button", name="Get the answer").wait_for()
    submit.click()
    page.get_by_role("alert").get_by_text("Talk with the model first").wait_for()
    page.get_by_role("button", name="Get the answer").click()
    first = two_answers(page)
    expect(page.get_by_label("Your message")).to_have_count(0)
    submit.click()
    page.get_by_role("alert").get_by_text("Choose an answer").wait_for()
    page.get_by_role("radio", name="Completion B is much better").check(force=True)
    page.get_by_label("Your message").fill("And who lives there?")
    page.get_by_role("button", name="Send").click()
    second = wait_for_others(page, first)
    page.get_by_role("button", name="Answer again").click()
    wait_for_others(page, second)
    page.get_by_role("radio", name="Both are equally good").check(force=True)
    page.get_by_role("button", name="Make it better").click()
    page.get_by_label("The answer as it should be").fill("Nobody but herons.")
    page.get_by_text("Saved", exact=True).wait_for()
    page.reload()  # the dialogue and the offered answers are there again
    two_answers(page)
    expect(page.get_by_role("radio", name="Both are equally good")).to_be_checked()
    expect(page.get_by_label("The answer as it should be")).to_have_value("Nobody but herons.")
    submit.click()
    page.get_by_text("nothing more for now").wait_for()
    stored = given(site, campaigns["Talks"])
    said = [message["role"] for message in stored["messages"]]
    assert said == ["user", "assistant", "user", "assistant"]
    assert stored["messages"][-1]["content"] == "Nobody but herons."
    opening, whole = stored["messages"][:1], stored["messages"][:3]
    assert stored["rankings"] == [[opening, 3, [1, 1]], [whole, None, [2]], [whole, None, [1, 1]]]
    assert stored["offered"].count("refused") == 4 and len(stored["offered"]) == 6
    assert stored["later"] == 1


def test_one_answer_by_keyboard_alone(site, open_page, campaigns):
    page = open_page("bob")
    page.goto(f"/annotate/{campaigns['Talks by keys']}")
    message = page.get_by_label("Your message")
    message.wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Answer again").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    page.keyboard.type("Who fishes here?")
    page.route("**/suggestions", lambda route: None)  # nothing comes
    page.keyboard.press("Alt+Enter")
    page.get_by_text("The answer is being written").first.wait_for()
    page.keyboard.press("x")
    page.get_by_role("alert").get_by_text("No answer came").wait_for()
    page.unroute("**/suggestions")
    page.route("**/suggestions", lambda route: route.abort())  # nobody is there
    with page.expect_event("requestfailed"):  # the alert from before is gone then
        page.keyboard.press("t")
    page.get_by_role("alert").wait_for()
    expect(page.get_by_text("Who fishes here?")).to_be_visible()
    page.unroute("**/suggestions")
    page.keyboard.press("p")
    page.wait_for_function("() => document.activeElement.value === 'Who fishes here?'")
    page.keyboard.type(" And why?")
    page.keyboard.press("Alt+Enter")
    page.get_by_role("article", name="Answer").wait_for(timeout=LONG)
    page.keyboard.press("e")
    page.wait_for_function("() => document.activeElement.dataset.field === 'edited'")
    page.keyboard.press("Control+a")
    page.keyboard.type("Herons, for a living.")
    page.keyboard.press("Control+Enter")
    page.get_by_text("nothing more for now").wait_for()
    stored = given(site, campaigns["Talks by keys"])
    assert [message["content"] for message in stored["messages"]][1:] == [
        "Who fishes here? And why?", "Herons, for a living.",
    ]  # fmt: skip
    assert stored["rankings"] == [[stored["messages"][:2], None, [1, 1]]]


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_right_to_left_axe_finds_nothing(open_page, campaigns, width, scheme):
    page = open_page("alice", viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto(f"/annotate/{campaigns['حوارات']}")
    asks = page.get_by_role("button", name="Get the answer")
    asks.or_(page.get_by_role("article").last).wait_for()
    if asks.is_visible():
        asks.click()
    two_answers(page)
    page.keyboard.press("2")
    page.keyboard.press("e")
    page.get_by_label("Your message").wait_for()
    assert violations(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
