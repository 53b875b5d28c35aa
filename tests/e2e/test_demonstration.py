"""Writing a demonstration in a real browser: a suggestion taken and edited, and words that survive everything."""

import json

import pytest

from tests.e2e.phone import PHONE, fits

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LAST_DEMONSTRATION = """
import json
from annotate.feedback.models import Demonstration
d = Demonstration.objects.filter(annotator__user__username="{name}").order_by("-id").first()
print(json.dumps(d and {{"messages": d.messages, "suggestions": [
    [s.turn, s.outcome, s.text, s.edit_distance, s.policy_version.name, s.seed is not None]
    for s in d.assignment.suggestions.order_by("id")]}}))
"""


def last_demonstration(site, name: str, words: str) -> dict:
    """A person's newest dialogue, once it has these words: it goes to the server beside the page."""
    found: dict = {}

    def has_come() -> bool:
        found.update(json.loads(site.python(LAST_DEMONSTRATION.format(name=name))) or {})
        return words in str(found.get("messages"))

    site.wait_until(has_come, 20, f"no dialogue with {words!r} was stored")
    return found


def model_server_is_ready(site) -> bool:
    code = "from annotate.runs.models import ModelServer\nprint([s.state for s in ModelServer.objects.all()])"
    return "ready" in site.python(code)


def open_unit(page, site):
    """Opens the next unit and returns the field of the assistant's first turn."""
    page.goto(f"/annotate/{site.seeded['writing']}")
    field = page.get_by_role("textbox").first
    field.wait_for()
    return field


def test_a_suggestion_is_taken_and_edited_and_the_trace_is_kept(site, open_page):
    site.wait_until(lambda: model_server_is_ready(site), 180, "the model server was not ready", every=2)
    page = open_page("alice")
    field = open_unit(page, site)
    page.get_by_role("button", name="Suggest").first.click()
    page.get_by_role("button", name="Refuse").wait_for(timeout=60_000)
    page.get_by_role("button", name="Refuse").click()
    page.get_by_role("button", name="Suggest").first.click()
    page.get_by_role("button", name="Take and edit").click(timeout=60_000)
    taken = field.input_value()
    field.press("End")
    field.press_sequentially(" And welcome!")
    page.get_by_text("Saved", exact=True).wait_for()
    page.get_by_role("button", name="Submit").click()
    page.wait_for_function(
        "text => ![...document.querySelectorAll('textarea')].some(area => area.value.includes(text))",
        arg="And welcome!",
    )
    stored = last_demonstration(site, "alice", "And welcome!")
    assert stored["messages"][-1] == {"role": "assistant", "content": field_text(taken)}
    refused, edited = stored["suggestions"][-2:]
    assert refused[1] == "refused" and refused[4] == "tiny base" and refused[5]
    assert edited[1] == "edited" and edited[3] == len(" And welcome!")


def test_of_two_suggestions_a_part_of_the_first_is_taken(site, open_page):
    site.wait_until(lambda: model_server_is_ready(site), 180, "the model server was not ready", every=2)
    page = open_page("bob")
    field = open_unit(page, site)
    field.fill("Well.")
    page.get_by_role("button", name="Suggest", exact=False).first.click()
    page.get_by_role("button", name="Another").click(timeout=60_000)
    page.get_by_role("button", name="Suggestion 2 of 2").wait_for(timeout=60_000)
    page.get_by_role("button", name="Take and edit").wait_for(timeout=60_000)
    page.get_by_role("button", name="Suggestion 1 of 2").click()
    page.get_by_role("button", name="Take a part").click()
    parts = page.get_by_role("group", name="Choose what to put where the cursor is.").get_by_role("button")
    # as it is: a tiny model writes tabs and worse, and inner_text would fold them
    part = parts.first.text_content()
    field.press("End")
    parts.first.click()
    assert field.input_value().split() == f"Well. {part}".split()
    page.get_by_role("button", name="Submit").click()
    page.wait_for_function(
        "() => ![...document.querySelectorAll('textarea')].some(area => area.value.startsWith('Well.'))"
    )
    stored = last_demonstration(site, "bob", "Well.")
    assert stored["messages"][-1]["content"].split() == f"Well. {part}".split()
    first, second = stored["suggestions"][-2:]
    assert (first[1], second[1]) == ("part", "refused")


def field_text(taken: str) -> str:
    return taken + " And welcome!"


