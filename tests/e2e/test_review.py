"""Reviewing in a real browser: mended by mouse, returned by keyboard alone, and what its author sees of it."""

import re
import uuid

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.axe import violations
from tests.e2e.desk import ask, desk_site
from tests.e2e.phone import PHONE, fits
from tests.e2e.units import make_campaigns, question, shown_order

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

REVIEWED = """
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import add_member, create_campaign
campaign = create_campaign(name="Second look at {name}", kind="review", reviewed_campaign=Campaign.objects.get(id={id}))
add_member(campaign, User.objects.get(username="bob"))
print(campaign.id)
"""
TEXTS = ["Port Hope, on the north shore.", "With pleasure! It is **Candlewick**."]


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with desk_site(tmp_path_factory.mktemp("desk")) as site:
        yield site


def submit_as(site, name: str, campaign: int, content) -> int:
    """What somebody submits to the next unit of a campaign; gives the assignment."""
    headers = {"Authorization": f"Token {site.seeded['tokens'][name]}"}
    with httpx.Client(base_url=site.url, headers=headers) as client:
        found = client.post(f"/api/campaigns/{campaign}/assignments/next").json()["assignment"]
        body = {"submission_key": str(uuid.uuid4()), **content(found)}
        answer = client.post(f"/api/assignments/{found['id']}/submit", json=body)
        assert answer.status_code == 201, answer.text
    return found["id"]


def dialogue(found: dict) -> dict:
    return {"messages": [*found["prompt"]["messages"], {"role": "assistant", "content": "It is Port."}]}


def order(found: dict) -> dict:
    return {"tiers": [[one["id"]] for one in found["completions"]]}


def first_and_last(found: dict) -> dict:
    ids = [one["id"] for one in found["completions"]]
    return {"verdict": "chosen", "best": ids[0], "worst": ids[-1]}


@pytest.fixture(scope="module")
def reviewed(site) -> dict[str, tuple[int, int]]:
    """{name: (assignment of alice, campaign of reviews)}: dialogues and rankings."""
    asked = {"prompts": [question("What is the harbour called?")]}
    tales = {"kind": "demonstration", **asked}
    orders = {"kind": "ranking", **asked, "completions": TEXTS}
    extremes = {"kind": "best_worst", **asked, "completions": [*TEXTS, "No idea."]}
    wanted = {
        **dict.fromkeys(["Tales", "Notes", "Tales by finger"], tales),
        **dict.fromkeys(["Orders", "Orders by mouse", "Orders by keys", "Orders by finger"], orders),
        "Extremes": extremes,
    }
    gives = {"demonstration": dialogue, "ranking": order, "best_worst": first_and_last}
    made = make_campaigns(site, *[{"name": name, **settings} for name, settings in wanted.items()])
    given = {
        name: submit_as(site, "alice", made[name], gives[settings["kind"]])
        for name, settings in wanted.items()
    }
    code = "".join(REVIEWED.format(name=name, id=made[name]) for name in wanted)
    reviews = [int(line) for line in site.python(code).split()]
    return {name: (given[name], review) for name, review in zip(wanted, reviews, strict=True)}


def work_of(site, table: str, assignment: int) -> tuple:
    columns = "revision, review_state, " + ("messages" if table == "demonstration" else "tiers")
    (row,) = ask(site, f"SELECT {columns} FROM feedback_{table} WHERE assignment_id = %s", assignment)
    return row


def wait_for_verdict(site, given: int, revision: int, state: str) -> None:
    """What is handed in goes to the server beside the page."""
    site.wait_until(
        lambda: work_of(site, "demonstration", given)[:2] == (revision, state), 20, f"it is not {state!r}"
    )


