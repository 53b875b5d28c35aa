"""The annotator's pages in a real browser: python bench/workbench.py

One JSON line for each:

    first_load    compressed JavaScript that crossed the wire from the sign-in page to the first unit on screen, in KB
                  (asked: below 200)
    ranking_pace  a scripted annotator ranks four completions through the page, by keyboard: units per minute without
                  think time, and milliseconds from Ctrl+Enter to the frame that shows the next unit, without think
                  time and with two seconds of it (median and 95th percentile)
    long_texts    nine completions of 2,000 words: frames a second while the page scrolls and while a completion is
                  dragged over the shelf, and the longest frame (asked: 60 frames a second)
    typing        milliseconds from a key to the frame that shows it, in a dialogue whose drafts are being saved

Frames are counted by requestAnimationFrame in a headless Chromium without a GPU, beside the web server on the same
cores: `idle_fps` is what the same page reaches when nothing happens, and the figure to hold the others against.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import itertools

from tests.e2e.conftest import PASSWORD, find_browser, sign_in
from tests.site import Site

NUM_UNITS, NUM_RANKED, NUM_PAUSED, THINK_MS = 200, 60, 15, 2000

SEED = """
import json, os, random
from annotate.accounts.models import User
from annotate.accounts.services import create_user
from annotate.campaigns.models import Campaign, Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.queue.units import queue_prompts, queue_ranking_units
rng = random.Random(0)
words = "the harbour lies below a hill and every boat that comes in late rings twice so people know".split()
def text(length):
    made, left = [], length
    while left > 0:
        sentence = rng.choices(words, k=min(left, rng.randint(6, 18)))
        made.append(" ".join(sentence).capitalize() + ".")
        left -= len(sentence)
    return "\\n\\n".join(" ".join(made[at : at + 6]) for at in range(0, len(made), 6))
people = [create_user(username=name, password=os.environ["BENCH_PASSWORD"], roles=["annotator"], name=name)
          for name in ("quick", "slow")]
def campaign(name, num_units, k, length):
    made = create_campaign(name=name, kind="ranking", num_completions=k, guidelines_text="Rank them.")
    asked = [NewPrompt(messages=[{"role": "user", "content": f"Question {i}: what is it?"}]) for i in range(num_units)]
    candidates = []
    for prompt in add_prompts(made, asked).created:
        rows = Completion.objects.bulk_create(Completion(prompt=prompt, text=text(length)) for _ in range(k))
        candidates.append((prompt.id, [row.id for row in rows]))
    queue_ranking_units(made, candidates)
    return made
made = {"short": campaign("Short", NUM_UNITS, 4, 60), "long": campaign("Long", 2, 9, 2000)}
made["write"] = create_campaign(name="Write", kind="demonstration")
queue_prompts(made["write"], [NewPrompt(messages=[{"role": "user", "content": "Write."}])])
for each in made.values():
    for person in people:
        add_member(each, person)
