"""axe finds nothing on any page, in English and French, light and dark, on a desktop and on a phone."""

import pytest

from tests.e2e.units import make_campaigns, question

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGES = {
    None: ["/sign-in"],
    "bob": [
        *("/", "/annotate/{writing}", "/annotate/{ranking}", "/account", "/nowhere"),
        *("/annotate/{terms}", "/annotate/{alone}", "/annotate/{criteria}", "/annotate/{instructions}"),
    ],
    "carol": [
        *("/campaigns", "/campaigns/new", "/campaigns/{ranking}"),
        *("/campaigns/{ranking}/terms", "/campaigns/{ranking}/remarks", "/campaigns/{ranking}/settings"),
    ],
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


WRITE_TERMS = """
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import write_terms
write_terms(Campaign.objects.get(name="terms"), "# Terms\\n\\nWhat you write trains models.", by=None)
"""


@pytest.fixture(scope="module")
def campaigns(site) -> dict[str, int]:
    """Campaigns that ask for more than a plain ranking or dialogue."""
    ranking = {
        "kind": "ranking",
        "prompts": [question()],
        "completions": ["One.", "Two."],
        "members": ["bob"],
    }
    wanted = [
        {"name": "terms", **ranking},
        {"name": "alone", **ranking, "is_rated_first": True},
        {"name": "criteria", **ranking, "criteria": ["helpful", "short"]},
        {
            "name": "instructions",
            "kind": "demonstration",
            "prompts": [question()],
            "members": ["bob"],
            "has_system_message": True,
            "min_words": 5,
        },
    ]
    made = make_campaigns(site, *wanted)
    site.python(WRITE_TERMS)
    return made


@pytest.mark.parametrize("screen", SCREENS, ids=["desktop-light-english", "phone-dark-french"])
@pytest.mark.parametrize("name", list(PAGES), ids=lambda name: name or "stranger")
def test_axe_finds_nothing(site, campaigns, open_page, name, screen):
    page = open_page(name, **screen, reduced_motion="reduce")
    found = {}
    for path in PAGES[name]:
        page.goto(path.format(**site.seeded, **campaigns))
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


@pytest.mark.parametrize("screen", SCREENS, ids=["desktop-light-english", "phone-dark-french"])
def test_axe_finds_nothing_in_what_opens_over_a_unit_and_in_columns(site, campaigns, open_page, screen):
    page = open_page("bob", **screen, reduced_motion="reduce")
    page.goto(f"/annotate/{campaigns['criteria']}")
    page.locator("[data-letter]").first.wait_for()
    found = {}
    for keys in (["Control+k"], ["Escape", "r"], ["Escape", "l", "w"], ["Escape"]):
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(150)
        if problems := violations(page):
            found[keys[-1]] = problems
    assert found == {}
