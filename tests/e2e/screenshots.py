"""Takes the pictures of the annotators' guide anew: python -m tests.e2e.screenshots [--out docs/annotators/images]

A site of its own with a few campaigns on the islands of the demo, and one in Arabic. Each page is taken four times:
on a desktop, light in English and dark in French; on a phone, dark in English and light in French. Look at each.
"""

import argparse
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import PASSWORD, find_browser, sign_in
from tests.site import ROOT, Site

SEED = """
import json, os, uuid
from annotate.accounts.models import User
from annotate.accounts.services import annotator_of, create_user
from annotate.campaigns.models import Campaign, Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign, write_terms
from annotate.feedback.models import Draft, Suggestion
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.units import queue_all_reviews, queue_prompts, queue_ranking_units
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.feedback.kinds.ranking import submit_ranking
from annotate.quality.agreement import count_agreement

password = os.environ["E2E_PASSWORD"]
ada = create_user(username="ada", password=password, roles=["annotator"], name="Ada Lind")
GUIDELINES = \"\"\"# What a good answer is

1. It is **true**: it names what was asked for, and no other.
2. It is in the language of the question.
3. It is courteous, and it ends.

A table is welcome where it helps:

| asked for | say |
| --- | --- |
| a ferry | its name and its quay |
| a recipe | amounts, then steps |
\"\"\"
TABLE = \"\"\"Two ferries cross to Quill every day:

| ferry | leaves | arrives |
| --- | --- | --- |
| *Halcyon* | 07:40 | 08:25 |
| *Lumen* | 16:10 | 16:55 |

Take the **Halcyon** if you want to be back in the evening.\"\"\"
CODE = \"\"\"You can work it out yourself. A crossing of $d$ miles at $v$ knots takes

$$t = 60 \\\\cdot \\\\frac{d}{v} \\\\text{ minutes}$$

```python
def crossing(miles: float, knots: float) -> float:
    return 60 * miles / knots
```

For Quill that is about forty-five minutes.\"\"\"
SHORT = "Halcyon. Obviously."
RAMBLING = ("Oh, where do I begin? There was fog this morning and my aunt lost her hat, so nobody knows when anything leaves. "
            "I believe the ferry is called Lumen, or perhaps that was the goat in the song.")
QUESTION = [{"role": "user", "content": "I would like to spend the day on Quill. Which ferry do I take, and how long is the crossing?"}]
ARABIC_QUESTION = [{"role": "user", "content": "أريد أن أقضي اليوم في جزيرة كويل. أي عبّارة أركب، وكم يستغرق العبور؟"}]
ARABIC = [
    "بكل سرور! اركب العبّارة **Halcyon** في الساعة 07:40 من رصيف Tansyquay، ويستغرق العبور 45 دقيقة. أتمنى لك يومًا جميلًا!",
    "العبّارة اسمها Halcyon.",
    "لا أدري، لكن عمتي أضاعت قبعتها هذا الصباح في الضباب، ثم غنّى الجميع أغنية عن ماعز.",
]

def ranking(name, prompt, texts, kind="ranking", **options):
    made = create_campaign(name=name, kind=kind, num_completions=len(texts), guidelines_text=GUIDELINES, **options)
    others = [NewPrompt(messages=[{"role": "user", "content": f"Which ferry goes to {island}?"}]) for island in ("Norra", "Cresk", "Tern")]
    candidates = []
    for stored in add_prompts(made, [NewPrompt(messages=prompt), *others]).created:
        rows = Completion.objects.bulk_create(Completion(prompt=stored, text=text) for text in texts)
        candidates.append((stored.id, [row.id for row in rows]))
    queue_ranking_units(made, candidates)
    return made

def writing(name, prompts, **options):
    made = create_campaign(name=name, kind="demonstration", guidelines_text=GUIDELINES, **options)
    queue_prompts(made, [NewPrompt(messages=prompt) for prompt in prompts])
    return made

made = {
    "ranking": ranking("Lantern Isles: rank", QUESTION, [TABLE, CODE, SHORT, RAMBLING]),
    "rated": ranking("Lantern Isles: rate, then rank", QUESTION, [TABLE, CODE, SHORT, RAMBLING], is_rated_first=True,
                     criteria=["helpful", "harmless"]),
    "writing": writing("Lantern Isles: write", [QUESTION] * 1 + [[{"role": "user", "content": "Where does one buy lamp oil?"}]]),
    "best-worst": ranking("Lantern Isles: best and worst", QUESTION, [TABLE, CODE, SHORT, RAMBLING], kind="best_worst"),
    "comparison": ranking("Lantern Isles: compare", QUESTION, [TABLE, CODE], kind="comparison"),
    "arabic": ranking("جزر الفوانيس: رتّب", ARABIC_QUESTION, ARABIC, language="ar"),
    "terms": writing("Lantern Isles: with terms", [QUESTION]),
}
chat = create_campaign(name="Lantern Isles: talk", kind="chat", guidelines_text=GUIDELINES)
queue_prompts(chat, [NewPrompt(messages=QUESTION), NewPrompt(brief="Ask for a recipe with lamp oil.")])
add_member(chat, ada)
talk = lease_next_assignment(chat, ada).assignment
answers = [Suggestion.objects.create(assignment=talk, turn=1, pair=1, side=side, seed=1, text=text, is_complete=True)
           for side, text in enumerate([TABLE, RAMBLING])]
turn = {"key": "first", "content": "", "pair": 1, "chosen": answers[0].id, "strength": 2, "edited": None,
        "answers": [{"suggestion": answer.id, "text": answer.text} for answer in answers]}
Draft.objects.create(assignment=talk, content={"turns": [turn], "written": "And when does it come back?"}, revision=1)
made["chat"] = chat
bob = create_user(username="bob", password=password, roles=["annotator"], name="Bob Torr")
bobs = writing("Letters to Quill", [QUESTION])
add_member(bobs, bob)
given = lease_next_assignment(bobs, bob).assignment
answer = "With pleasure! Take the Halcyon at 07:40 from Tansyquay; you are there at 08:25. Have a lovely day!"
submit_demonstration(given.id, annotator_of(bob), HandedIn(uuid.uuid4()), messages=[
    *QUESTION, {"role": "assistant", "content": answer}])
made["review"] = create_campaign(name="Second look at the letters", kind="review", guidelines_text=GUIDELINES,
                                 reviewed_campaign=bobs)
for campaign in made.values():
    add_member(campaign, ada)
write_terms(made["terms"], "What you write here trains a language model and may be published.\\n\\n"
            "- Write nothing that names a real person.\\n- You may stop at any time; what you gave stays.", by=ada)
queue_all_reviews()

# Cleo has been at it for a while: what a home page looks like then.
cleo = create_user(username="cleo", password=password, roles=["annotator"], name="Cleo Marsh")
letters = writing("Answers for visitors", [
    [{"role": "user", "content": question}] for question in (
        "Where does one buy lamp oil on Quill?", "Is the heron inn open in winter?", "What is the ferry to Norra called?",
        "How do I bake a lantern cake?", "Who keeps the light on Cresk?", "May I bring a goat on the Halcyon?")])
harbours = create_campaign(name="Harbours, ranked by two", kind="ranking", num_completions=4, overlap=2, guidelines_text=GUIDELINES)
asked = [NewPrompt(messages=[{"role": "user", "content": f"Which is the safest harbour on {island}?"}])
         for island in ("Norra", "Cresk", "Tern", "Quill", "Gull", "Sand", "Heron")]
queue_ranking_units(harbours, [
    (stored.id, [row.id for row in Completion.objects.bulk_create(
        Completion(prompt=stored, text=text) for text in (TABLE, CODE, SHORT, RAMBLING))])
    for stored in add_prompts(harbours, asked).created])
for person, num_letters, num_harbours in ((bob, 0, 5), (cleo, 4, 6)):
    for made_here in (letters, harbours):
        add_member(made_here, person)
    for number in range(num_letters):
        given = lease_next_assignment(letters, person).assignment
        words = ["Certainly!", "Yes, gladly.", "With pleasure:", "Of course."][number]
        submit_demonstration(given.id, annotator_of(person), HandedIn(uuid.uuid4(), 70 + 17 * number), messages=[
            *given.unit.prompt.messages, {"role": "assistant", "content": words + " Ask for Ma Reed at the quay."}])
    for number in range(num_harbours):
        given = lease_next_assignment(harbours, person).assignment
        ids = sorted(given.shown_order)
        if person == cleo and number % 3 == 1:
            ids[1], ids[2] = ids[2], ids[1]
        submit_ranking(given.id, annotator_of(person), HandedIn(uuid.uuid4(), 48 + 9 * number), tiers=[[one] for one in ids])
begun = lease_next_assignment(letters, cleo).assignment
Draft.objects.create(assignment=begun, revision=1, content={"turns": [{"key": "a", "role": "assistant", "content": "The light on Cresk"}]})
add_member(made["terms"], cleo)
last = letters.demonstrations.filter(annotator__user=cleo).latest("id")
submit_demonstration(last.assignment_id, last.annotator, HandedIn(uuid.uuid4(), revises=1), messages=[
    *last.prompt.messages, {"role": "assistant", "content": "Of course. Ask for Ma Reed, at the quay of Tansyquay, before noon."}])
count_agreement()
User.objects.update(preferences={"practised": list(Campaign.Kind.values)})
print(json.dumps({name: campaign.id for name, campaign in made.items()} | {"letters": letters.id, "corrected": last.assignment_id}))
"""
VARIANTS = {
    "desktop-light-en": {
        "viewport": {"width": 1440, "height": 900},
        "color_scheme": "light",
        "language": "en",
    },
    "desktop-dark-fr": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark", "language": "fr"},
    "phone-dark-en": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "language": "en"},
    "phone-light-fr": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "language": "fr"},
}
Act = Callable[[Any], None]


