"""Trainers retrain and see the new policy's candidates arrive; admins make a campaign and import a file."""

import json
import re
import uuid

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.phone import PHONE, fits
from tests.e2e.units import assignment_on, shown_order
from tests.site import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# A few steps of everything: the machinery is real, the learning is not the point here.
TINY_ROUND = {
    "gate": {"win_rate_low": -1},
    "sft": {"max_steps": 3, "per_device_batch_size": 4, "max_length": 128},
    "reward": {"max_steps": 3, "per_device_batch_size": 2, "max_length": 128},
    "ppo": {"num_episodes": 8, "batch_size": 4, "max_new_tokens": 8},
    "evaluate": {"num_prompts": 4, "max_new_tokens": 8},
    "sample": {"num_prompts": 3, "max_new_tokens": 12},
}


def give_feedback(site, campaign: int, name: str, number: int) -> None:
    """Submit through the API, as a program would."""
    headers = {"Authorization": f"Token {site.seeded['tokens'][name]}"}
    http = httpx.Client(base_url=site.url, headers=headers, timeout=30)
    for _ in range(number):
        answer = http.post(f"/api/campaigns/{campaign}/assignments/next").raise_for_status().json()
        assignment = answer["assignment"]
        body: dict = {"submission_key": str(uuid.uuid4())}
        if assignment["campaign"]["kind"] == "ranking":
            body["tiers"] = [[completion["id"]] for completion in assignment["completions"]]
        else:
            answer_turn = {"role": "assistant", "content": "It is called Candlewick."}
            body["messages"] = [*assignment["prompt"]["messages"], answer_turn]
        http.post(f"/api/assignments/{assignment['id']}/submit", json=body).raise_for_status()


def test_a_retraining_is_triggered_and_the_new_policys_candidates_arrive(site, open_page):
    give_feedback(site, site.seeded["writing"], "alice", 6)
    give_feedback(site, site.seeded["ranking"], "alice", 16)
    page = open_page("tom")
    page.goto("/runs")
    page.get_by_role("button", name="Start a round").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Island questions").check()
    dialog.get_by_label("Island answers").check()
    dialog.get_by_label("Base policy").select_option(label="tiny base")
    dialog.get_by_label("Settings (optional)").fill(json.dumps(TINY_ROUND))
    dialog.get_by_role("button", name="Start a round").click()
    dialog.wait_for(state="hidden")

    def the_round() -> list:
        code = "from annotate.runs.models import Round\nprint([[r.state, r.stage, r.error] for r in Round.objects.order_by('-id')])"
        return eval(site.python(code))  # our own code's print

    def ended() -> bool:
        found = the_round()
        return bool(found) and found[0][0] != "running"

    site.wait_until(ended, 420, "the round did not end", every=3)
    assert the_round()[0][0] == "succeeded", the_round()
    page.goto("/policies")
    page.get_by_text("ppo").first.wait_for()
    page.get_by_role("link", name="ppo").first.click()
    page.get_by_text("tiny base").first.wait_for()  # its ancestry goes back to the base
    annotator = open_page("alice")
    annotator.goto(f"/annotate/{site.seeded['ranking']}")
    annotator.get_by_role("article", name="Completion A").wait_for()
    shown = shown_order(site, assignment_on(annotator))[0]
    origin = site.python(
        "from annotate.campaigns.models import Completion\n"
        f"c = Completion.objects.get(id={shown})\n"
        "print(c.policy_version.run.kind, c.seed is not None, sorted(c.sampling))"
    )
    assert origin.startswith("ppo True"), origin


def test_curves_log_and_samples_of_a_run_are_shown(site, open_page):
    page = open_page("tom")
    run = site.python("from annotate.runs.models import Run\nprint(Run.objects.filter(kind='ppo').last().id)")
    page.goto(f"/runs/{run}")
    page.get_by_role("tab", name="Curves").wait_for()
    page.locator("svg .recharts-line path, svg .recharts-dot").first.wait_for(state="attached")
    page.get_by_role("tab", name="Log").click()
    page.get_by_text("GPU").first.wait_for()
    page.get_by_role("tab", name="Samples").click()
    page.get_by_text("island number").first.wait_for()


