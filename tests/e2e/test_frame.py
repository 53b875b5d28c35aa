"""The frame around every unit: the next one is here when this one is handed in, and nothing is lost by a slip."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import PASSWORD, sign_in
from tests.e2e.desk import ask, desk_site
from tests.e2e.phone import PHONE, fits
from tests.e2e.units import assignment_on, wait_for_another

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with desk_site(tmp_path_factory.mktemp("desk")) as site:
        yield site


def open_ranking(page, site) -> None:
    """Opens the next unit, and waits until the one after it has been fetched."""
    with page.expect_response("**/assignments/ahead"):
        page.goto(f"/annotate/{site.seeded['ranking']}")
        page.get_by_role("article", name="Completion A").wait_for()


def wait_for_another_ranking(page, before: int) -> None:
    wait_for_another(page, before)
    page.get_by_role("article", name="Completion A").wait_for()


def wait_for_this(page, assignment: int) -> None:
    page.locator(f"[data-assignment='{assignment}']").wait_for()


def places_of(page) -> list[str]:
    return [menu.input_value() for menu in page.locator("article[data-completion] select").all()]


def top_of_first(page) -> float:
    """Where the first completion begins on the page, however far it is scrolled."""
    return page.locator("article").first.evaluate("card => card.getBoundingClientRect().top + scrollY")


def submit_all_bad(page) -> None:
    """No flag says why, so it is asked first whether it is meant so."""
    for key in ["n", "Control+Enter", "Control+Enter"]:
        page.keyboard.press(key)


def rankings_of(site, name: str) -> list[int]:
    """The assignments that a person has ranked."""
    query = """SELECT ranking.assignment_id FROM feedback_ranking AS ranking
        JOIN accounts_annotator AS annotator ON annotator.id = ranking.annotator_id
        JOIN accounts_user AS login ON login.id = annotator.user_id WHERE login.username = %s ORDER BY ranking.id"""
    return [row[0] for row in ask(site, query, name)]


def test_the_next_unit_is_on_screen_without_the_network_and_this_one_is_sent_when_it_is_back(site, open_page):
    page = open_page("alice")
    open_ranking(page, site)
    first = assignment_on(page)
    page.context.set_offline(True)
    submit_all_bad(page)
    wait_for_another_ranking(page, first)
    page.get_by_text("1 unit not sent yet").wait_for()
    assert rankings_of(site, "alice") == []
    second = assignment_on(page)
    page.context.set_offline(False)
    page.get_by_text("Saved", exact=True).wait_for()
    site.wait_until(lambda: rankings_of(site, "alice") == [first], 20, "the ranking was not stored")
    page.reload()
    page.get_by_role("article", name="Completion A").wait_for()
    assert assignment_on(page) == second


def test_an_order_that_leaves_some_out_or_teaches_nothing_is_asked_about_first(site, open_page):
    page = open_page("bob")
    open_ranking(page, site)
    first = assignment_on(page)
    page.locator("[data-letter]").first.focus()
    for key in ["1", "j", "1", "Control+Enter"]:
        page.keyboard.press(key)
    question = page.get_by_text("1 of 3 is not ordered.")
    question.filter(has_text="nothing is learned from that").wait_for()
    page.keyboard.press("Escape")
    question.wait_for(state="detached")
    page.keyboard.press("2")
    page.keyboard.down("Control")
    for _ in range(3):  # held down, the key asks and does not answer
        page.keyboard.down("Enter")
    question.wait_for()
    page.keyboard.up("Enter")
    page.keyboard.up("Control")
    page.keyboard.press("3")  # any change takes the question away
    question.wait_for(state="detached")
    page.keyboard.press("Control+Enter")
    question.wait_for()
    assert assignment_on(page) == first and rankings_of(site, "bob") == []
    page.keyboard.press("Control+Enter")
    wait_for_another_ranking(page, first)
    site.wait_until(lambda: rankings_of(site, "bob") == [first], 20, "the ranking was not stored")


def test_what_was_submitted_is_said_and_undo_opens_it_as_it_was(site, open_page):
    page = open_page("bob")
    open_ranking(page, site)
    first, top = assignment_on(page), top_of_first(page)
    page.locator("[data-letter]").first.focus()
    for key in ["2", "j", "1", "j", "1"]:
        page.keyboard.press(key)
    before = places_of(page)
    page.keyboard.press("Control+Enter")
    wait_for_another_ranking(page, first)
    second = assignment_on(page)
    page.get_by_role("status").get_by_text("Submitted.").wait_for()
    assert top_of_first(page) == top  # what is said moves nothing
    page.keyboard.press("Control+z")
    wait_for_this(page, first)
    assert places_of(page) == before
    page.locator("[data-letter]").first.focus()
    for key in ["3", "Control+z"]:  # here it takes back the last placing
        page.keyboard.press(key)
    assert places_of(page) == before
    for key in ["3", "Control+Enter"]:
        page.keyboard.press(key)
    page.get_by_text("The correction is saved.").wait_for()
    wait_for_this(page, second)
    given = "SELECT tiers, shown_order, revision FROM feedback_ranking WHERE assignment_id = %s"
    [(tiers, shown, revision)] = ask(site, given, first)
    assert (len(tiers), tiers[1], revision) == (2, shown[:1], 2)


def test_on_a_phone_in_french_question_undo_shelf_and_help_are_tapped(site, open_page):
    page = open_page("bob", **PHONE, locale="fr-FR")
    page.goto(f"/annotate/{site.seeded['ranking']}")
    menus = page.locator("article[data-completion] select")
    menus.first.wait_for()
    first = assignment_on(page)
    for at, row in enumerate("01"):
        menus.nth(at).select_option(row)
    page.get_by_role("button", name="Envoyer").tap()
    question = page.get_by_text("1 sur 3 n’est pas classée.")
    question.wait_for()
    assert fits(page)
    page.get_by_role("button", name="Revenir").tap()
    question.wait_for(state="detached")
    page.get_by_role("button", name="Envoyer").tap()
    page.get_by_role("button", name="Envoyer quand même").tap()
    wait_for_another(page, first)
    second = assignment_on(page)
    page.get_by_role("status").get_by_text("Envoyé.").wait_for()
    assert fits(page)
    page.get_by_role("button", name="Annuler", exact=True).tap()
    wait_for_this(page, first)
    assert places_of(page) == ["0", "1", "-1"]
    page.get_by_role("button", name="Laisser tel quel").tap()
    wait_for_this(page, second)
    page.get_by_role("button", name="Aller à l’ordre").tap()  # the shelf is some screens below
    page.wait_for_function(
        "() => document.querySelector('#order').getBoundingClientRect().top < innerHeight / 2"
    )
    page.get_by_title("Revenir à la demande").wait_for()  # what was asked stays in sight
    page.get_by_role("button", name="Aide et touches").tap()
    dialog = page.get_by_role("dialog", name="Aide")
    dialog.get_by_text("Vous lisez plusieurs réponses").wait_for()
    dialog.get_by_text("Une unité est un travail").wait_for()
    expect(dialog.locator("kbd")).to_have_count(0)  # there is no keyboard
    with page.expect_popup() as opened:
        dialog.get_by_role("link", name="Le guide complet").tap()
    opened.value.get_by_role("heading", name="Writing, talking, ranking").wait_for()


def test_many_units_in_a_row_without_a_pause_are_each_stored_once(site, open_page):
    page = open_page("bob")
    open_ranking(page, site)
    seen = []
    for _ in range(6):
        seen.append(assignment_on(page))
        submit_all_bad(page)
        wait_for_another_ranking(page, seen[-1])
    # In whatever order they came: each is sent by itself.
    site.wait_until(lambda: set(seen) <= set(rankings_of(site, "bob")), 20, "not every ranking was stored")
    assert len(rankings_of(site, "bob")) == 9
    page.get_by_text(re.compile(r"^9 units done by you")).wait_for()


def test_a_closed_page_gives_back_the_unit_ahead(site, open_page):
    ahead = """SELECT count(*) FROM feedback_assignment AS unit JOIN accounts_annotator AS annotator
        ON annotator.id = unit.annotator_id JOIN accounts_user AS login ON login.id = annotator.user_id
        WHERE is_ahead AND login.username = 'alice'"""
    page = open_page("alice")
    open_ranking(page, site)
    assert ask(site, ahead) == [(1,)]
    page.goto("about:blank")
    site.wait_until(lambda: ask(site, ahead) == [(0,)], 10, "the unit ahead is still leased")


def test_a_unit_that_is_refused_later_says_why_and_is_opened_again_with_all_its_words(site, open_page):
    page = open_page("bob")
    open_ranking(page, site)
    first = assignment_on(page)
    card = page.get_by_role("article", name="Completion A")
    card.get_by_role("button", name="Untrue").click()
    page.keyboard.press("n")
    api = f"{site.url}/api/campaigns/{site.seeded['ranking']}"
    headers = {"Authorization": f"Token {site.seeded['tokens']['carol']}"}
    flags = httpx.get(api, headers=headers).raise_for_status().json()["flags"]
    without = {"flags": [flag for flag in flags if flag != "untrue"]}
    httpx.patch(api, headers=headers, json=without).raise_for_status()
    page.keyboard.press("Control+Enter")
    wait_for_another_ranking(page, first)
    page.get_by_text("is not one of this campaign's flags").wait_for()
    httpx.patch(api, headers=headers, json={"flags": flags}).raise_for_status()
    page.get_by_role("button", name="Open it again").click()
    page.locator(f"[data-assignment='{first}']").wait_for()
    expect(card.get_by_role("button", name="Untrue")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+Enter")
    wait_for_another_ranking(page, first)
    site.wait_until(lambda: first in rankings_of(site, "bob"), 20, "the ranking was not stored")


def test_a_skip_can_be_taken_back_for_some_seconds(site, open_page):
    page = open_page("alice")
    open_ranking(page, site)
    first = assignment_on(page)
    page.keyboard.press("n")
    page.keyboard.press("s")
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    wait_for_another_ranking(page, first)
    page.get_by_role("button", name="Undo", exact=True).click()
    page.locator(f"[data-assignment='{first}']").wait_for()
    skipped = "SELECT count(*) FROM feedback_assignment WHERE state = 'skipped'"
    page.keyboard.press("s")
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    wait_for_another_ranking(page, first)
    assert ask(site, skipped) == [(0,)]
    site.wait_until(lambda: ask(site, skipped) == [(1,)], 20, "the skip was not sent")


def test_a_key_pressed_the_moment_a_unit_appears_is_taken_and_kept(site, open_page):
    page = open_page("alice")
    open_ranking(page, site)
    first = assignment_on(page)
    page.keyboard.press("s")
    page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    wait_for_another_ranking(page, first)
    page.evaluate(
        """id => {
            const observer = new MutationObserver(() => {
                if (!document.querySelector(`[data-assignment='${id}'] article`)) return;
                observer.disconnect();
                const press = {key: "n", code: "KeyN", bubbles: true, cancelable: true};
                document.body.dispatchEvent(new KeyboardEvent("keydown", press));
            });
            observer.observe(document.body, {childList: true, subtree: true});
        }""",
        first,
    )
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("checkbox", name="All are bad", checked=True).wait_for()
    assert assignment_on(page) == first
    kept = "SELECT assignment_id FROM feedback_draft WHERE content -> 'all_bad' = 'true'"
    site.wait_until(lambda: (first,) in ask(site, kept), 10, "the mark was not saved")


def drafts_on(page) -> list[str]:
    return page.evaluate("Object.keys(localStorage).filter(name => name.startsWith('parley.draft.'))")


def test_in_another_tab_somebody_else_signs_in_and_nothing_is_sent_as_them(site, open_page):
    page = open_page("alice")
    open_ranking(page, site)
    here = assignment_on(page)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Account of").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/sign-in")
    sign_in(other, "bob")
    submit_all_bad(page)
    page.locator("dialog input[type=password]").wait_for()
    ranked = "SELECT count(*) FROM feedback_ranking WHERE assignment_id = %s"
    assert ask(site, ranked, here) == [(0,)]
    page.locator("dialog input[type=password]").fill(PASSWORD)
    page.locator("dialog:has(input[type=password]) button[type=submit]").click()
    site.wait_until(lambda: ask(site, ranked, here) == [(1,)], 20, "the ranking was not stored for alice")


def test_signing_out_leaves_on_the_device_what_is_there_alone_and_warns_of_it(site, open_page):
    page = open_page("bob")
    open_ranking(page, site)
    page.keyboard.press("n")
    page.get_by_text("Saved", exact=True).wait_for()
    assert len(drafts_on(page)) == 1
    page.route("**/draft", lambda route: route.abort())
    page.keyboard.press("n")
    page.get_by_text("On this device only").wait_for()
    page.get_by_role("button", name="Account of").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_text("One piece of your work is on this device alone").wait_for()
    page.get_by_role("button", name="Stay signed in").click()
    page.unroute("**/draft")
    page.keyboard.press("n")
    page.get_by_text("Saved", exact=True).wait_for(timeout=40_000)
    page.get_by_role("button", name="Account of").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    assert drafts_on(page) == []


def test_a_clock_that_is_set_back_takes_no_time_away_and_reading_after_the_last_letter_counts(
    site, open_page
):
    page = open_page("alice")
    page.clock.install()
    open_ranking(page, site)
    here = assignment_on(page)
    if page.get_by_role(
        "checkbox", name="All are bad", checked=True
    ).count():  # the draft of a test before this
        page.keyboard.press("n")
    page.keyboard.press("n")
    page.get_by_role("checkbox", name="All are bad", checked=True).wait_for()
    page.get_by_text("Saved", exact=True).wait_for()
    for _ in range(30):
        page.mouse.wheel(0, 1)
        page.clock.run_for(1000)
    page.reload()
    page.get_by_role("article", name="Completion A").wait_for()
    assert assignment_on(page) == here
    page.evaluate("() => { const real = Date.now; Date.now = () => real() - 600_000 }")
    page.mouse.wheel(0, 1)
    page.clock.run_for(3000)  # the page looks at its clocks
    page.keyboard.press("Control+Enter")
    page.get_by_text("All are marked as bad, and no flag says why.").wait_for()
    page.keyboard.press("Control+Enter")
    spent = "SELECT seconds_spent FROM feedback_ranking WHERE assignment_id = %s"
    site.wait_until(lambda: ask(site, spent, here) != [], 20, "the ranking was not stored")
    [(seconds,)] = ask(site, spent, here)
    assert 25 < seconds < 60
