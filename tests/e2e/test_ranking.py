"""Ranking in a real browser: by mouse, by keyboard alone, on a phone, in French; and what came of it."""

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.phone import PHONE, drag_by_finger, fits
from tests.e2e.units import assignment_on, shown_order, wait_for_another

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LAST_RANKING = """
import json
from annotate.feedback.models import Ranking
r = Ranking.objects.filter(annotator__user__username="{name}").order_by("-id").first()
print(json.dumps(r and {{"id": r.id, "shown": r.shown_order, "tiers": r.tiers, "all_bad": r.all_bad,
    "order_stored": r.assignment.shown_order == r.shown_order,
    "ratings": [[x.completion_id, x.value, x.flags] for x in r.ratings.all()],
    "comparisons": r.comparisons.count()}}))
"""


def last_ranking(site, name: str, ids: dict[str, int]) -> dict:
    """A person's newest ranking, once it is that of these completions: it goes to the server beside the page."""
    found: dict = {}

    def has_come() -> bool:
        found.update(json.loads(site.python(LAST_RANKING.format(name=name))) or {})
        return found.get("shown") == list(ids.values())

    site.wait_until(has_come, 20, "the ranking was not stored")
    return found


def open_unit(page, site) -> None:
    page.goto(f"/annotate/{site.seeded['ranking']}")
    page.get_by_role("article", name="Completion A").wait_for()


def shown_ids(page, site) -> dict[str, int]:
    return dict(zip("ABCD", shown_order(site, assignment_on(page)), strict=True))


def submit_and_see_the_next_unit(page) -> None:
    before = assignment_on(page)
    page.get_by_role("button", name="Submit").click()
    wait_for_another(page, before)
    page.get_by_role("article", name="Completion A").wait_for()


def drag(page, letter: str, row: int) -> None:
    chip = page.locator(f"[data-chip='{letter}']").bounding_box()
    target = (
        page.get_by_role("region", name="Order").get_by_role("listitem", name=f"Place {row}").bounding_box()
    )
    page.mouse.move(chip["x"] + chip["width"] / 2, chip["y"] + chip["height"] / 2)
    page.mouse.down()
    page.mouse.move(target["x"] + target["width"] * 0.6, target["y"] + target["height"] / 2, steps=8)
    page.mouse.move(target["x"] + target["width"] * 0.6 + 2, target["y"] + target["height"] / 2, steps=2)
    page.mouse.up()
    page.wait_for_timeout(120)  # dnd-kit swallows a click in the first 50 ms after a drop


def test_four_completions_are_ranked_with_a_tie_by_mouse(site, open_page):
    page = open_page("alice")
    open_unit(page, site)
    ids = shown_ids(page, site)
    drag(page, "C", 1)
    drag(page, "A", 2)
    drag(page, "D", 2)
    drag(page, "B", 3)
    card = page.get_by_role("article", name="Completion C")
    card.get_by_text("7", exact=True).click()
    page.get_by_role("group", name="Flags of completion B").get_by_role("button").first.click()
    submit_and_see_the_next_unit(page)
    stored = last_ranking(site, "alice", ids)
    assert stored["order_stored"]
    tiers = [sorted(tier) for tier in stored["tiers"]]
    assert tiers == [[ids["C"]], sorted([ids["A"], ids["D"]]), [ids["B"]]]
    assert stored["comparisons"] == 5  # six pairs, one of them tied
    assert [ids["C"], 7.0, []] in stored["ratings"]
    assert any(completion == ids["B"] and flags for completion, _value, flags in stored["ratings"])


