"""Comparing two completions, and picking the best and the worst of several, in a real browser: by mouse, keys, finger."""

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
LONG = "The harbour lies on the north shore, behind the reef.\n\n" * 40
SEVERAL = [*TEXTS, "No idea.", LONG]


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
    several = {"kind": "best_worst", "prompts": asked, "completions": SEVERAL}
    extremes = {"name": "Extremes", "members": ["bob"], **several}
    french = {"name": "Extremes by finger", "members": ["alice"], **several}
    return make_campaigns(site, mouse, keys, phone, arabic, extremes, french)


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


def marked(page, name: str) -> None:
    page.get_by_role("button", name=name, pressed=True).wait_for()


def test_the_best_and_the_worst_are_picked_by_keyboard_alone(site, open_page, campaigns):
    page = open_page("bob")
    page.goto(f"/annotate/{campaigns['Extremes']}")
    first = shown(page)
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Mark it as the worst").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.wait_for_function("document.activeElement.matches('[aria-label=\"Completion C\"]')")
    page.keyboard.press("1")
    marked(page, "Best: completion C")
    page.keyboard.press("Control+Enter")
    page.get_by_role("alert").get_by_text("Mark the worst one too").wait_for()
    for key in ["a", "3", "b", "1"]:  # B takes the mark of the best from C
        page.keyboard.press(key)
    page.get_by_test_id("announcement").get_by_text("Completion B is the best").wait_for(state="attached")
    page.keyboard.press("a")
    page.keyboard.press("1")  # the worst is now the best, and none is the worst
    page.get_by_text("Best: A. Worst: —.").wait_for()
    for key in ["j", "j", "j", "3"]:
        page.keyboard.press(key)
    page.get_by_text("Saved", exact=True).wait_for()
    page.reload()  # the draft is there again
    assert shown(page) == first
    page.get_by_text("Best: A. Worst: D.").wait_for()
    page.keyboard.press("Control+Enter")
    wait_for_another(page, first)
    shown(page)
    page.keyboard.press("Control+z")  # opened again for a correction
    page.get_by_text("Best: A. Worst: D.").wait_for()
    assert assignment_on(page) == first
    page.keyboard.press("d")
    page.keyboard.press("2")
    page.keyboard.press("b")
    page.keyboard.press("3")
    page.keyboard.press("Control+Enter")
    wait_for_another(page, first)
    for key in ["4", "n"]:
        here = shown(page)
        page.keyboard.press(key)
        page.keyboard.press("Control+Enter")
        wait_for_another(page, here)
    page.get_by_text("nothing more for now").wait_for()
    chosen, tied, bad = given(site, campaigns["Extremes"], 3)
    a, b, *between = chosen[3]
    assert [chosen[0][0], sorted(chosen[0][1]), chosen[0][2]] == [[a], sorted(between), [b]]
    assert [sorted(tier) for tier in tied[0]] == [sorted(tied[3])] and not tied[2]
    assert bad[:3] == [[], None, True]


def test_the_best_and_the_worst_are_picked_by_finger_in_french(site, open_page, speak, campaigns):
    speak("alice", "fr")
    page = open_page("alice", **PHONE)
    page.goto(f"/annotate/{campaigns['Extremes by finger']}")
    page.get_by_role("article", name="Réponse D").wait_for()
    here, order = assignment_on(page), shown_order(site, assignment_on(page))
    page.get_by_role("button", name="Envoyer").tap()
    page.get_by_role("alert").get_by_text("Marquez la meilleure et la pire").wait_for()
    texts = {letter: page.get_by_role("article", name=f"Réponse {letter}") for letter in "ABCD"}
    long = next(letter for letter, card in texts.items() if card.get_by_text("behind the reef").count())
    short = "B" if long == "A" else "A"
    # While the long text is read, its buttons stand above the bar, and nothing covers them.
    texts[long].evaluate("card => scrollTo(0, card.getBoundingClientRect().top + scrollY - 100)")
    worst = page.get_by_role("button", name=f"La pire : réponse {long}")
    box, bar = worst.bounding_box(), page.locator("footer:has(button:has-text('Envoyer'))").bounding_box()
    assert 0 < box["y"] and box["y"] + box["height"] <= bar["y"]
    worst.tap()
    page.get_by_role("button", name=f"La meilleure : réponse {short}").tap()
    page.get_by_text(f"La meilleure : {short}. La pire : {long}.").wait_for()
    assert fits(page)
    page.get_by_role("button", name="Envoyer").tap()
    wait_for_another(page, here)
    page.get_by_role("article", name="Réponse D").wait_for()
    second = assignment_on(page)
    page.get_by_role("button", name="Toutes se valent").tap()
    page.get_by_role("button", name="Toutes sont mauvaises").tap()
    page.get_by_role("button", name="Envoyer").tap()
    wait_for_another(page, second)
    chosen, bad = given(site, campaigns["Extremes by finger"], 2)
    letters = dict(zip("ABCD", order, strict=True))
    assert [chosen[0][0], chosen[0][-1]] == [[letters[short]], [letters[long]]]
    assert bad[:3] == [[], None, True]