def test_an_admin_makes_a_campaign_and_imports_a_file(site, open_page, tmp_path):
    upload = tmp_path / "questions.jsonl"
    rows = [
        {"instruction": f"Name bird number {i}.", "input": "", "output": f"Bird {i}.", "topic": "birds"}
        for i in range(5)
    ]
    upload.write_text("\n".join([*map(json.dumps, rows), '{"broken": ', json.dumps(rows[0])]) + "\n")
    page = open_page("carol")
    page.goto("/campaigns")
    page.get_by_role("link", name="New campaign").or_(
        page.get_by_role("button", name="New campaign")
    ).first.click()
    page.get_by_label("Name").first.fill(f"Birds {uuid.uuid4().hex[:6]}")
    page.get_by_label("Kind of work").select_option("demonstration")
    page.get_by_role("button", name="Create the campaign").click()
    page.get_by_role("tab", name="Import and export").click()
    page.locator("input[type=file]").set_input_files(str(upload))
    page.get_by_text("questions.jsonl").first.wait_for()
    code = (
        "from annotate.exchange.models import FeedbackImport as I\n"
        "print([i.state for i in I.objects.order_by('-id')][:1])"
    )
    site.wait_until(lambda: "succeeded" in site.python(code), 90, "the import did not end", every=1)
    page.reload()
    page.get_by_role("tab", name="Import and export").click()
    page.get_by_text("questions.jsonl").first.wait_for()
    page.get_by_text("Report", exact=True).first.click()
    page.get_by_text("Fields that were not read, with the number of records: topic (6).").wait_for()
    page.get_by_text("New in this campaign: 5 prompts, 5 demonstrations.").wait_for()
    stored = (
        "from annotate.exchange.models import FeedbackImport as I\nimport json\n"
        "print(json.dumps(I.objects.order_by('id').last().report))"
    )
    report = json.loads(site.python(stored))
    file = report["files"][0]
    assert (file["records"], file["accepted"], file["duplicates"], file["num_rejected"]) == (7, 5, 1, 1)
    page.get_by_text("line 6", exact=True).wait_for()
    assert report["stored"]["demonstrations"] == 5
    page.get_by_role("tab", name="Members").click()
    page.get_by_label("Add a person").or_(page.get_by_placeholder("User name")).first.fill("alice")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("cell", name="Alice").or_(page.get_by_text("alice")).first.wait_for()


def sentences(language: str) -> dict:
    return json.loads((ROOT / "frontend" / "src" / "locales" / f"{language}.json").read_text())


@pytest.mark.parametrize(("language", "screen"), [("en", {}), ("fr", PHONE)])
def test_a_failed_import_says_why_and_can_be_taken_off_the_list(site, open_page, speak, language, screen):
    say, name = sentences(language)["import"], f"notes-{language}.txt"
    speak("carol", language)
    home = f"/campaigns/{site.seeded['ranking']}"
    headers = {"Authorization": f"Token {site.seeded['tokens']['carol']}", "Accept-Language": language}
    files = {"file": (name, b"Dear diary")}
    httpx.post(f"{site.url}/api{home}/imports", files=files, headers=headers).raise_for_status()
    page = open_page("carol", **screen)
    page.goto(f"{home}/material")
    row = page.locator("article").filter(has_text=name)
    row.get_by_text(sentences(language)["state"]["failed"]).wait_for(timeout=60_000)
    assert fits(page)
    formats = page.get_by_label(say["format"], exact=True)
    around = "select => [select, select.closest('section')].map((one) => one.getBoundingClientRect().right)"
    right, edge = formats.evaluate(around)
    assert right < edge
    tab = page.get_by_role("tab", name=sentences(language)["campaigns"]["tab"]["material"]).bounding_box()
    assert 0 <= tab["x"] and tab["x"] + tab["width"] <= page.viewport_size["width"]
    row.get_by_role("button", name=say["remove"].replace("{{name}}", name)).click()
    page.get_by_role("button", name=say["removeIt"], exact=True).click()
    row.wait_for(state="detached")


