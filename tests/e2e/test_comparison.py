"""Comparing two completions in a real browser: by mouse, by keyboard alone, on a phone from right to left."""

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.axe import violations
from tests.e2e.desk import desk_site
from tests.e2e.phone import PHONE, fits
from tests.e2e.units import assignment_on, make_campaigns, question, shown_order, wait_for_another

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GIVEN = """
import json
from annotate.feedback.models import Ranking
rows = Ranking.objects.filter(campaign={campaign}).order_by("id")
print(json.dumps([[r.tiers, r.strength, r.all_bad, r.shown_order, r.assignment.shown_order] for r in rows]))
"""
TEXTS = ["Port Hope, on the north shore.", "With pleasure! It is **Candlewick**."]


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with desk_site(tmp_path_factory.mktemp("desk")) as site:
        yield site


@pytest.fixture(scope="module")
def campaigns(site):
    asked = [question(f"What is harbour {number}?") for number in range(3)]
    mouse = {"name": "Pairs", "kind": "comparison", "prompts": asked, "completions": TEXTS}
    arabic = {
        "name": "أزواج",
        "kind": "comparison",
        "language": "ar",
        "prompts": [question("ما اسم الميناء؟")],
        "completions": ["اسمه ميناء الأمل.", "لا أعرف."],
    }
    keys, phone = mouse | {"name": "Pairs by keys", "members": ["bob"]}, mouse | {"name": "Pairs by finger"}
    return make_campaigns(site, mouse, keys, phone, arabic)


def given(site, campaign: int, count: int) -> list:
    """The campaign's comparisons, once there are so many: they go to the server beside the page."""
    found: list = []

    def have_come() -> bool:
        found[:] = json.loads(site.python(GIVEN.format(campaign=campaign)))
        return len(found) == count

    site.wait_until(have_come, 20, f"there are not {count} comparisons")
    return found


def shown(page) -> int:
    """The assignment on the page, once both are there."""
    page.get_by_role("article", name="Completion B").wait_for()
    return assignment_on(page)


def test_two_are_compared_by_mouse(site, open_page, campaigns):
    page = open_page("alice")
    page.goto(f"/annotate/{campaigns['Pairs']}")
    orders = []
    for choice in ("Completion B is much better", "Both are equally good", "Both are bad"):
        here = shown(page)
        orders.append(shown_order(site, here))
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("alert").get_by_text("Choose the better one").wait_for()
        page.get_by_role("radio", name=choice).check(force=True)
        page.get_by_text("Saved", exact=True).wait_for()
        page.get_by_role("button", name="Submit").click()
        wait_for_another(page, here)
    page.get_by_text("nothing more for now").wait_for()
    better, tie, bad = given(site, campaigns["Pairs"], 3)
    (first, second), equal, _ = orders
    assert better == [[[second], [first]], 3, False, orders[0], orders[0]]
    assert tie == [[equal], None, False, equal, equal]
    assert bad[:3] == [[], None, True]


def test_two_are_compared_by_keyboard_alone(site, open_page, campaigns):
    page = open_page("bob")
    page.goto(f"/annotate/{campaigns['Pairs by keys']}")
    first = shown(page)
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Choose, from").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("7")
    page.keyboard.press("2")
    page.get_by_test_id("announcement").get_by_text("Completion A is clearly better").wait_for(
        state="attached"
    )
    page.get_by_text("Saved", exact=True).wait_for()
    page.reload()  # the draft is there again
    assert shown(page) == first
    expect(page.get_by_role("radio", name="Completion A is clearly better")).to_be_checked()
    page.keyboard.press("Control+Enter")
    wait_for_another(page, first)
    second = shown(page)
    page.keyboard.press("b")  # a letter leads to its completion and decides nothing
    page.wait_for_function("() => document.activeElement.matches('[aria-label=\"Completion B\"]')")
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    page.keyboard.press("n")
    page.keyboard.press("Control+Enter")
    wait_for_another(page, second)
    stored = given(site, campaigns["Pairs by keys"], 2)
    left, right = shown_order(site, first)
    assert stored[0][:3] == [[[left], [right]], 2, False]
    assert stored[1][:3] == [[], None, True]


def test_two_are_compared_on_a_phone(site, open_page, campaigns):
    page = open_page("alice", **PHONE)
    page.goto(f"/annotate/{campaigns['Pairs by finger']}")
    first = shown(page)
    page.get_by_role("button", name="Submit").tap()
    page.get_by_role("alert").get_by_text("Choose the better one").wait_for()
    page.get_by_role("radio", name="Completion B is slightly better").tap()
    assert fits(page)
    page.get_by_role("button", name="Submit").tap()
    wait_for_another(page, first)
    second = shown(page)
    page.get_by_role("radio", name="Both are equally good").tap()
    page.get_by_role("button", name="Submit").tap()
    wait_for_another(page, second)
    stored = given(site, campaigns["Pairs by finger"], 2)
    left, right = shown_order(site, first)
    tied = shown_order(site, second)
    assert [row[:3] for row in stored] == [[[[right], [left]], 1, False], [[tied], None, False]]


@pytest.mark.parametrize("width", [390, 1440])
def test_right_to_left_in_the_dark_axe_finds_nothing(open_page, campaigns, width):
    page = open_page("alice", viewport={"width": width, "height": 844}, color_scheme="dark")
    page.goto(f"/annotate/{campaigns['أزواج']}")
    shown(page)
    assert violations(page) == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
