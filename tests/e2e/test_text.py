"""Text as its reader should see it: Markdown, code, formulas, any script and direction; and nothing that it could do."""

import pytest
from playwright.sync_api import expect

from tests.e2e.units import card_with, make_campaigns, question

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RICH = """First **bold**, it costs $5 or $10, and 🎉.

- a list

| name | number |
|---|--:|
| cat | 3 |

```python
def bark(): return "woof"
```

Euler: $e^{i\\pi}+1=0$, and \\[\\int_0^1 x^2 dx\\]

[the manual](https://example.org/manual) and https://example.org/plain"""

ARABIC = """Mixed: مرحبا

أهلا بالعالم

1. أولا
2. ثانيا

English again."""

HOSTILE = """Hostile <img src=x onerror="window.ran=1"> <script>window.ran=1</script>

[here](javascript:window.ran=1) ![far](https://example.org/a.png) <https://example.org/auto>

$\\href{javascript:window.ran=1}{x}$ $\\includegraphics{https://example.org/b.png}$ $\\htmlData{x=<img src=x onerror=window.ran=1>}{y}$

$$\\def\\x{\\x\\x}\\x$$

```html
<img src=x onerror="window.ran=1"><script>window.ran=1</script>
```

```__proto__
<svg onload=window.ran=1>
```

`<img src=x onerror=window.ran=1>`"""

BROKEN = (
    "Broken **bold `code [link](https://example.org ![ and $\\frac{1}{$ and\n\n```python\nunclosed = True"
)
UNSEEN = "Unseen: bell \a, escape \x1b[31m, turned \u202egnihton, and a flag 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f."


@pytest.fixture(scope="module")
def campaigns(site) -> dict[str, int]:
    texts = [RICH, ARABIC, HOSTILE, BROKEN, UNSEEN]
    wanted = {"kind": "ranking", "prompts": [question("Which of these is *best*?")], "completions": texts}
    return make_campaigns(site, {"name": "Texts", **wanted})


@pytest.fixture
def page(open_page, campaigns):
    page = open_page("alice")
    page.goto(f"/annotate/{campaigns['Texts']}")
    page.get_by_role("article", name="Completion A").wait_for()
    return page


def test_markdown_code_tables_and_formulas_are_set(page):
    card = card_with(page, "it costs")
    card.locator("strong", has_text="bold").wait_for()
    expect(card.locator("td", has_text="cat")).to_have_count(1)
    card.scroll_into_view_if_needed()
    card.locator("[data-word=keyword]", has_text="def").wait_for()
    card.locator("[data-word=string]", has_text="woof").wait_for()
    card.locator("[data-formula=inline] .katex").wait_for()
    card.locator("[data-formula=block] math").wait_for(state="attached")
    expect(card).to_contain_text("it costs $5 or $10")
    expect(card.locator("[data-formula]")).to_have_count(2)  # money is none


def test_a_link_says_where_it_leads_and_opens_apart(page):
    links = card_with(page, "it costs").get_by_role("link")
    expect(links).to_have_count(2)
    assert links.first.evaluate("a => [a.href, a.target, a.rel]") == [
        "https://example.org/manual", "_blank", "noopener noreferrer nofollow",
    ]  # fmt: skip
    text = card_with(page, "it costs").inner_text()
    assert "the manual (https://example.org/manual)" in text
    assert text.count("https://example.org/plain") == 1


def test_the_text_as_it_was_written_is_one_key_away(page):
    card = card_with(page, "it costs")
    page.keyboard.press("v")
    page.get_by_text("[the manual](https://example.org/manual)").wait_for()
    expect(card).to_contain_text("**bold**")
    expect(card).to_contain_text("$e^{i\\pi}+1=0$")
    page.keyboard.press("v")
    card.locator("strong", has_text="bold").wait_for()


