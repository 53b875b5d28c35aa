"""Who sees which page, a token from its making to its end, and the one door to Django admin."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def watched(page) -> list[str]:
    """What the page was refused, from now on."""
    refused = []
    page.on("response", lambda answer: answer.status == 403 and refused.append(answer.url))
    return refused


def test_a_page_that_is_not_ones_own_is_none(site, open_page):
    page = open_page("alice", viewport={"width": 390, "height": 800})
    refused = watched(page)
    for address in ("/runs", "/campaigns", f"/campaigns/{site.seeded['ranking']}", "/campaigns/new", "/policies",
                    "/policies/1", "/snapshots"):  # fmt: skip
        page.goto(address)
        page.get_by_role("heading", name="There is no page here").wait_for()
        expect(page.get_by_role("navigation", name="Pages")).to_have_count(0)
    assert refused == []


def test_an_admin_reads_the_loop_and_starts_nothing(site, open_page):
    page = open_page("carol")
    refused = watched(page)
    page.goto("/")
    for link in ("Runs", "Policies", "Snapshots"):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=link).click()
        page.get_by_role("main").get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(500)  # what it asks is answered
    assert refused == []
    page.goto("/runs")
    page.get_by_role("heading", name="Rounds").wait_for()
    expect(page.get_by_role("button", name="Start a round")).to_have_count(0)
    page.goto("/annotate/1")
    page.get_by_role("heading", name="There is no page here").wait_for()


def test_a_token_is_made_with_name_and_end_and_ended_by_keyboard(open_page):
    page = open_page("bob")
    page.goto("/account")
    page.get_by_label("What it is for").fill("nightly export")
    page.get_by_label("Ends after").select_option("30")
    page.get_by_label("What it is for").press("Enter")
    shown = page.get_by_text("Copy this token now")
    shown.wait_for()
    end = page.get_by_role("button", name="End the token “nightly export”")
    end.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="End the token").click()
    end.wait_for(state="detached")
    expect(shown).to_have_count(0)


def test_django_admin_is_entered_by_the_sign_in_page(open_page):
    page = open_page()
    page.goto("/admin/accounts/user/")
    page.wait_for_url("**/sign-in?next=*")
    page.locator("input[autocomplete=username]").fill("carol")
    page.locator("input[autocomplete=current-password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/accounts/user/")
    page.get_by_role("link", name="alice").wait_for()