def rank_three(page: Any) -> None:
    page.locator("[data-letter]").first.focus()
    for key in ["1", "j", "2", "j", "2"]:
        page.keyboard.press(key)


def mark_two(page: Any) -> None:
    for key in ["c", "3", "a", "1"]:
        page.keyboard.press(key)


def write_some(page: Any) -> None:
    box = page.get_by_role("textbox").first
    box.fill("With pleasure! Take the Halcyon at 07:40 from Tansyquay; the crossing takes 45 minutes.")


def pages(campaigns: dict[str, int]) -> list[tuple[str, str, str, Act | None]]:
    """(name of the picture, address, what is there when the page is ready, what is done before the picture)."""
    return [
        ("terms", f"/annotate/{campaigns['terms']}", "main h1, main h2", None),
        ("writing", f"/annotate/{campaigns['writing']}", "textarea", write_some),
        ("chat", f"/annotate/{campaigns['chat']}", "article[data-suggestion]", None),
        ("ranking", f"/annotate/{campaigns['ranking']}", "article[data-completion]", rank_three),
        ("comparison", f"/annotate/{campaigns['comparison']}", "[data-completion]", None),
        ("best-worst", f"/annotate/{campaigns['best-worst']}", "article[data-completion]", mark_two),
        ("review", f"/annotate/{campaigns['review']}", "input[type=radio]", None),
        ("rated-first", f"/annotate/{campaigns['rated']}", "article[data-completion]", None),
        ("right-to-left", f"/annotate/{campaigns['arabic']}", "article[data-completion]", rank_three),
        (
            "keys",
            f"/annotate/{campaigns['ranking']}",
            "article[data-completion]",
            lambda page: page.keyboard.press("?"),
        ),
        ("account", "/account", "main h1", None),
    ]


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "annotators" / "images")
    parser.add_argument("--only", nargs="*", default=[], help="names of pictures, as home or ranking")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        site = Site(Path(folder), E2E_PASSWORD=PASSWORD)
        try:
            campaigns = json.loads(site.python(SEED))
            site.start_web()
            for variant, chosen in VARIANTS.items():
                take_all(browser, site, campaigns, variant, dict(chosen), options)
        finally:
            site.stop()