@pytest.mark.parametrize(("language", "screen"), [("en", {}), ("fr", PHONE)])
def test_an_admins_words_stay_until_they_are_saved_or_thrown_away(site, open_page, speak, language, screen):
    say, words = sentences(language), f"Say *no* to fog ({language})."
    speak("carol", language)
    page = open_page("carol", **screen)
    home = f"/campaigns/{site.seeded['ranking']}"

    def text():
        return page.get_by_role("textbox", name=say["guidelines"]["text"])

    page.goto(f"{home}/guidelines")
    stored = text().input_value()
    text().fill(words)
    page.get_by_text(say["unsaved"]["kept"]).wait_for()
    # Another tab says so, and the words are still there; likewise after another page, a reload, a closed window.
    page.get_by_role("tab", name=say["campaigns"]["tab"]["terms"]).click()
    page.get_by_role(
        "tab", name=f"{say['campaigns']['tab']['guidelines']} ({say['unsaved']['mark']})"
    ).click()
    expect(text()).to_have_value(words)
    page.get_by_role("link", name=say["nav"]["campaigns"]).click()
    page.go_back()
    text().wait_for()
    expect(text()).to_have_value(words)
    page.reload()
    expect(text()).to_have_value(words)
    assert fits(page)
    context = page.context
    page.close()
    page = context.new_page()
    page.goto(f"{home}/guidelines")
    expect(text()).to_have_value(words)
    # Thrown away on purpose only, and even then there is a way back.
    page.get_by_role("button", name=say["unsaved"]["discard"]).click()
    expect(text()).to_have_value(stored)
    page.get_by_role("button", name=say["common"]["undo"]).click()
    expect(text()).to_have_value(words)
    page.get_by_role("button", name=say["guidelines"]["save"]).click()
    page.get_by_text(re.compile(f"^{say['guidelines']['version'].split('{')[0]}[2-9]$")).wait_for()
    page.reload()
    expect(text()).to_have_value(words)
    expect(page.get_by_text(say["unsaved"]["kept"])).to_have_count(0)

    page.goto("/campaigns/new")
    page.get_by_label(say["campaigns"]["name"]).fill("Owls")
    page.goto("/campaigns")
    page.goto("/campaigns/new")
    expect(page.get_by_label(say["campaigns"]["name"])).to_have_value("Owls")


def test_what_is_begun_in_a_dialog_is_there_when_it_opens_again(site, open_page):
    page = open_page("tom", **PHONE)
    dialog = page.get_by_role("dialog")

    def opened(button: str, field: str):
        page.get_by_role("button", name=button, exact=True).first.click()
        return dialog.get_by_label(field)

    for address, button, field in [
        ("/runs", "Start a round", "Settings (optional)"),
        ("/snapshots", "New snapshot", "Name (optional)"),
    ]:
        page.goto(address)
        opened(button, field).fill('{"begun": 1}')
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
        page.reload()
        expect(opened(button, field)).to_have_value('{"begun": 1}')
        assert fits(page)
        dialog.get_by_role("button", name="Throw away").click()
        dialog.get_by_role("button", name="Cancel").click()
        expect(opened(button, field)).to_have_value("")
        page.keyboard.press("Escape")