def test_both_sides_are_written_by_keyboard_alone(site, open_page):
    page = open_page("bob")
    field = open_unit(page, site)
    field.fill("")  # whatever an earlier test left in the draft
    page.get_by_role("heading", level=1).focus()  # as when one comes from the unit before
    page.keyboard.press("e")
    page.keyboard.type("It is called Candlewick.")
    page.keyboard.press("Alt+Enter")
    page.keyboard.type("Thank you. Is it far?")
    page.keyboard.press("Alt+s")  # a policy knows what an assistant says
    said = page.get_by_test_id("announcement").get_by_text("Suggestions are for the assistant’s turns")
    said.wait_for(state="attached")
    page.keyboard.press("Alt+Enter")
    page.keyboard.type("An hour by ferry.")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "() => ![...document.querySelectorAll('textarea')].some(a => a.value.includes('ferry'))"
    )
    messages = last_demonstration(site, "bob", "An hour by ferry.")["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant"]
    assert [message["content"] for message in messages][1:] == [
        "It is called Candlewick.",
        "Thank you. Is it far?",
        "An hour by ferry.",
    ]


def test_both_sides_are_written_on_a_phone(site, open_page):
    page = open_page("alice", **PHONE)
    field = open_unit(page, site)
    field.fill("")
    field.tap()
    page.keyboard.type("It is called Lamplight.")
    page.get_by_role("button", name="Add the person’s turn").tap()
    page.keyboard.type("And what else?")
    page.get_by_role("button", name="Add the assistant’s turn").tap()
    page.keyboard.type("Nothing else.")
    turns = page.locator("textarea[data-turn]")
    page.get_by_role("button", name="Delete").last.tap()
    page.get_by_role("button", name="Undo").tap()
    assert [turn.input_value() for turn in turns.all()][1:] == ["And what else?", "Nothing else."]
    page.get_by_role("button", name="Guidelines").tap()
    page.get_by_text("Read everything first.").wait_for()
    page.get_by_role("button", name="Close").tap()
    assert fits(page)
    page.get_by_role("button", name="Submit").tap()
    page.wait_for_function(
        "() => ![...document.querySelectorAll('textarea')].some(a => a.value.includes('Lamplight'))"
    )
    messages = last_demonstration(site, "alice", "Lamplight")["messages"]
    assert [message["content"] for message in messages][1:] == [
        "It is called Lamplight.",
        "And what else?",
        "Nothing else.",
    ]


def wait_for_draft(site, words: str) -> None:
    """Until the database has these words in a draft of Bob's: what another device would be given."""
    code = (
        "from annotate.feedback.models import Draft\n"
        "print([d.content for d in Draft.objects.filter(assignment__annotator__user__username='bob')])"
    )
    site.wait_until(lambda: words in site.python(code), 40, f"no draft holds {words!r}", every=0.5)


def holds(page, words: str) -> None:
    page.wait_for_function(
        "words => [...document.querySelectorAll('textarea')].some(area => area.value === words)", arg=words
    )


def test_a_tab_closed_in_mid_writing_comes_back_with_every_letter(site, open_page):
    page = open_page("bob")
    field = open_unit(page, site)
    field.fill("")
    field.press_sequentially("Half a thought, saved on the server")
    wait_for_draft(site, "Half a thought, saved on the server")
    field.press_sequentially(" and three words more")
    page.close()  # at once: the last words had no time to reach the server
    again = page.context.new_page()
    open_unit(again, site)
    holds(again, "Half a thought, saved on the server and three words more")


def test_another_device_finds_what_the_server_has(site, open_page):
    open_unit(open_page("bob"), site).fill("Written on a telephone.")
    wait_for_draft(site, "Written on a telephone.")
    page = open_page("bob")  # a fresh browser: nothing is stored on this device
    open_unit(page, site)
    holds(page, "Written on a telephone.")


def test_offline_one_writes_on_and_it_is_sent_when_the_server_is_back(site, open_page):
    page = open_page("bob")
    field = open_unit(page, site)
    page.context.set_offline(True)
    field.fill("Written without a network.")
    page.get_by_text("On this device only").wait_for()
    page.context.set_offline(False)
    wait_for_draft(site, "Written without a network.")
    page.get_by_text("Saved", exact=True).wait_for()


def test_the_web_process_is_killed_in_mid_writing(site, open_page):
    page = open_page("bob")
    field = open_unit(page, site)
    field.fill("Before the crash.")
    wait_for_draft(site, "Before the crash.")
    site.kill("web")
    field.press("End")
    field.press_sequentially(" After it.")
    page.get_by_text("On this device only").wait_for()
    site.start_web()
    page.get_by_text("Saved", exact=True).wait_for(timeout=40_000)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_function(
        "() => ![...document.querySelectorAll('textarea')].some(a => a.value.includes('crash'))"
    )
    stored = last_demonstration(site, "bob", "Before the crash.")
    assert stored["messages"][-1]["content"] == "Before the crash. After it."
