"""Text as its reader should see it: Markdown, code, formulas, any script and direction; and nothing that it could do."""

import pytest

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
    assert card.locator("td", has_text="cat").count() == 1
    card.scroll_into_view_if_needed()
    card.locator("[data-word=keyword]", has_text="def").wait_for()
    card.locator("[data-word=string]", has_text="woof").wait_for()
    card.locator("[data-formula=inline] .katex").wait_for()
    card.locator("[data-formula=block] math").wait_for(state="attached")
    assert "it costs $5 or $10" in card.inner_text()
    assert card.locator("[data-formula]").count() == 2  # money is none


def test_a_link_says_where_it_leads_and_opens_apart(page):
    links = card_with(page, "it costs").get_by_role("link")
    assert links.count() == 2
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
    assert "**bold**" in card.inner_text() and "$e^{i\\pi}+1=0$" in card.inner_text()
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
    assert card.locator("script, img, svg:not(.lucide), iframe, [onerror], [onload], [data-x]").count() == 0
    assert page.locator("a[href^='javascript' i]").count() == 0
    assert not [url for url in asked if not url.startswith(site.url)]
    assert card.locator("[data-formula]").count() == 4  # and whatever is not set stands there as written
    assert "Image not loaded: far (https://example.org/a.png)" in card.inner_text()


def test_what_is_broken_is_still_there_to_be_read(page):
    card = card_with(page, "Broken")
    card.locator("pre", has_text="unclosed = True").wait_for()
    card.scroll_into_view_if_needed()
    assert "$\\frac{1}{$" in card.inner_text()


def test_what_nobody_would_see_is_shown_and_does_nothing(page):
    text = card_with(page, "Unseen:").inner_text()
    assert "bell ␇, escape ␛[31m, turned U+202Egnihton" in text
    assert card_with(page, "Unseen:").locator("[data-control]").count() == 3  # the flag stays a flag