def test_unsaved_settings_stand_upon_what_somebody_else_saved_meanwhile(site, open_page):
    address = f"{site.url}/api/campaigns/{site.seeded['writing']}"
    headers = {"Authorization": f"Token {site.seeded['tokens']['carol']}"}
    page = open_page("carol")
    page.goto(f"/campaigns/{site.seeded['writing']}/settings")
    expect(page.get_by_label("Language").locator("option:checked")).to_have_text("English")
    page.get_by_label("Lease in minutes").fill("25")
    httpx.patch(address, json={"correction_hours": 7}, headers=headers).raise_for_status()
    page.reload()
    expect(page.get_by_label("Lease in minutes")).to_have_value("25")
    expect(page.get_by_label("Correction, in hours")).to_have_value("7")
    # What is wrong is said in the page, in its language, and not by the browser.
    page.get_by_label("People for each unit").fill("0")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("A number from 1 to 100.").wait_for()
    page.get_by_label("People for each unit").fill("1")
    page.get_by_label("Status").select_option("closed")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Closed: nothing is handed out").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Saved", exact=True).wait_for()
    stored = httpx.get(address, headers=headers).json()
    assert (stored["lease_seconds"], stored["correction_hours"], stored["status"]) == (1500, 7, "open")


def test_who_is_removed_from_a_campaign_can_be_brought_back_at_once(site, open_page):
    page = open_page("carol")
    page.goto(f"/campaigns/{site.seeded['writing']}/members")
    page.get_by_role("button", name="Remove Bob").click()
    page.get_by_text("Bob is no longer a member").wait_for()
    page.get_by_role("button", name="Remove Bob").wait_for(state="detached")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Remove Bob").wait_for()


def test_the_palette_finds_what_one_may_see_and_nothing_else(site, open_page):
    def found(name: str, words: str):
        page = open_page(name)
        page.goto("/")
        page.get_by_role("main").wait_for()
        page.keyboard.press("Control+k")
        page.get_by_role("combobox").fill(words)
        return page, page.get_by_role("option")

    page, options = found("tom", "tiny base")
    options.filter(has_text="Policy").click()
    page.wait_for_url(f"**/policies/{site.seeded['base']}")
    page.get_by_role("row", name=re.compile("Island questions.*tiny base")).first.wait_for()  # its promotions
    site.python(MEASURED.format(metrics=EVALUATION))
    page, options = found("tom", "evaluate-figures")
    options.filter(has_text="Run · Evaluation").wait_for()
    _page, options = found("tom", "island answers")  # a trainer is no member
    options.filter(has_text="Campaign").wait_for()
    page, options = found("carol", "bob")
    options.filter(has_text="Bob (bob)").wait_for()
    page.goto(f"/campaigns/{site.seeded['writing']}/policies")
    page.get_by_role("row", name=re.compile("Island questions.*tiny base")).first.wait_for()
    page, options = found("alice", "tiny base")
    page.get_by_text("Nothing here is called so.").wait_for()
    expect(options).to_have_count(0)


# As the database gives it back: by the length of the names.
EVALUATION = {
    "kl": 6.1, "mfu": 0.2, "score": 1.4, "kl_low": 5.2, "seconds": 33.2, "kl_high": 7.0, "win_rate": 0.62,
    "ref_score": 0.2, "num_prompts": 40, "win_rate_low": 0.55, "win_rate_high": 0.69, "num_left_out": 3,
}  # fmt: skip
MEASURED = """
from annotate.runs.models import PolicyVersion, Run
base = PolicyVersion.objects.get(name="tiny base")
metrics = {metrics!r}
run, _made = Run.objects.update_or_create(name="evaluate-figures", defaults=dict(
    kind="evaluate", policy=base, ref_policy=base, state="succeeded", metrics=metrics, step=40, total_steps=40,
    config={{"max_new_tokens": 64, "num_prompts": 40, "temperature": 1.0}}))
print(run.id)
"""