def test_a_dialogue_is_mended_by_mouse(site, open_page, reviewed):
    given, review = reviewed["Tales"]
    page = open_page("bob")
    page.goto(f"/annotate/{review}")
    work = page.get_by_label("The work under review")
    work.get_by_text("It is Port.").wait_for()
    field = work.get_by_role("textbox").last
    expect(field).to_have_count(0)  # it is there to be read
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("alert").get_by_text("Accept it, mend it, or return it.").wait_for()
    page.get_by_role("radio", name="Mend it yourself").check(force=True)
    expect(field).to_have_value("It is Port.")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("alert").get_by_text("You have changed nothing yet").wait_for()
    field.fill("It is Port Hope.")
    page.get_by_text("Saved", exact=True).wait_for()
    page.reload()  # the draft is there again
    field.wait_for()
    expect(field).to_have_value("It is Port Hope.")
    expect(field).to_be_enabled()
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("nothing more for now").wait_for()
    wait_for_verdict(site, given, 2, "corrected")
    assert work_of(site, "demonstration", given)[2][-1]["content"] == "It is Port Hope."


def test_work_is_returned_by_keyboard_and_its_author_submits_it_again(site, open_page, reviewed):
    given, review = reviewed["Notes"]
    page = open_page("bob")
    page.goto(f"/annotate/{review}")
    page.get_by_role("radio", name="Return it to its author").wait_for()
    for key in "tomot":  # while no text is being edited, every key decides
        page.keyboard.press(key)
    expect(page.get_by_role("radio", name="Return it to its author")).to_be_checked()
    page.keyboard.press("Control+Enter")
    page.get_by_role("alert").get_by_text("Say what its author is to change.").wait_for()
    page.keyboard.press("t")  # once more: to the word to its author
    page.keyboard.type("Name the island.")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    expect(page.get_by_role("radio", name="Accept it")).to_be_checked()
    page.keyboard.press("t")
    page.keyboard.press("Control+Enter")
    page.get_by_text("nothing more for now").wait_for()
    wait_for_verdict(site, given, 1, "returned")

    author = open_page("alice")
    author.goto("/")
    line = author.get_by_role("link", name="Name the island.")
    line.focus()
    author.keyboard.press("Enter")
    author.get_by_text("A reviewer has returned this: Name the island.").wait_for()
    author.get_by_role("textbox").last.fill("It is Port, on Gull.")
    author.keyboard.press("Control+Enter")
    wait_for_verdict(site, given, 2, "")
    page.get_by_role("button", name="Look again").click()
    page.get_by_text("Returned on").wait_for()  # and what was said of it
    page.get_by_role("button", name="Earlier versions").click()
    dialog = page.get_by_role("dialog", name="Earlier versions")
    dialog.locator("ins", has_text=", on Gull").wait_for()
    expect(dialog.get_by_label("From").locator("option")).to_have_count(2)
    expect(dialog.get_by_label("From")).to_contain_text("by its author")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    page.keyboard.press("Control+Enter")
    page.get_by_text("nothing more for now").wait_for()
    wait_for_verdict(site, given, 2, "accepted")


def open_order(page, review: int) -> list[int]:
    """Opens the review of a ranking; gives what stood in the two places, best first."""
    page.goto(f"/annotate/{review}")
    page.get_by_role("article", name="Completion A").wait_for()
    cards = page.locator("article[data-completion]").all()
    # It is read in words: there is nothing to drag and nothing to choose.
    places = {
        card.get_by_text(re.compile(r"tier \d of 2")).inner_text(): int(card.get_attribute("data-completion"))
        for card in cards
    }
    expect(page.get_by_text("Drag")).to_have_count(0)
    return [id for _words, id in sorted(places.items(), key=lambda place: place[0][-6])]


@pytest.mark.parametrize(
    "screen", [{"locale": "fr-FR", **PHONE}, {"viewport": {"width": 1440, "height": 900}}]
)
def test_decision_and_guidelines_of_the_reviewed_campaign_are_in_sight_at_once(
    site, open_page, reviewed, screen
):
    site.python(
        "from annotate.campaigns.models import Campaign\nfrom annotate.campaigns.services import write_guidelines\n"
        "write_guidelines(Campaign.objects.get(name='Orders'), 'Name the **quay**.', by=None)"
    )
    page = open_page("bob", **screen)
    page.goto(f"/annotate/{reviewed['Orders'][1]}")
    page.locator("article[data-completion]").first.wait_for()
    decisions = page.get_by_role("radio").all()
    assert len(decisions) == 3
    for decision in decisions:
        box = decision.bounding_box()
        assert 0 < box["y"] and box["y"] + box["height"] <= screen["viewport"]["height"]
        assert 0 <= box["x"] and box["x"] + box["width"] <= screen["viewport"]["width"]
    assert fits(page)
    if "locale" in screen:
        page.get_by_role("button", name="Consignes").tap()
    page.locator("strong", has_text="quay").wait_for()