User.objects.update(preferences={"practised": list(Campaign.Kind.values)})
print(json.dumps({name: each.id for name, each in made.items()}))
"""

# Notes when Ctrl+Enter went down, and the frame in which another unit's first completion stands on the page.
WATCH = """
window.handed = []; let since = null, was = null;
const first = () => document.querySelector('article[data-completion]')?.dataset.completion;
addEventListener('keydown', event => {
  if (event.key === 'Enter' && event.ctrlKey) { since = event.timeStamp; was = first(); }
}, true);
new MutationObserver(() => {
  if (since === null || !first() || first() === was) return;
  const began = since; since = null;
  requestAnimationFrame(() => requestAnimationFrame(now => window.handed.push(now - began)));
}).observe(document, {subtree: true, childList: true, attributes: true});
"""
COUNT_FRAMES = """
const frames = window.frames = [];
const step = now => { frames.push(now); if (window.frames === frames) requestAnimationFrame(step); };
requestAnimationFrame(step);
"""
WATCH_KEYS = """
window.keys = [];
addEventListener('keydown', event => {
  const began = event.timeStamp;
  requestAnimationFrame(() => requestAnimationFrame(now => window.keys.push(now - began)));
}, true);
"""


def show(name: str, **figures: Any) -> None:
    print(json.dumps({"name": name, **figures}), flush=True)


def spread(milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
    }


@contextmanager
def site() -> Iterator[tuple[Site, dict[str, int]]]:
    with tempfile.TemporaryDirectory() as folder:
        made = Site(Path(folder), BENCH_PASSWORD=PASSWORD)
        try:
            campaigns = json.loads(made.python(f"NUM_UNITS = {NUM_UNITS}\n{SEED}"))
            made.start_web()
            yield made, campaigns
        finally:
            made.stop()


def open_page(browser: Any, url: str) -> Any:
    page = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    return page


def first_load(browser: Any, url: str, campaigns: dict[str, int]) -> None:
    page = open_page(browser, url)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    scripts, sizes = set(), []
    session.on(
        "Network.responseReceived",
        lambda told: scripts.add(told["requestId"]) if told["type"] == "Script" else None,
    )
    session.on(
        "Network.loadingFinished",
        lambda told: sizes.append(told["encodedDataLength"]) if told["requestId"] in scripts else None,
    )
    sign_in(page, "quick")
    page.goto(f"/annotate/{campaigns['short']}")
    page.locator("article[data-completion]").first.wait_for()
    page.wait_for_timeout(500)
    show("first_load", javascript_kb=round(sum(sizes) / 1000, 1), num_files=len(sizes), asked_kb=200)
    page.context.close()


def rank_one(page: Any) -> None:
    """Four completions in three tiers, one of them a tie."""
    shown = page.locator("article[data-completion]").first.get_attribute("data-completion")
    page.locator("[data-letter]").first.focus()
    for key in ["2", "j", "1", "j", "2", "j", "3"]:
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "shown => { const first = document.querySelector('article[data-completion]');"
        " return first && first.dataset.completion !== shown }",
        arg=shown,
    )


def ranking_pace(browser: Any, url: str, campaigns: dict[str, int]) -> None:
    found = {}
    for who, num, think_ms in (("quick", NUM_RANKED, 0), ("slow", NUM_PAUSED, THINK_MS)):
        page = open_page(browser, url)
        page.add_init_script(WATCH)
        sign_in(page, who)
        page.goto(f"/annotate/{campaigns['short']}")
        page.locator("article[data-completion]").first.wait_for()
        rank_one(page)
        page.evaluate("window.handed.length = 0; window.since = performance.now()")
        for _ in range(num):
            page.wait_for_timeout(think_ms)
            rank_one(page)
        page.wait_for_timeout(100)
        seconds = (page.evaluate("performance.now() - window.since") - 100) / 1000
        found[who] = (page.evaluate("window.handed"), seconds)
        page.context.close()
    handed, seconds = found["quick"]
    without = {f"without_thinking_{name}": value for name, value in spread(handed).items()}
    thinking = {f"thinking_{name}": value for name, value in spread(found["slow"][0]).items()}
    show("ranking_pace", units_per_minute=round(60 * len(handed) / seconds, 1), **without, **thinking)


def frames_while(page: Any, act: Any) -> tuple[float, float]:
    """(frames a second, milliseconds of the longest frame) while `act` runs."""
    page.evaluate(COUNT_FRAMES)
    act()
    times = page.evaluate("(() => { const { frames } = window; window.frames = null; return frames; })()")
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return round(1000 * len(gaps) / sum(gaps), 1), round(max(gaps), 1)


def long_texts(browser: Any, url: str, campaigns: dict[str, int]) -> None:
    page = open_page(browser, url)
    sign_in(page, "quick")
    page.goto(f"/annotate/{campaigns['long']}")
    page.locator("article[data-completion]").nth(8).wait_for()
    page.wait_for_timeout(1000)

    def scroll() -> None:
        page.mouse.move(500, 500)
        for _ in range(60):
            page.mouse.wheel(0, 120)
            page.wait_for_timeout(16)

    def drag() -> None:
        chip = page.locator("[data-chip]").first.bounding_box()
        row = page.get_by_role("listitem", name="Place 1").bounding_box()
        page.mouse.move(chip["x"] + 8, chip["y"] + 8)
        page.mouse.down()
        for _ in range(2):
            page.mouse.move(row["x"] + 40, row["y"] + 10, steps=40)
            page.mouse.move(chip["x"] + 8, chip["y"] + 8, steps=40)
        page.mouse.up()

    idle = frames_while(page, lambda: page.wait_for_timeout(1000))
    scrolling, dragging = frames_while(page, scroll), frames_while(page, drag)
    show(
        "long_texts",
        idle_fps=idle[0],
        scrolling_fps=scrolling[0],
        scrolling_longest_ms=scrolling[1],
        dragging_fps=dragging[0],
        dragging_longest_ms=dragging[1],
        asked_fps=60,
    )
    page.context.close()


def typing(browser: Any, url: str, campaigns: dict[str, int]) -> None:
    page = open_page(browser, url)
    sign_in(page, "quick")
    page.goto(f"/annotate/{campaigns['write']}")
    box = page.locator("textarea").first
    box.click()
    page.evaluate(WATCH_KEYS)
    for _ in range(8):
        page.keyboard.type("Where does the last ferry leave from? ", delay=20)
        page.wait_for_timeout(600)
    page.wait_for_timeout(200)
    keys = page.evaluate("window.keys")
    show("typing", num_keys=len(keys), longest_ms=round(max(keys), 1), **spread(keys))
    page.context.close()


def main() -> None:
    from playwright.sync_api import sync_playwright

    path = find_browser()
    if path is None:
        print(
            json.dumps({"name": "workbench", "skipped": "no Chromium on this machine (apt install chromium)"})
        )
        return
    with site() as (made, campaigns), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for measure in (first_load, ranking_pace, long_texts, typing):
            measure(browser, made.url, campaigns)
        browser.close()


if __name__ == "__main__":
    main()