def test_each_block_goes_its_own_way(page):
    card = card_with(page, "Mixed:")
    directions = card.locator("p").evaluate_all("all => all.map(p => getComputedStyle(p).direction)")
    assert directions == ["ltr", "rtl", "ltr"]
    numbers = card.locator("ol").evaluate("list => getComputedStyle(list).direction")
    sides = card.locator("ol").evaluate(
        "list => [parseFloat(getComputedStyle(list).paddingRight) > 0, getComputedStyle(list).paddingLeft]"
    )
    assert (numbers, sides) == ("rtl", [True, "0px"])


def test_nothing_in_a_text_runs_loads_or_leads_astray(open_page, campaigns, site):
    page, asked, dialogs = open_page("alice"), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"/annotate/{campaigns['Texts']}")
    card = card_with(page, "Hostile")
    card.scroll_into_view_if_needed()
    card.locator("[data-word=tag]").first.wait_for()  # coloured, so it went through the highlighter
    card.locator("[data-formula][data-set]").first.wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None and dialogs == []
    expect(
        card.locator("script, img, svg:not(.lucide), iframe, [onerror], [onload], [data-x]")
    ).to_have_count(0)
    expect(page.locator("a[href^='javascript' i]")).to_have_count(0)
    assert not [url for url in asked if not url.startswith(site.url)]
    expect(card.locator("[data-formula]")).to_have_count(4)  # and whatever is not set stands there as written
    expect(card).to_contain_text("Image not loaded: far (https://example.org/a.png)")


def test_what_is_broken_is_still_there_to_be_read(page):
    card = card_with(page, "Broken")
    card.locator("pre", has_text="unclosed = True").wait_for()
    card.scroll_into_view_if_needed()
    expect(card).to_contain_text("$\\frac{1}{$")


def test_what_nobody_would_see_is_shown_and_does_nothing(page):
    text = card_with(page, "Unseen:").inner_text()
    assert "bell ␇, escape ␛[31m, turned U+202Egnihton" in text
    expect(card_with(page, "Unseen:").locator("[data-control]")).to_have_count(3)  # the flag stays a flag


HUGE = "".join(f"Line {number} of a text that is far too long.\n" for number in range(4_600))[:200_000]
ENDLESS = "endless" * 28_571 + "end"
SIGNS = "".join(map(chr, [*range(1, 32), *range(127, 160)])) * 300


def test_texts_and_dialogues_beyond_all_measure_leave_the_page_usable(site, open_page):
    turns = [
        {
            "role": "user" if number % 2 == 0 else "assistant",
            "content": f"Turn {number}. " + "And so on. " * 20,
        }
        for number in range(301)
    ]
    wanted = {"kind": "ranking", "prompts": [turns], "completions": [HUGE, ENDLESS, f"Signs {SIGNS}"]}
    campaign = make_campaigns(site, {"name": "Beyond measure", **wanted})["Beyond measure"]
    page = open_page("alice", viewport={"width": 390, "height": 844})
    page.goto(f"/annotate/{campaign}")
    card = card_with(page, "Line 1 of")
    card.wait_for()
    page.get_by_text("Turn 300.").wait_for()
    page.get_by_role("button", name="Show 291 turns between").click()
    page.get_by_text("Turn 150.").wait_for()
    card.get_by_role("button", name="Show all").click()
    page.wait_for_function(
        "() => document.body.textContent.includes('Line 4000 of a text that is far too long.')"
    )
    endless = card_with(page, "endlessendless")
    endless.get_by_role("button", name="Show all").click()
    page.wait_for_function("() => document.body.textContent.includes('endlessend')")
    assert endless.evaluate(
        "card => card.querySelector('[lang]').textContent.includes('endless'.repeat(28571) + 'end')"
    )
    assert "␁␂␃" in card_with(page, "Signs").text_content()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for at, row in enumerate(["0", "1", "2"]):
        page.locator("article[data-completion] select").nth(at).select_option(row)
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("nothing more for now").wait_for()
    stored = (
        "from annotate.feedback.models import Ranking\n"
        f"print([len(r.tiers) for r in Ranking.objects.filter(campaign_id={campaign})])"
    )
    site.wait_until(lambda: site.python(stored) == "[3]", 30, "the ranking was not stored")