def test_a_runs_figures_stand_in_order_the_deciding_one_first(site, open_page, speak):
    run = site.python(MEASURED.format(metrics=EVALUATION))
    for language, screen in (("en", {}), ("fr", PHONE)):
        say = sentences(language)
        name = say["metric"]
        speak("tom", language)
        page = open_page("tom", **screen)
        page.goto(f"/runs/{run}")
        page.get_by_role("heading", name=name["group"]["speed"]).wait_for()
        page.get_by_text(
            say["runs"]["isRun"].replace("{{kind}}", say["runs"]["kinds"]["evaluate"])
        ).wait_for()
        terms = page.get_by_role("term").all_inner_texts()
        # At a glance, then all of them by what they are about; the ends of an interval are no figures of their own.
        expected = ["win_rate", "score", "ref_score", "kl"]
        expected += ["win_rate", "score", "ref_score", "kl", "num_prompts", "num_left_out", "seconds", "mfu"]
        assert terms == [name[each] for each in expected]
        page.get_by_role("definition").first.get_by_text("55").wait_for()
        assert fits(page)
        page.get_by_role("tab", name=say["runs"]["tab"]["inputs"]).click()
        page.get_by_text("max_new_tokens").wait_for()
        settings = page.get_by_role("term").all_inner_texts()[-3:]
        assert settings == [
            "num_prompts",
            "temperature",
            "max_new_tokens",
        ]  # as trainer/evaluate.py lists them
        # The list says what it came to; on a phone no part of it is beside the screen.
        page.goto("/runs")
        row = page.get_by_role("row").filter(has_text="evaluate-figures")
        row.get_by_text(name["win_rate"]).wait_for()
        boxes = [cell.bounding_box() for cell in row.get_by_role("cell").all()]
        assert max(box["x"] + box["width"] for box in boxes if box) <= page.viewport_size["width"]
        assert fits(page)


def test_a_snapshot_that_holds_nothing_to_learn_from_cannot_be_chosen(site, open_page):
    site.python(
        "from annotate.snapshots.models import Snapshot\n"
        "for name, rankings in (('few words', 0), ('many words', 7)):\n"
        "    counts = {'prompts': 9, 'demonstrations': 3, 'rankings': rankings}\n"
        "    Snapshot.objects.get_or_create(name=name, defaults=dict(state='ready', path=name, counts=counts, manifest_sha256='1' * 64))"
    )
    page = open_page("tom")
    page.goto("/runs")
    page.get_by_role("button", name="Start a run").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Kind").select_option(label="DPO")
    empty = dialog.get_by_role("option", name="few words · 0 rankings to learn from")
    empty.wait_for(state="attached")
    expect(empty).to_be_disabled()
    expect(dialog.get_by_role("option", name="many words · 7 rankings to learn from")).to_be_enabled()


FAILED = """
from annotate.runs.models import PolicyVersion, Run
base = PolicyVersion.objects.get(name="tiny base")
print(Run.objects.create(name="sft-failed", kind="sft", policy=base, state="failed", error="The disk is full.").id)
"""


def test_what_failed_by_itself_is_not_to_be_tried_again_first_of_all(site, open_page):
    page = open_page("tom")
    page.goto(f"/runs/{site.python(FAILED)}")
    page.get_by_role("alert").get_by_text("The disk is full.").wait_for()
    again = page.get_by_role("button", name="Try again")
    expect(again).to_have_attribute("data-variant", "default")  # no main button
    expect(page.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    page.goto("/runs/99999999")
    page.get_by_role("alert").wait_for()
    expect(again).to_have_count(0)  # what is not there is so the second time too


LOOP = """
from annotate.runs.models import PolicyVersion, Round, Schedule
base = PolicyVersion.objects.get(name="tiny base")
for number in range(7):
    Round.objects.create(name=f"autumn round {number}", base_policy=base, state="cancelled", stages=["snapshot", "sft"])
Schedule.objects.create(name="every autumn", base_policy=base, every_hours=2000, is_enabled=False)
"""


def test_older_rounds_are_shown_when_asked_for_and_a_schedule_is_deleted_after_a_question(site, open_page):
    site.python(LOOP)
    page = open_page("tom")
    page.goto("/runs")
    page.get_by_role("article", name="autumn round 6").wait_for()
    oldest = page.get_by_role("article", name="autumn round 0")
    expect(oldest).to_have_count(0)
    page.get_by_role("button", name="Show older rounds").click()
    oldest.wait_for()
    line = page.get_by_role("button", name="Delete the schedule every autumn")
    line.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("It cannot be undone.").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    line.click()
    dialog.get_by_role("button", name="Delete").click()
    line.wait_for(state="detached")