def menu_of(page, completion: int):
    return page.locator(f"article[data-completion='{completion}'] select")


def expect_order(site, given: int, tiers: list[list[int]]) -> None:
    """Until the corrected order of places has arrived, as the second revision."""
    ids = shown_order(site, given)
    tiers = [sorted(ids[place - 1] for place in tier) for tier in tiers]

    def arrived() -> bool:
        revision, state, stored = work_of(site, "ranking", given)
        return (revision, state, [sorted(tier) for tier in stored]) == (2, "corrected", tiers)

    site.wait_until(arrived, 20, f"the order is not {tiers}")


def test_a_ranking_is_mended_by_mouse(site, open_page, reviewed):
    given, review = reviewed["Orders by mouse"]
    page = open_page("bob")
    best, worst = open_order(page, review)
    expect(menu_of(page, best)).to_have_count(0)
    page.get_by_role("radio", name="Mend it yourself").check(force=True)
    menu_of(page, best).wait_for()
    chip = page.locator("[data-chip]").first.bounding_box()
    place = page.get_by_role("region", name="Order").get_by_role("listitem", name="Place 2").bounding_box()
    page.mouse.move(chip["x"] + chip["width"] / 2, chip["y"] + chip["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.6, place["y"] + place["height"] / 2, steps=8)
    page.mouse.move(place["x"] + place["width"] * 0.6 + 2, place["y"] + place["height"] / 2, steps=2)
    page.mouse.up()
    page.wait_for_function(
        "id => document.querySelector(`[data-completion='${id}'] select`).value === '1'", arg=best
    )
    page.get_by_label("A word to its author").fill("Both are as good.")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("button", name="Submit all the same").click()  # two that are tied teach nothing
    page.get_by_text("nothing more for now").wait_for()
    expect_order(site, given, [[best, worst]])


def test_a_ranking_is_mended_by_keyboard_alone(site, open_page, reviewed):
    given, review = reviewed["Orders by keys"]
    page = open_page("bob")
    best, worst = open_order(page, review)
    page.keyboard.press("m")
    for key in ["j", "k"]:  # to the second, and back to the first
        page.keyboard.press(key)
    first = int(page.locator("article[data-completion]").first.get_attribute("data-completion"))
    page.keyboard.press("2" if first == best else "1")  # the two change places
    page.keyboard.press("j")
    page.keyboard.press("1" if first == best else "2")
    page.keyboard.press("Control+Enter")
    page.get_by_text("nothing more for now").wait_for()
    expect_order(site, given, [[worst], [best]])


def test_the_best_and_the_worst_are_read_and_mended(site, open_page, reviewed):
    given, review = reviewed["Extremes"]
    page = open_page("bob")
    page.goto(f"/annotate/{review}")
    page.get_by_role("article", name="Completion C").wait_for()
    reading = page.get_by_role("region", name="The work under review")
    words = reading.get_by_role("region", name="Your choice")
    was = words.get_by_text("Best:").inner_text()
    expect(reading.get_by_role("button", name="Best:")).to_have_count(0)
    assert violations(page) == []
    page.keyboard.press("m")
    best, worst = re.findall(r"[A-C]", was.partition(": ")[2])
    for key in [best, "3", worst, "1"]:  # the two change places
        page.keyboard.press(key.lower())
    page.get_by_text(f"Best: {worst}. Worst: {best}.").wait_for()
    page.keyboard.press("Control+Enter")
    page.get_by_text("nothing more for now").wait_for()
    expect_order(site, given, [[3], [2], [1]])


def test_a_dialogue_and_a_ranking_are_reviewed_on_a_phone(site, open_page, reviewed):
    given, review = reviewed["Tales by finger"]
    page = open_page("bob", **PHONE)
    page.goto(f"/annotate/{review}")
    page.get_by_role("radio", name="Mend it yourself").tap()
    field = page.get_by_label("The work under review").get_by_role("textbox").last
    field.tap()
    field.fill("It is Port Lamp.")
    assert fits(page)
    page.get_by_role("button", name="Submit").tap()
    page.get_by_text("nothing more for now").wait_for()
    wait_for_verdict(site, given, 2, "corrected")
    assert work_of(site, "demonstration", given)[2][-1]["content"] == "It is Port Lamp."

    given, review = reviewed["Orders by finger"]
    best, worst = open_order(page, review)
    page.get_by_role("radio", name="Return it to its author").tap()
    page.get_by_role("button", name="Submit").tap()
    page.get_by_role("alert").wait_for()
    page.get_by_role("radio", name="Mend it yourself").tap()
    menu_of(page, best).select_option("1")
    menu_of(page, worst).select_option("0")
    assert fits(page)
    page.get_by_role("button", name="Submit").tap()
    page.get_by_text("nothing more for now").wait_for()
    expect_order(site, given, [[worst], [best]])


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_a_ranking_under_review_axe_finds_nothing(site, open_page, reviewed, width, scheme):
    given, review = reviewed["Orders"]
    page = open_page("bob", viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto(f"/annotate/{review}")
    page.get_by_role("article", name="Completion A").wait_for()
    page.keyboard.press("m")
    assert violations(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    assert work_of(site, "ranking", given)[:2] == (1, "")


TALK = """
import re
import uuid
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import prompt_key
from annotate.feedback.models import Suggestion
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.chat import submit_chat

campaign = Campaign.objects.get(id={id})
talk = lease_next_assignment(campaign, User.objects.get(username="alice")).assignment
messages, turns = talk.unit.prompt.messages, []
for number, question in enumerate(["", "And who keeps it?"]):
    messages = [*messages, *([{{"role": "user", "content": question}}] if question else [])]
    said = [Suggestion.objects.create(assignment=talk, turn=len(messages), pair=number + 1, side=side, seed=1, text=text,
                                      is_complete=True, asked=prompt_key(messages))
            for side, text in enumerate([f"Answer {{number}} left.", f"Answer {{number}} right."])]
    turns.append({{"content": question, "chosen": said[0].id, "strength": 2,
                   "answers": [{{"suggestion": one.id, "text": one.text}} for one in said]}})
    messages = [*messages, {{"role": "assistant", "content": said[0].text}}]
submit_chat(talk.id, talk.annotator, HandedIn(uuid.uuid4()), turns=turns)
print(talk.id)
"""


def test_a_chat_is_mended_at_its_last_turn_by_keyboard(site, open_page):
    campaign = make_campaigns(site, {"name": "Talks", "kind": "chat", "prompts": [question("A harbour?")]})[
        "Talks"
    ]
    code = TALK.format(id=campaign) + REVIEWED.format(name="Talks", id=campaign)
    given, review = (int(line) for line in site.python(code).split())
    page = open_page("bob", viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto(f"/annotate/{review}")
    work = page.get_by_label("The work under review")
    work.get_by_text("Turn 1: Completion A is clearly better").click()
    work.get_by_text("Answer 0 right.").wait_for()
    expect(work.get_by_role("button", name="Send")).to_have_count(0)  # nobody goes on with another's dialogue
    page.keyboard.press("6")  # a key that judges does nothing yet
    page.keyboard.press("m")
    assert violations(page) == []
    page.keyboard.press("6")
    page.keyboard.press("e")
    page.keyboard.type(" Nobody does.")
    page.keyboard.press("Control+Enter")
    wait_for_verdict(site, given, 2, "corrected")
    messages = work_of(site, "demonstration", given)[2]
    assert messages[-1]["content"] == "Answer 1 right. Nobody does."
    choices = (
        "SELECT strength, review_state FROM feedback_ranking WHERE external_id LIKE %s ORDER BY external_id"
    )
    assert ask(site, choices, f"{given}:%") == [(2, "corrected"), (2, "corrected"), (None, "corrected")]
