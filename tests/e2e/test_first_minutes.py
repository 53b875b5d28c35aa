"""The first minutes of a person: an annotator's practice, help for the page one is on, a new campaign's checklist."""

import json
import uuid

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.phone import PHONE, fits
from tests.site import ROOT

pytestmark = [pytest.mark.e2e]


def sentences(language: str) -> dict:
    return json.loads((ROOT / f"frontend/src/locales/{language}.json").read_text())


@pytest.fixture
def newcomer(site):
    """newcomer("alice") has practised nothing until the test ends: the site is everybody's."""

    def practise(name: str, kinds: list[str]) -> list[str]:
        headers = {"Authorization": f"Token {site.seeded['tokens'][name]}"}
        before = httpx.get(f"{site.url}/api/me", headers=headers).json()["preferences"]["practised"]
        body = {"preferences": {"practised": kinds}}
        httpx.patch(f"{site.url}/api/me", json=body, headers=headers).raise_for_status()
        return before

    known = {}

    def begin(name: str) -> None:
        known[name] = practise(name, [])

    yield begin
    for name, kinds in known.items():
        practise(name, kinds)


def sent_by(page) -> list[str]:
    """What the page sends from now on, beside what it reads."""
    sent: list[str] = []
    page.on("request", lambda asked: asked.method != "GET" and sent.append(f"{asked.method} {asked.url}"))
    return sent


def test_a_first_ranking_is_practised_by_keyboard_and_skipped_the_next_time(site, open_page, newcomer):
    say = sentences("en")["practice"]
    newcomer("alice")
    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['ranking']}")
    page.locator("[data-practice=ranking]").wait_for()
    sent = sent_by(page)
    page.keyboard.press("Control+Enter")
    page.locator("footer [role=alert]").wait_for()  # what submit says while something is missing
    for place, letter in ((2, "a"), (3, "b"), (1, "c")):
        page.keyboard.press(letter)
        page.keyboard.press(str(place))
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(say["ranking"]["told"]).wait_for()
    assert sent == []
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.keyboard.press("Enter")  # on "Begin the work"
    page.locator("[data-assignment]").wait_for()
    page.reload()
    page.locator("[data-assignment]").wait_for()

    page.keyboard.press("?")  # found again, and back to the unit
    dialog.get_by_role("link", name=sentences("en")["help"]["practice"]).click()
    page.locator("[data-practice=ranking]").wait_for()
    page.keyboard.press("s")
    page.locator("[data-assignment]").wait_for()


def test_a_first_dialogue_is_practised_on_a_phone_in_french(site, open_page, newcomer, speak):
    say = sentences("fr")
    newcomer("bob")
    speak("bob", "fr")
    page = open_page("bob", **PHONE, locale="fr-FR")
    page.goto(f"/annotate/{site.seeded['writing']}")
    page.get_by_text(say["practice"]["demonstration"]["second"]).wait_for()
    assert fits(page)
    sent = sent_by(page)
    submit = page.get_by_role("button", name=say["work"]["submit"])
    submit.click()
    page.locator("footer").get_by_text(say["demonstration"]["missing"]["empty"]).wait_for()
    page.get_by_role("textbox").first.fill("Dites-lui que vous dormez mal.")
    submit.click()
    page.get_by_role("dialog").get_by_text("Dites-lui que vous dormez mal.").wait_for()
    assert fits(page) and sent == []
    page.get_by_role("button", name=say["practice"]["begin"]).click()
    page.locator("[data-assignment]").wait_for()


def test_a_chat_is_practised_without_a_model(open_page):
    say = sentences("en")["practice"]["chat"]
    page = open_page("alice")
    page.goto("/practice/chat")
    page.locator("[data-practice=chat]").wait_for()
    sent = sent_by(page)
    page.keyboard.press("Alt+Enter")
    page.get_by_role("article").filter(has_text=say["good"]).wait_for()
    page.keyboard.press("1")
    page.get_by_role("textbox").fill("And without the egg?")
    page.keyboard.press("Alt+Enter")
    page.get_by_text(say["last"]).wait_for()
    page.keyboard.press("Control+Enter")
    page.get_by_role("dialog").get_by_text(say["told"]).wait_for()
    assert sent == []


def test_help_is_for_the_page_one_is_on(site, open_page):
    say = sentences("en")["help"]["pages"]
    page = open_page("carol")
    for address, name in (
        ("/campaigns", "campaigns"),
        (f"/campaigns/{site.seeded['ranking']}/members", "members"),
        ("/snapshots", "snapshots"),
        ("/account", "account"),
    ):
        page.goto(address)
        page.get_by_role("heading", level=1).wait_for()
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text(say[name]).wait_for()


@pytest.mark.parametrize("language, screen", [("en", {}), ("fr", PHONE)], ids=["desktop-en", "phone-fr"])
def test_a_new_campaign_is_opened_when_it_has_what_it_needs(open_page, speak, language, screen):
    say = sentences(language)
    speak("carol", language)
    page = open_page("carol", **screen)
    page.goto("/campaigns/new")
    page.get_by_label(say["campaigns"]["name"]).first.fill(f"Owls {uuid.uuid4().hex[:6]}")
    page.get_by_label(say["campaigns"]["kind"]).select_option("demonstration")
    page.get_by_role("button", name=say["campaigns"]["create"]).click()

    checklist = page.get_by_role("region", name=say["checklist"]["title"])
    state, next_one = say["checklist"]["state"], checklist.locator("li[data-next]")
    next_one.get_by_text(say["checklist"]["prompts"]["name"]).wait_for()
    assert fits(page)
    checklist.get_by_role("button", name=say["checklist"]["openAnyway"]).click()
    page.get_by_role("dialog").get_by_text(say["checklist"]["guidelines"]["name"]).wait_for()
    page.keyboard.press("Escape")

    next_one.get_by_role("link").click()
    page.get_by_role("textbox", name=say["prompts"]["text"]).fill("Why do owls turn their heads?")
    page.get_by_role("button", name=say["prompts"]["add_one"].replace("{{count, number}}", "1")).click()
    back = page.get_by_role("link", name=say["checklist"]["see"])
    added = say["prompts"]["added_one"].replace("{{count, number}}", "1").replace("{{repeated, number}}", "0")
    page.get_by_text(added).wait_for()
    back.click()
    next_one.get_by_role("link", name=say["checklist"]["guidelines"]["name"]).click()
    page.get_by_label(say["guidelines"]["text"]).fill("Be kind.")
    page.get_by_role("button", name=say["guidelines"]["save"]).click()
    page.get_by_text(say["guidelines"]["version"].replace("{{version}}", "1")).wait_for()
    back.click()
    next_one.get_by_role("link", name=say["checklist"]["members"]["name"]).click()
    page.get_by_label(say["members"]["add"]).fill("alice")
    page.get_by_role("button", name=say["members"]["addSubmit"]).click()
    page.get_by_text("Alice").first.wait_for()
    back.click()
    expect(checklist.get_by_text(f"({state['done']})")).to_have_count(3)
    checklist.get_by_role("button", name=say["checklist"]["open"], exact=True).click()
    page.get_by_text(say["checklist"]["opened"]).wait_for()
    page.get_by_text(say["state"]["open"], exact=True).first.wait_for()
