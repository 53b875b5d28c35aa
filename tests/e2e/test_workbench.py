"""The workbench: terms before the first unit, one's own work, each rated alone, further orders, an answer of one's own,
long texts, and the turns of a dialogue."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.axe import violations
from tests.e2e.desk import ask, desk_site
from tests.e2e.units import card_with, make_campaigns, question

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HARBOUR = "The harbour lies behind a wall of *grey stone*, and boats go out at dawn. "
LONG = [f"Text {i}. " + (HARBOUR * 25 + "\n\n") * 5 for i in range(9)]
SHORT = [
    "The sea is salty because of tiny stones.",
    "The sea is salty because of small stones.",
    "Nobody knows.",
]


@pytest.fixture(scope="module")
def site(browser_path, tmp_path_factory):
    with desk_site(tmp_path_factory.mktemp("workbench")) as site:
        three = [question(f"Why is the sea salty? ({i})") for i in range(3)]
        ranking = {"kind": "ranking", "prompts": three, "completions": SHORT, "flags": ["untrue", "harmful"]}
        site.seeded |= make_campaigns(
            site,
            {"name": "Terms", **ranking},
            {"name": "Alone", **ranking, "is_rated_first": True, "criteria": ["helpful"]},
            {"name": "Own", **ranking, "own_answer": "demonstration"},
            {"name": "Long", **ranking, "completions": LONG},
            {"name": "Again", **ranking, "members": ["alice", "bob"], "overlap": 2},
            {
                **ranking,
                "name": "Together",
                "prompts": [question(f"Together {i}?") for i in range(7)],
                "members": ["alice", "bob"],
                "overlap": 2,
            },
            {
                "name": "Dialogue",
                "kind": "demonstration",
                "prompts": three,
                "has_system_message": True,
                "min_words": 3,
                "max_words": 5,
            },
        )
        yield site


def rankings_in(site, name: str) -> list[dict]:
    """The rankings of a campaign, oldest first, each with its ratings as [completion, value].

    Completions are named as the page names them, by place; one's own by its id.
    """
    query = """SELECT r.id, r.tiers, r.criteria, r.all_bad, r.metadata, r.revision, r.seconds_spent,
        (SELECT json_agg(json_build_array(x.completion_id, x.value)) FROM feedback_rating x WHERE x.ranking_id = r.id),
        r.shown_order FROM feedback_ranking r WHERE r.campaign_id = %s ORDER BY r.id"""
    names = ("id", "tiers", "criteria", "all_bad", "metadata", "revision", "seconds_spent", "ratings")
    found = []
    for *row, shown in ask(site, query, site.seeded[name]):
        stored = dict(zip(names, row, strict=True))
        place = {id: at for at, id in enumerate(shown, start=1)}

        def by_place(tiers: list[list[int]], place=place) -> list[list[int]]:
            return [[place.get(id, id) for id in tier] for tier in tiers]

        stored["tiers"] = by_place(stored["tiers"])
        stored["criteria"] = {name: by_place(tiers) for name, tiers in stored["criteria"].items()}
        stored["ratings"] = [[place[id], value] for id, value in stored["ratings"] or []]
        found.append(stored)
    return found


def stored_in(site, name: str, num: int = 1) -> dict:
    site.wait_until(lambda: len(rankings_in(site, name)) == num, 20, "the ranking was not stored")
    return rankings_in(site, name)[-1]


def id_of(page, words: str) -> int:
    return int(card_with(page, words).get_attribute("data-completion"))


def test_terms_are_written_by_an_admin_and_agreed_to_before_the_first_unit(site, open_page):
    admin = open_page("carol")
    admin.goto(f"/campaigns/{site.seeded['Terms']}/terms")
    admin.get_by_label("Text").fill("# Terms\n\nWhat you write **trains** models.")
    admin.get_by_role("button", name="Save as a new version").click()
    admin.get_by_text("Version 1", exact=True).wait_for()

    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['Terms']}")
    page.get_by_role("heading", name="Before you begin").wait_for()
    page.locator("strong", has_text="trains").wait_for()
    expect(page.get_by_role("article", name="Completion A")).to_have_count(0)
    # They change while they are read: what is agreed to is what was read.
    admin.get_by_label("Text").fill("Only this.")
    admin.get_by_role("button", name="Save as a new version").click()
    admin.get_by_text("Version 2", exact=True).wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Only this.").wait_for()
    page.get_by_role("alert").wait_for()
    page.get_by_role("button", name="I agree, begin").click()
    page.get_by_role("article", name="Completion A").wait_for()
    versions = """SELECT t.version FROM campaigns_consent c JOIN campaigns_terms t ON t.id = c.terms_id
        WHERE t.campaign_id = %s"""
    assert ask(site, versions, site.seeded["Terms"]) == [(2,)]


def test_an_admin_sets_how_rankings_and_dialogues_are_made(site, open_page):
    page = open_page("carol")
    page.goto(f"/campaigns/{site.seeded['ranking']}/settings")
    page.get_by_label("Correction, in hours").fill("48")
    page.get_by_label("Rate each alone before ordering").check()
    page.get_by_label("Further orders").fill("helpful\nharmless\n")
    page.get_by_label("A better answer by who ranks").select_option("off")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved", exact=True).wait_for()
    columns = (
        "SELECT correction_hours, is_rated_first, criteria, own_answer FROM campaigns_campaign WHERE id = %s"
    )
    hours, is_rated_first, criteria, own = ask(site, columns, site.seeded["ranking"])[0]
    assert (hours, is_rated_first, own) == (48, True, "off")
    assert criteria == ["helpful", "harmless"]
    page.goto(f"/campaigns/{site.seeded['writing']}/settings")
    page.get_by_label("Instructions to the assistant").check()
    page.get_by_label("Shortest answer, in words").fill("20")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved", exact=True).wait_for()
    columns = "SELECT has_system_message, min_words, max_words FROM campaigns_campaign WHERE id = %s"
    assert ask(site, columns, site.seeded["writing"]) == [(True, 20, None)]


def test_each_is_rated_alone_then_all_are_ordered_overall_and_by_criterion_by_keyboard_alone(site, open_page):
    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['Alone']}")
    page.get_by_role("heading", name="Completion A of 3").wait_for()
    expect(page.locator("article[data-completion]")).to_have_count(1)  # the others are not beside it
    shown = []
    for value in "526":
        card = page.locator("article[data-completion]")
        shown.append(int(card.get_attribute("data-completion")))
        page.keyboard.press("Control+Enter")
        page.get_by_text("Give every completion a rating first.").first.wait_for()
        page.keyboard.press(value)
        page.keyboard.press("j")
    page.get_by_role("region", name="Order").wait_for()
    page.locator("[data-letter]").first.focus()
    for key in ["2", "j", "3", "j", "1", "Control+Enter"]:
        page.keyboard.press(key)
    page.get_by_text("for “Helpful” too").first.wait_for()
    kept = """SELECT d.content -> 'rows' FROM feedback_draft d JOIN feedback_assignment a ON a.id = d.assignment_id
        WHERE a.campaign_id = %s"""
    rows = [[shown[2]], [shown[0]], [shown[1]]]
    site.wait_until(lambda: ask(site, kept, site.seeded["Alone"]) == [(rows,)], 20, "the draft was not saved")
    page.reload()  # the step and every order are kept
    page.get_by_role("region", name="Order").wait_for()
    page.locator("[data-letter]").first.focus()
    # The hint of the key stands on the button of the order to which it leads.
    expect(page.get_by_role("button", name="Helpful").locator("kbd")).to_have_text("P")
    for key in ["p", "1", "j", "1", "j", "2", "Control+Enter"]:
        page.keyboard.press(key)
    a, b, c = shown
    stored = stored_in(site, "Alone")
    assert stored["tiers"] == [[c], [a], [b]]
    assert [sorted(tier) for tier in stored["criteria"]["helpful"]] == [sorted([a, b]), [c]]
    assert sorted(stored["ratings"]) == sorted([[a, 5], [b, 2], [c, 6]])


def test_a_better_answer_is_written_and_ranked_and_two_texts_are_compared_by_mouse(site, open_page):
    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['Own']}")
    page.get_by_role("article", name="Completion A").wait_for()
    tiny, small, nobody = (id_of(page, words) for words in ("tiny stones", "small stones", "Nobody"))
    card_with(page, "tiny stones").locator("[data-letter]").click()
    page.get_by_role("button", name="Differences").click()
    card_with(page, "Nobody").locator("[data-letter]").click()
    page.locator(f"[data-completion='{small}'] [data-letter]").click()
    compared = page.locator(f"[data-completion='{small}']")
    compared.locator("ins").wait_for()
    expect(compared.locator("ins")).to_have_text(["small"])
    expect(compared.locator("del")).to_have_text(["tiny"])
    page.get_by_role("button", name="Differences from").click()
    page.get_by_role("button", name="One at a time").click()
    expect(page.locator("article[data-completion]:visible")).to_have_count(1)
    page.get_by_role("button", name="One at a time").click()
    page.get_by_role("button", name="Columns").click()
    boxes = [box.bounding_box() for box in page.locator("article[data-completion]").all()[:2]]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="Write a better answer").click()
    page.keyboard.type("Rivers bring salt from the rocks, 1 grain at a time.")
    order = page.get_by_role("region", name="Order")
    page.locator("[data-chip='D']").focus()
    page.keyboard.press("1")
    page.locator(f"[data-completion='{tiny}'] select").select_option("1")
    page.locator(f"[data-completion='{nobody}'] select").select_option("3")
    expect(order.get_by_role("listitem")).to_have_count(4)
    page.get_by_text("Saved", exact=True).wait_for()
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("1 of 4 is not ordered.").wait_for()
    page.get_by_role("button", name="Submit all the same").click()
    stored = stored_in(site, "Own")
    own = stored["metadata"]["own_answer"]
    assert stored["tiers"] == [[own], [tiny], [nobody]]  # one is left out of the order
    demonstrated = "SELECT messages FROM feedback_demonstration WHERE campaign_id = %s"
    assert "1 grain at a time" in str(ask(site, demonstrated, site.seeded["Own"]))


def test_letters_lead_to_completions_steps_are_undone_and_a_better_answer_is_closed_by_keyboard_alone(
    site, open_page
):
    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['Own']}")
    page.get_by_role("article", name="Completion A").wait_for()
    menus = page.locator("article[data-completion] select")

    def press(*keys: str) -> list[str]:
        for key in keys:
            page.keyboard.press(key)
        return [menu.input_value() for menu in menus.all()]

    assert press("b", "1", "c", "2", "a", "2") == ["1", "0", "1"]
    expect(page.get_by_role("checkbox", name="All are bad")).not_to_be_checked()
    assert press("Control+z") == ["-1", "0", "1"]
    assert press("n", "Shift+Backspace", "Control+z", "Control+z") == ["-1", "0", "1"]
    expect(page.get_by_role("checkbox", name="All are bad")).not_to_be_checked()
    page.get_by_role("button", name="Take all out of the order").click()
    page.get_by_role("button", name="Undo the last placing").click()

    field = page.get_by_label("Completion D, yours")
    press("w", "Escape")  # nothing was written: it closes, and keys are keys again
    expect(field).to_have_count(0)
    press("q")
    page.get_by_role("complementary", name="Guidelines").wait_for(state="detached")
    press("q", "w")
    page.keyboard.type("Rivers bring it.")
    assert press("Escape", "3", "a", "3") == ["2", "0", "1"]  # out of the text, its letter at hand
    chips = page.get_by_role("listitem", name="Place 3").locator("[data-chip]")
    assert sorted(chips.all_inner_texts()) == ["A", "D"]
    page.get_by_role("button", name="Close; your words are kept").click()
    expect(page.locator("[data-chip='D']")).to_have_count(0)
    expect(field).to_have_count(0)
    page.get_by_text("Saved", exact=True).wait_for()
    page.reload()
    page.get_by_role("button", name="Take up your better answer again").click()
    expect(field).to_have_value("Rivers bring it.")


FRAMES = """() => new Promise(done => {
  const gaps = []; let last = performance.now();
  window.stopFrames = () => done(gaps);
  const tick = now => { gaps.push(now - last); last = now; window.isStopped ? done(gaps) : requestAnimationFrame(tick) };
  window.isStopped = false; requestAnimationFrame(tick);
})"""


def test_nine_completions_of_two_thousand_words_scroll_together_and_are_dragged_smoothly(site, open_page):
    page = open_page("alice")
    page.goto(f"/annotate/{site.seeded['Long']}")
    page.get_by_role("article", name="Completion I").wait_for()
    page.evaluate("localStorage.setItem('parley.ranking.layout', 'columns')")
    page.reload()
    page.get_by_role("article", name="Completion I").wait_for()
    texts = page.locator("[data-scrolls]")
    texts.first.evaluate("text => { text.scrollTop = 400 }")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-scrolls]')].every(t => t.scrollTop > 300)"
    )
    page.keyboard.press("l")
    expect(texts).to_have_count(0)

    # What is drawn anew is replaced or changed: while one is dragged, no text is.
    page.evaluate("""() => {
      window.changed = 0;
      const observer = new MutationObserver(found => { window.changed += found.length });
      for (const card of document.querySelectorAll('article[data-completion]'))
        observer.observe(card, {subtree: true, childList: true, characterData: true, attributes: true});
    }""")
    chip = page.locator("[data-chip='A']").bounding_box()
    rows = page.get_by_role("region", name="Order").get_by_role("listitem", name=re.compile("^Place"))
    first, last = rows.first.bounding_box(), rows.last.bounding_box()
    page.mouse.move(chip["x"] + 10, chip["y"] + 10)
    page.mouse.down()
    page.mouse.move(chip["x"] + 30, chip["y"] + 10)
    page.evaluate("window.changed = 0")
    page.evaluate(f"void ({FRAMES})().then(gaps => {{ window.gaps = gaps }})")
    for step in range(40):
        y = first["y"] + (last["y"] - first["y"]) * (step % 20) / 20 + 20
        page.mouse.move(first["x"] + 100 + step, y)
    page.mouse.move(first["x"] + 100, first["y"] + 20)
    page.evaluate("window.isStopped = true")
    page.wait_for_function("() => window.gaps !== undefined")
    assert page.evaluate("window.changed") == 0
    gaps = sorted(page.evaluate("window.gaps"))
    page.mouse.up()
    page.get_by_role("article", name="Completion A").locator("select").get_by_text("Place 1").wait_for(
        state="attached"
    )
    print(f"frames while dragging: median {gaps[len(gaps) // 2]:.1f} ms, longest {gaps[-1]:.1f} ms")
    assert gaps[len(gaps) // 2] < 50  # 60 a second on a machine of one's own; others work here too


def test_my_work_is_found_again_and_corrected_with_its_history(site, open_page):
    page = open_page("bob")
    page.goto(f"/annotate/{site.seeded['Again']}")
    page.get_by_role("article", name="Completion A").wait_for()
    tiny, small = (id_of(page, words) for words in ("tiny stones", "small stones"))
    page.locator(f"[data-completion='{tiny}'] select").select_option("0")
    page.get_by_text("Saved", exact=True).wait_for()
    page.goto("/")
    drafts = page.get_by_role("region", name="Begun, not submitted")
    drafts.get_by_role("link", name="Why is the sea salty? (0)").click()
    page.locator(f"[data-completion='{small}'] select").select_option("1")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("button", name="Submit all the same").click()  # one is not ordered
    first = stored_in(site, "Again")
    assert first["tiers"] == [[tiny], [small]] and first["revision"] == 1

    page.goto("/")
    page.get_by_text("1 done by you · 1 today").wait_for()
    line = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Again"))
    line.get_by_role("img", name="1 of 3 units done").wait_for()  # of one's own, as the words are
    line.get_by_text("2 units left for you").wait_for()
    line.get_by_role("link", name="Continue in Again").wait_for()
    page.get_by_role("link", name="Open or correct").first.click()
    page.get_by_text("You submitted this on").wait_for()
    expect(page.get_by_role("button", name="Skip")).to_have_count(0)
    page.locator(f"[data-completion='{tiny}'] select").select_option("1")
    page.get_by_text("Saved", exact=True).wait_for()
    page.reload()  # a correction that is begun is kept too
    page.get_by_role("button", name="Save the correction").click()
    page.get_by_role("button", name="Submit all the same").click()
    page.get_by_role("heading", name="Corrected").wait_for()
    corrected = rankings_in(site, "Again")
    assert len(corrected) == 1 and corrected[0]["revision"] == 2
    assert sorted(corrected[0]["tiers"][0]) == sorted([tiny, small])
    assert "tiers" in str(ask(site, "SELECT content FROM feedback_revision WHERE number = 1"))
    page.get_by_role("link", name="My work").click()
    page.get_by_text("corrected once").wait_for()

    ask(site, "UPDATE feedback_ranking SET created_at = created_at - interval '3 days' WHERE campaign_id = %s",
        site.seeded["Again"])  # fmt: skip
    page.reload()
    page.get_by_role("link", name="Why is the sea salty? (0)").click()
    page.get_by_text("The time to correct it ended").wait_for()
    expect(page.locator(f"[data-completion='{tiny}'] select")).to_be_disabled()
    expect(page.get_by_role("button", name="Save the correction")).to_have_count(0)
    page.get_by_role("button", name="Earlier versions").click()
    dialog = page.get_by_role("dialog", name="Earlier versions")
    dialog.locator("del", has_text=">").wait_for()  # one was above the other, now they are tied
    expect(dialog.locator("ins", has_text="=")).to_have_count(1)
    second = dialog.get_by_label("To").locator("option").nth(1)
    expect(second).to_have_text(re.compile("^1 · by you · "))
    dialog.get_by_label("To").select_option("1")
    dialog.locator("ins", has_text="=").wait_for(state="detached")
    assert violations(page) == []


def test_what_changed_in_the_guidelines_is_shown_once(site, open_page):
    page = open_page("bob")
    page.goto(f"/annotate/{site.seeded['writing']}")
    page.get_by_role("textbox").first.wait_for()
    site.python(
        "from annotate.accounts.models import User\nfrom annotate.campaigns.models import Campaign\n"
        "from annotate.campaigns.services import mark_guidelines_read, write_guidelines\n"
        f"campaign = Campaign.objects.get(id={site.seeded['writing']})\n"
        "rules = '\\n\\n'.join(f'Rule {i}: read everything first.' for i in range(80))\n"
        "read = write_guidelines(campaign, rules + ' Be **kind** and true.', by=None)\n"
        "mark_guidelines_read(campaign, User.objects.get(username='bob'), read.version)\n"
        "write_guidelines(campaign, rules + ' Be **brief** and true.', by=None)"
    )
    page.goto("/")
    page.get_by_text("The guidelines have changed since you last read them.").wait_for()
    page.get_by_role("button", name="See what changed").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("del strong", has_text="kind").wait_for()  # as it is read
    [place] = dialog.locator("ins strong", has_text="brief").evaluate_all(
        "found => found.map(mark => mark.getBoundingClientRect().toJSON())"
    )
    assert 0 < place["top"] < place["bottom"] < 900, "the change is out of sight"
    expect(dialog.get_by_role("button", name="Close")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_text("The guidelines have changed").wait_for(state="detached")


def test_a_dialogue_gets_instructions_hints_and_its_exchanges_in_another_order(site, open_page):
    page = open_page("alice", viewport={"width": 390, "height": 844})
    page.goto(f"/annotate/{site.seeded['Dialogue']}")
    page.get_by_role("button", name="Add instructions to the assistant").click()
    page.keyboard.type("Answer like a sailor.")
    turns = page.locator("textarea[data-turn]")
    turns.first.focus()
    page.keyboard.type("Aye.")
    page.get_by_text("Write in this language: English · 1 word · 3 to 5 words are asked for").wait_for()
    for text in ["Where?", "North.", "When?", "Now."]:
        page.keyboard.press("Alt+Enter")
        page.keyboard.type(text)
    turns.nth(3).focus()
    page.keyboard.press("Alt+ArrowUp")
    assert [turn.input_value() for turn in turns.all()] == ["Aye.", "When?", "Now.", "Where?", "North."]
    turns.nth(4).focus()
    page.evaluate("""() => {
      const pasted = new DataTransfer(); pasted.setData('text', ' By sea.');
      document.activeElement.dispatchEvent(
        new ClipboardEvent('paste', {clipboardData: pasted, bubbles: true, cancelable: true}));
    }""")
    page.keyboard.press("End")
    page.keyboard.insert_text(" By sea.")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page scrolls sideways on a phone"
    page.get_by_role("button", name="Submit").click()
    query = "SELECT messages, metadata FROM feedback_demonstration WHERE campaign_id = %s"
    site.wait_until(lambda: ask(site, query, site.seeded["Dialogue"]), 20, "the dialogue was not stored")
    messages, metadata = ask(site, query, site.seeded["Dialogue"])[0]
    assert messages[0] == {"role": "system", "content": "Answer like a sailor."}
    assert [m["content"] for m in messages[2:]] == ["Aye.", "When?", "Now.", "Where?", "North. By sea."]
    assert metadata["pastes"] == [{"turn": 6, "length": 8}]


def test_a_remark_reaches_the_moderators_and_is_dealt_with(site, open_page):
    page = open_page("bob", viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(f"/annotate/{site.seeded['writing']}")
    page.get_by_role("textbox").first.wait_for()
    page.get_by_role("button", name="Tell an administrator").tap()
    dialog = page.get_by_role("dialog", name="Tell an administrator")
    dialog.get_by_role("button", name="Send").tap()  # what is missing is said by the page, in its language
    dialog.get_by_text("Write your comment, or choose what it is about.").wait_for()
    dialog.get_by_role("button", name="It is unclear").tap()
    dialog.get_by_role("textbox").fill("Which harbour is meant?")
    dialog.get_by_role("button", name="Send").tap()
    page.get_by_text("Your remark has been sent").first.wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)

    admin = open_page("carol")
    admin.goto(f"/campaigns/{site.seeded['writing']}/remarks")
    line = admin.get_by_role("listitem").filter(has_text="Which harbour is meant?")
    line.get_by_text("It is unclear").first.wait_for()
    expect(line).to_contain_text("What is the harbour of island")
    expect(line).to_contain_text("Bob")
    line.get_by_role("button", name="Dealt with").click()
    admin.get_by_text("No remarks to be dealt with").wait_for()
    admin.get_by_text("Dealt with", exact=True).click()
    admin.get_by_text("dealt with by Carol").wait_for()


def test_ones_own_keys_and_text_size_come_with_the_account_and_everything_is_found_by_name(site, open_page):
    page = open_page("alice")
    page.goto("/account")
    page.get_by_text("Larger", exact=True).click()
    page.get_by_role("button", name="Skip: S. Change").click()
    for key in "rb":  # another control has it; a completion is called so
        page.keyboard.press(key)
        page.get_by_text(f"“{key}” cannot be used").wait_for()
    with page.expect_response("**/api/me"):
        page.keyboard.press(";")
    page.get_by_role("button", name="Skip: ;. Change").wait_for()

    elsewhere = open_page("alice")  # another device
    elsewhere.goto("/")
    elsewhere.get_by_role("link", name="Start in Letters").wait_for()
    elsewhere.keyboard.press("Control+k")
    elsewhere.keyboard.type("lett")  # at once: no letter is lost, and none is a key of the page
    elsewhere.get_by_role("option", name="Letters").wait_for()
    elsewhere.keyboard.press("Enter")
    elsewhere.wait_for_url(f"**/annotate/{site.seeded['writing']}")
    field = elsewhere.get_by_role("textbox").first
    field.wait_for()
    assert field.evaluate("field => getComputedStyle(field).fontSize") == "24px"
    elsewhere.keyboard.press("s")
    expect(elsewhere.get_by_role("dialog")).to_have_count(0)
    elsewhere.keyboard.press(";")
    elsewhere.get_by_role("dialog", name="Skip this unit?").wait_for()
    elsewhere.keyboard.press("Escape")
    field.focus()
    elsewhere.keyboard.type(";/")  # while one writes they are letters
    expect(field).to_have_value(";/")
    elsewhere.keyboard.press("Escape")  # and keys again when one has left the text
    elsewhere.keyboard.press(";")
    elsewhere.get_by_role("dialog", name="Skip this unit?").wait_for()
    elsewhere.keyboard.press("Escape")
    elsewhere.keyboard.press("Control+k")
    elsewhere.get_by_role("option", name="Skip This unit").wait_for()
    elsewhere.keyboard.type("administrator")
    elsewhere.keyboard.press("Enter")
    elsewhere.get_by_role("dialog", name="Tell an administrator").wait_for()


def test_letters_typed_at_once_are_in_the_dialog_that_a_key_opened(site, open_page):
    page = open_page("bob")
    page.goto(f"/annotate/{site.seeded['writing']}")
    page.get_by_role("textbox").first.wait_for()
    page.keyboard.press("r")
    page.keyboard.type("Which harbour? Sharks?")
    written = page.get_by_role("dialog", name="Tell an administrator").get_by_role("textbox")
    expect(written).to_have_value("Which harbour? Sharks?")


def test_an_admin_chooses_two_policies_for_a_campaign(site, open_page):
    site.python(
        "from annotate.runs.models import PolicyVersion\n"
        "for name in ('first', 'second'): PolicyVersion.objects.create(name=name, path='/' + name)"
    )
    versus = make_campaigns(site, {"name": "Versus", "kind": "chat", "prompts": [question()]})["Versus"]
    page = open_page("carol", viewport={"width": 390, "height": 844})
    page.goto(f"/campaigns/{versus}/progress")
    page.get_by_role("tab", name="Policies").click()
    page.get_by_text("samples from no policy").wait_for()
    page.get_by_role("button", name="Add a policy").click()
    page.get_by_role("button", name="Add a policy").click()
    expect(page.get_by_role("button", name="Add a policy")).to_have_count(0)  # there are two
    page.get_by_label("Weight").first.fill("3")
    page.get_by_text("75%").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved", exact=True).wait_for()
    chosen = """SELECT p.name, c.weight FROM campaigns_campaignpolicy c JOIN runs_policyversion p ON p.id = c.policy_version_id
        WHERE c.campaign_id = %s ORDER BY c.id"""
    assert ask(site, chosen, versus) == [("second", 3), ("first", 1)]
    page.get_by_role("tab", name="Progress").click()
    page.get_by_role("link", name="second").wait_for()
    expect(page.get_by_text("Extra submissions")).to_have_count(0)  # where there are none, none are spoken of


def test_sampling_at_once_is_said_to_have_begun_with_the_way_to_its_run(site, open_page):
    site.python(
        "from annotate.runs.models import PolicyVersion\nPolicyVersion.objects.create(name='third', path='/third')"
    )
    asked = {"kind": "ranking", "prompts": [question("What is sampled?")]}
    sampled = make_campaigns(site, {"name": "Sampled", **asked})["Sampled"]
    page = open_page("carol")
    page.goto(f"/campaigns/{sampled}/policies")
    page.get_by_role("button", name="Add a policy").click()
    page.get_by_label("Sample from them now").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved, and sampling has begun.").wait_for()
    page.get_by_role("link", name=re.compile("^Run sample")).click()
    page.get_by_text("Run · Sampling").wait_for()


# Both rank the next units; bob puts the last two completions the other way round.
RANK_TOGETHER = """
import uuid
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.ranking import submit_ranking
from annotate.quality.agreement import count_agreement

campaign = Campaign.objects.get(name="Together")
for name in ("alice", "bob"):
    for _ in range(NUM):
        unit = lease_next_assignment(campaign, User.objects.get(username=name)).assignment
        first, second, third = sorted(unit.shown_order)
        order = [first, second, third] if name == "alice" else [first, third, second]
        submit_ranking(unit.id, unit.annotator, HandedIn(uuid.uuid4()), tiers=[[id] for id in order])
count_agreement()
"""


def test_agreement_with_others_is_among_ones_figures_once_there_are_enough_pairs(site, open_page):
    page = open_page("alice")
    page.goto("/")
    line = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Together"))
    line.wait_for()
    expect(line.get_by_text("agree")).to_have_count(0)  # nothing given yet
    site.python("NUM = 6" + RANK_TOGETHER)
    page.reload()
    line.get_by_text("shown after 2 more pairs").wait_for()
    site.python("NUM = 1" + RANK_TOGETHER)
    page.reload()
    line.get_by_text("You put 66.7% of 21 pairs in the same order as others").wait_for()