def take_all(
    browser: Any, site: Site, campaigns: dict[str, int], variant: str, chosen: dict, options: Any
) -> None:
    language = chosen.pop("language")
    site.python(f"from annotate.accounts.models import User\nUser.objects.update(language={language!r})")
    page = browser.new_context(
        base_url=site.url, locale=language, reduced_motion="reduce", **chosen
    ).new_page()

    def take(name: str) -> None:
        if not options.only or name in options.only:
            page.wait_for_timeout(2500)  # saved, and nothing moves any more
            page.screenshot(path=options.out / f"{name}-{variant}.png", full_page=name == "home")
            print(f"{name}-{variant}.png", flush=True)

    page.goto("/sign-in")
    page.locator("button[type=submit]").wait_for()
    take("sign-in")
    sign_in(page, "ada")
    for name, address, ready, act in pages(campaigns):
        if options.only and name not in options.only:
            continue
        page.goto(address)
        page.locator(ready).first.wait_for()
        if act:
            act(page)
        take(name)
    page.context.clear_cookies()
    sign_in(page, "cleo")
    page.locator("main li").first.wait_for()
    take("home")
    page.goto(f"/annotate/{campaigns['letters']}?unit={campaigns['corrected']}")
    page.get_by_role("button", name=re.compile("Earlier versions|Versions précédentes")).click()
    page.locator("dialog ins").first.wait_for()
    take("versions")
    page.context.close()


if __name__ == "__main__":
    main()
