"""axe finds nothing on any page, in English and French, light and dark, on a desktop and on a phone."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGES = {
    None: ["/sign-in"],
    "bob": ["/", "/annotate/{writing}", "/annotate/{ranking}", "/account", "/nowhere"],
    "carol": ["/campaigns", "/campaigns/new", "/campaigns/{ranking}"],
    "tom": ["/runs", "/policies", "/policies/{base}", "/snapshots"],
}
SCREENS = [
    {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", "locale": "en-GB"},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "fr-FR"},
]


def violations(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{v['id']} ({v['impact']}): {[node['html'][:120] for node in v['nodes'][:3]]}" for v in found]


@pytest.mark.parametrize("screen", SCREENS, ids=["desktop-light-english", "phone-dark-french"])
@pytest.mark.parametrize("name", list(PAGES), ids=lambda name: name or "stranger")
def test_axe_finds_nothing(site, open_page, name, screen):
    page = open_page(name, **screen, reduced_motion="reduce")
    found = {}
    for path in PAGES[name]:
        page.goto(path.format(**site.seeded))
        page.wait_for_load_state("networkidle")
        page.get_by_role("heading").or_(page.get_by_role("textbox")).first.wait_for()
        if problems := violations(page):
            found[path] = problems
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if overflow > 0:
            found.setdefault(path, []).append(f"scrolls sideways by {overflow} px")
    assert found == {}