def test_four_completions_are_ranked_with_a_tie_by_keyboard_alone(site, open_page):
    page = open_page("bob")
    open_unit(page, site)
    ids = shown_ids(page, site)
    first = page.get_by_role("article", name="Completion A").locator("[data-letter]")
    first.focus()
    for key in ["2", "j", "1", "Shift+Digit6", "j", "2", "j", "3"]:
        page.keyboard.press(key)
    page.get_by_text("Saved", exact=True).wait_for()
    here = assignment_on(page)
    page.keyboard.press("Control+Enter")
    wait_for_another(page, here)
    stored = last_ranking(site, "bob", ids)
    tiers = [sorted(tier) for tier in stored["tiers"]]
    assert tiers == [[ids["B"]], sorted([ids["A"], ids["C"]]), [ids["D"]]]
    assert [ids["B"], 6.0, []] in stored["ratings"]


def test_all_bad_by_one_key_with_a_flag_that_says_why(site, open_page):
    page = open_page("bob")
    open_unit(page, site)
    ids = shown_ids(page, site)
    for key in ["n", "b", ".", "ArrowRight", "Space"]:
        page.keyboard.press(key)
    submit_and_see_the_next_unit(page)
    stored = last_ranking(site, "bob", ids)
    assert stored["all_bad"] is True
    assert stored["ratings"] == [[ids["B"], None, ["inappropriate"]]]


def test_a_phone_ranks_by_finger_and_by_menu_in_french(site, open_page):
    page = open_page("alice", **PHONE)
    site.python(
        "from annotate.accounts.models import User\nUser.objects.filter(username='alice').update(language='fr')"
    )
    try:
        page.goto(f"/annotate/{site.seeded['ranking']}")
        menus = page.locator("article[data-completion] select")
        menus.first.wait_for()
        ids = shown_ids(page, site)
        assert page.evaluate("document.documentElement.lang") == "fr"
        for at, row in enumerate(["0", "1", "1"]):
            menus.nth(at).select_option(row)
        last = page.locator("article[data-completion]").nth(3)
        last.locator("[role=group] button").first.tap()
        last.locator("input[type=radio][value='2']").tap()
        drag_by_finger(
            page, page.locator("[data-chip='D']"), page.locator("section ol > li:has(> span)").nth(2)
        )
        page.wait_for_function("() => document.querySelectorAll('select')[3].value === '2'")
        assert fits(page), "the page scrolls sideways on a phone"
        here = assignment_on(page)
        page.get_by_role("button", name="Envoyer").tap()
        wait_for_another(page, here)
        stored = last_ranking(site, "alice", ids)
        assert [sorted(tier) for tier in stored["tiers"]] == [
            [ids["A"]], sorted([ids["B"], ids["C"]]), [ids["D"]],
        ]  # fmt: skip
        [(rated, value, flags)] = stored["ratings"]
        assert (rated, value, len(flags)) == (ids["D"], 2.0, 1)
    finally:
        site.python(
            "from annotate.accounts.models import User\nUser.objects.filter(username='alice').update(language='')"
        )


def test_nothing_on_the_page_tells_where_a_completion_came_from(site, open_page):
    page = open_page("alice")
    said = []
    page.on("response", lambda answer: said.append(answer.text()) if "/api/" in answer.url else None)
    open_unit(page, site)
    markup = page.content()
    for trace in ("by hand", "tiny base", "policy_version", "model_name", "sampling"):
        assert trace not in markup
        assert not any(f'"{trace}' in text and "assignment" in text for text in said)


def test_markup_in_a_completion_does_not_run(site, open_page):
    site.python(
        "from annotate.campaigns.models import Completion\n"
        "Completion.objects.filter(text__startswith='No idea').update(text='<img src=x onerror=\"window.ran=1\">'"
        " '<script>window.ran=1</script> [here](javascript:window.ran=1) ![far](https://example.org/a.png)')"
    )
    page = open_page("bob")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_unit(page, site)
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    expect(page.locator("article[data-completion] script, article[data-completion] img")).to_have_count(0)
    expect(page.locator("article[data-completion] a[href^='javascript']")).to_have_count(0)
    assert not [url for url in asked if not url.startswith(site.url)]
