"""A real Chromium against a whole site: web, worker, beat, and a tiny policy served by a real model server."""

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tokenizers import Tokenizer

from tests.site import ROOT, Site
from tests.warm import warm_jobs

FAILED = pytest.StashKey[bool]()
PASSWORD = "a long enough phrase"

SEED = """
import json, os
from django.db import connection
from annotate.accounts.services import create_token, create_user
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.queue.units import queue_prompts, queue_ranking_units
from annotate.runs.policies.registry import register_policy
from annotate.runs.loop.promoting import promote_policy

password = os.environ["E2E_PASSWORD"]
people = {}
for name, roles in {"alice": ["annotator"], "bob": ["annotator"], "carol": ["admin"], "tom": ["trainer"]}.items():
    people[name] = create_user(username=name, password=password, roles=roles, name=name.title())
guidelines = "# What we ask\\n\\nBe **kind** and *true*. Read everything first."
sampling = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 24}
writing = create_campaign(name="Island questions", kind="demonstration", guidelines_text=guidelines, sampling=sampling,
                          validation_fraction=0.3)
ranking = create_campaign(name="Island answers", kind="ranking", guidelines_text=guidelines, sampling=sampling,
                          num_completions=4, validation_fraction=0.3)
for campaign in (writing, ranking):
    for name in ("alice", "bob"):
        add_member(campaign, people[name])
asked = [f"What is the harbour of island number {i} called?" for i in range(30)]
as_prompts = [NewPrompt(messages=[{"role": "user", "content": text}]) for text in asked]
queue_prompts(writing, as_prompts)
candidates = []
# Other prompts: a policy suggests nothing to somebody who is still to judge its answers to the same one.
judged = [NewPrompt(messages=[{"role": "user", "content": text.replace("harbour", "port")}]) for text in asked]
for prompt in add_prompts(ranking, judged).created:
    texts = [f"It is called Port {prompt.id}.", "With pleasure! It is **Candlewick**.", "No idea.", "Harbour, harbour, harbour."]
    rows = Completion.objects.bulk_create(Completion(prompt=prompt, text=text, model_name="by hand") for text in texts)
    candidates.append((prompt.id, [row.id for row in rows]))
queue_ranking_units(ranking, candidates)
base = register_policy(name="tiny base", path=os.environ["E2E_MODEL"])
promote_policy(policy=base, campaigns=[writing])
User.objects.update(preferences={"practised": list(Campaign.Kind.values)})  # at the work, not at its practice
print(json.dumps({
    "writing": writing.id, "ranking": ranking.id, "base": base.id,
    "database": connection.get_connection_params() | {"cursor_factory": None, "context": None},
    "tokens": {name: create_token(user)[1] for name, user in people.items()},
}, default=str))
"""


def find_browser() -> str | None:
    """The machine's own Chromium, or Playwright's."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = find_browser()
    if path is None:
        reason = "No Chromium on this machine: browser tests are skipped (apt install chromium)."
        if os.environ.get("PARLEY_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
def browser(browser_path) -> Iterator:
    """For one file: Playwright keeps an event loop running, in which Django's database refuses to work."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        options = [
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        chromium = playwright.chromium.launch(executable_path=browser_path, args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A policy of a few thousand parameters that has read the demo's sample for a few steps."""
    out = tmp_path_factory.mktemp("model") / "tiny"
    command = ["trainer.tiny_base", "--text", "annotate/demo/dialogues.jsonl", "--out", str(out)]
    sizes = ["--num_steps", "40", "--hidden_size", "64", "--num_layers", "2", "--vocab_size", "600"]
    warm_jobs().run(*command, *sizes, cwd=ROOT, check=True, timeout=300)
    speak_plainly(out)
    return out


def speak_plainly(model: Path) -> None:
    """So small a model may write anything: here printable words, and one at least, so that no test hangs on chance."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    texts = [tokenizer.decode([id], skip_special_tokens=False) for id in range(tokenizer.get_vocab_size())]
    path = model / "generation_config.json"
    config = json.loads(path.read_text())
    ends = config["eos_token_id"]
    ends = {ends} if isinstance(ends, int) else set(ends)
    odd = [
        id
        for id, text in enumerate(texts)
        if id not in ends and not (text.isascii() and text.isprintable() and not text.startswith("<|"))
    ]
    no_words = [id for id, text in enumerate(texts) if id in ends or not text.strip()]
    path.write_text(json.dumps(config | {"suppress_tokens": odd, "begin_suppress_tokens": no_words}))


@pytest.fixture(scope="session")
def site(browser_path, tiny_model, tmp_path_factory) -> Iterator[Site]:
    prefix = shlex.join(warm_jobs().prefix)
    settings = {"E2E_PASSWORD": PASSWORD, "E2E_MODEL": str(tiny_model), "PARLEY_LAUNCH_PREFIX": prefix}
    site = Site(tmp_path_factory.mktemp("site"), **settings)
    site.seeded = json.loads(site.python(SEED))
    site.start()
    yield site
    site.stop()


def pytest_collection_modifyitems(items):
    """A browser that was too slow is asked once more; a wrong answer is not."""
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def open_page(request, browser, site):
    """open_page("alice") -> an empty page of a fresh browser context, signed in; errors in the page fail the test.

    When a test fails, what its pages said is printed with it.
    """
    contexts, errors = [], []

    def open_as(username: str | None = None, **options):
        options = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **options}
        context = browser.new_context(base_url=site.url, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if username:  # without the page of it, which tests/e2e/test_frame.py uses
            who = {"username": username, "password": PASSWORD}
            assert context.request.post("/api/session", data=who).ok
        return page

    yield open_as
    for context in contexts:
        for page in context.pages if request.node.stash.get(FAILED, False) else []:
            print(f"--- {page.url}\n{page.locator('body').inner_text()}")
        context.close()
    assert errors == []


@pytest.fixture
def speak(site):
    """speak("carol", "fr") -> her pages are French until the test ends, however it ends: the site is everybody's."""
    changed = set()

    def set_language(name: str, language: str) -> None:
        headers = {"Authorization": f"Token {site.seeded['tokens'][name]}"}
        httpx.patch(f"{site.url}/api/me", json={"language": language}, headers=headers).raise_for_status()
        changed.add(name)

    yield set_language
    for name in tuple(changed):
        set_language(name, "en")


def sign_in(page, username: str) -> None:
    page.goto("/sign-in")
    page.locator("input[autocomplete=username]").fill(username)
    page.locator("input[autocomplete=current-password]").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
