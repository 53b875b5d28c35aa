"""What comes out is what went in; people's names stay inside."""

import csv
import gzip
import io
import json

import pytest
from django.core.management import CommandError, call_command

from annotate.accounts.models import Annotator
from annotate.campaigns.models import Campaign, Completion
from annotate.exchange.exporting import EXPORTS
from annotate.exchange.importing import import_file
from annotate.exchange.storing import stored_counts
from annotate.feedback.models import Comparison, Ranking

from .conftest import SAMPLES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    return Campaign.objects.create(name="Sea", kind="ranking")


def exported(campaign, form):
    return [json.loads(line) for line in EXPORTS[form](campaign)]


def rows_of(path):
    content = path.read_bytes()
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return [json.loads(line) for line in content.decode().split("\n") if line.strip()]


def messages_of(trees):
    """{id: every field of the message but its replies} and the ids of its replies in order."""
    found, waiting = {}, [tree.get("prompt", tree) for tree in trees]
    while waiting:
        node = waiting.pop()
        replies = node.get("replies") or []
        fields = {name: value for name, value in node.items() if name != "replies"}
        found[node["message_id"]] = (fields, [reply["message_id"] for reply in replies])
        waiting += replies
    return found


def around(trees):
    return {
        tree["message_tree_id"]: {k: v for k, v in tree.items() if k != "prompt"}
        for tree in trees
        if "prompt" in tree
    }


@pytest.mark.parametrize("name", ["oasst_trees.jsonl", "oasst_roots.jsonl"])
def test_nested_trees_come_back_with_every_field(campaign, name):
    import_file(SAMPLES / name, campaign)
    given, back = rows_of(SAMPLES / name), exported(campaign, "oasst")
    assert messages_of(back) == messages_of(given)
    assert around(back) == around(given)


def test_flat_messages_come_back_as_trees_with_every_field(campaign):
    import_file(SAMPLES / "oasst_flat.jsonl.gz", campaign)
    given, back = rows_of(SAMPLES / "oasst_flat.jsonl.gz"), exported(campaign, "oasst")
    fields = {name: fields for name, (fields, _) in messages_of(back).items()}
    assert fields == {row["message_id"]: row for row in given}
    for name, (_, replies) in messages_of(back).items():
        assert set(replies) == {row["message_id"] for row in given if row["parent_id"] == name}


@pytest.mark.parametrize(
    "name",
    [
        "oa_trees/en_100_tree.jsonl.gz",
        "oa_trees/en_100_message.jsonl.gz",
        "oasst2_multilingual/oasst2_filtered.jsonl.gz",
    ],
)
def test_real_trees_come_back_with_every_field(campaign, real_data, name):
    import_file(real_data / name, campaign)
    given, back = rows_of(real_data / name), exported(campaign, "oasst")
    first = {}
    for tree in given:  # of a tree that stands twice the first is kept
        first.setdefault(tree.get("message_tree_id") or tree["message_id"], tree)
    assert messages_of(back) == messages_of(first.values())
    assert around(back) == around(first.values())


@pytest.mark.slow
def test_real_flat_messages_come_back_with_every_field(campaign, real_data):
    name = real_data / "oasst1_flat/en-validation.jsonl.gz"
    import_file(name, campaign)
    given, back = rows_of(name), exported(campaign, "oasst")
    assert {name: fields for name, (fields, _) in messages_of(back).items()} == {
        row["message_id"]: row for row in given
    }


@pytest.mark.parametrize(
    "name", ["oasst_trees.jsonl", "oasst_flat.jsonl.gz", "seed_messages.json", "pandalm.json", "llmbar.json"]
)
def test_an_export_taken_in_elsewhere_says_the_same(campaign, tmp_path, name):
    import_file(SAMPLES / name, campaign)
    path = tmp_path / "export.jsonl"
    call_command("export_feedback", campaign="Sea", format="oasst", out=path)
    again = Campaign.objects.create(name="Again", kind="ranking")
    report = import_file(path, again)
    assert not report.rejected
    before, after = stored_counts(campaign), stored_counts(again)
    if before["trees"]:
        assert after == before
    else:
        assert after["prompts"] == before["prompts"]
        assert after["trees"] == before["prompts"]


def test_what_people_here_say_of_an_imported_prompt_is_a_tree_of_its_own(campaign):
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    prompt = campaign.prompts.get(external_id="wait-0")
    fish, bread = (Completion.objects.create(prompt=prompt, text=text) for text in ("Fish.", "Bread."))
    for tiers in ([[fish.pk], [bread.pk]], [[bread.pk, fish.pk]]):
        Ranking.objects.create(campaign=campaign, prompt=prompt, tiers=tiers)
    own = exported(campaign, "oasst")[4:]
    assert [tree["message_tree_id"] for tree in own] == [f"prompt-{prompt.pk}"]
    assert [(r["text"], r["rank"]) for r in own[0]["prompt"]["replies"]] == [("Fish.", 0), ("Bread.", 1)]


def tiers_by_text(campaign):
    texts = dict(Completion.objects.filter(prompt__campaign=campaign).values_list("pk", "text"))
    given = campaign.rankings.exclude(annotator=None).order_by("pk")
    return [[[texts[pk] for pk in tier] for tier in ranking.tiers] for ranking in given]


def test_a_persons_own_ranking_goes_out_as_an_event_and_comes_back_with_its_ties(campaign, tmp_path, alice):
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    annotator = Annotator.objects.get(user=alice)
    asked = campaign.prompts.get(external_id="lh-0")
    best, worst, other = Completion.objects.filter(prompt=asked, source="oasst").order_by("pk")
    waiting = campaign.prompts.get(external_id="wait-0")
    fish, bread = (Completion.objects.create(prompt=waiting, text=text) for text in ("Fish.", "Bread."))
    by_alice = {"campaign": campaign, "annotator": annotator}
    shown = [other.pk, worst.pk, best.pk]
    Ranking.objects.create(
        prompt=asked, tiers=[[worst.pk], [best.pk, other.pk]], shown_order=shown, **by_alice
    )
    Ranking.objects.create(prompt=waiting, tiers=[[fish.pk], [bread.pk]], **by_alice)

    trees = exported(campaign, "oasst")
    [event] = next(t["prompt"] for t in trees if t["prompt"]["message_id"] == "lh-0")["events"]["ranking"]
    assert event == {
        "type": "ranking",
        "user_id": str(annotator.pseudonym),
        "ranking": [1, 2, 0],
        "ranked_message_ids": [worst.external_id, best.external_id, other.external_id],
        "ranking_parent_id": "lh-0",
        "not_rankable": False,
        "tiers": [[worst.external_id], [best.external_id, other.external_id]],
    }
    path = tmp_path / "export.jsonl"
    path.write_text("".join(EXPORTS["oasst"](campaign)))
    again = Campaign.objects.create(name="Again", kind="ranking")
    assert not import_file(path, again).rejected
    assert tiers_by_text(again) == tiers_by_text(campaign) != []
    assert exported(again, "oasst") == trees, "and every event goes out as it came"


def test_trl_reads_messages_and_pairs(campaign):
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    threads = exported(campaign, "trl-messages")
    assert {tuple(row) for row in threads} == {("messages",)}
    assert all(row["messages"][-1]["role"] == "assistant" for row in threads)
    pairs = exported(campaign, "trl-preference")
    assert {
        "prompt": [{"role": "user", "content": "¿Qué es una marea?"}],
        "chosen": [{"role": "assistant", "content": "La subida y bajada del mar."}],
        "rejected": [{"role": "assistant", "content": "Written by a program."}],
    } in pairs
    assert len(pairs) == 3


def test_a_weight_goes_out_with_its_messages_and_comes_back(campaign, tmp_path):
    path = tmp_path / "said.jsonl"
    said = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]
    path.write_text(json.dumps({"messages": said, "weight": 0.25}))
    import_file(path, campaign)
    path.write_text("".join(EXPORTS["trl-messages"](campaign)))
    again = Campaign.objects.create(name="Again", kind="demonstration")
    import_file(path, again)
    assert again.demonstrations.get().weight == 0.25


def test_k_wise_keeps_ties_the_order_shown_and_each_persons_ratings(campaign):
    import_file(SAMPLES / "squality.jsonl", campaign)
    ranking = Ranking.objects.order_by("pk").first()
    Ranking.objects.filter(pk=ranking.pk).update(
        tiers=[ranking.tiers[0], ranking.tiers[1] + ranking.tiers[2]]
    )
    row = exported(campaign, "k-wise")[0]
    assert len(row["completions"]) == 3
    assert [len(tier) for tier in row["tiers"]] == [1, 2]
    assert len(row["ratings"]) == 9
    assert row["annotator"] == str(Annotator.objects.get(external_id="1").pseudonym)


def test_csv_has_a_row_for_each_judged_completion_and_no_formula(campaign):
    import_file(SAMPLES / "squality.jsonl", campaign)
    import_file(SAMPLES / "kto.json", campaign)
    import_file(SAMPLES / "messages.jsonl", campaign)
    Completion.objects.filter(text="4").update(text="=HYPERLINK(1)")
    rows = list(csv.DictReader(io.StringIO("".join(EXPORTS["csv"](campaign)).removeprefix("\ufeff"))))
    kinds = [row["kind"] for row in rows]
    assert (kinds.count("ranking"), kinds.count("rating"), kinds.count("demonstration")) == (18, 2, 2)
    assert "'=HYPERLINK(1)" in {row["text"] for row in rows}
    overall = next(row for row in rows if row["criterion"] == "overall" and row["place"] == "1")
    assert overall["rating"] == "100.0"


def rows_in(campaign):
    """Everything that a ranking or rating says, without the names that rows have in one database."""
    texts = {
        row.pk: (row.text, row.model_name) for row in Completion.objects.filter(prompt__campaign=campaign)
    }

    def named(tiers):
        return [sorted(texts[pk] for pk in tier) for tier in tiers]

    rankings = [
        (
            *(row.prompt.messages, named(row.tiers), row.annotator_id is None, row.all_bad, row.strength),
            *(row.is_surplus, row.review_state, row.seconds_spent, row.language, row.middle_unordered),
            sorted((pair.chosen.text, pair.rejected.text, pair.margin) for pair in row.comparisons.all()),
            sorted((texts[r.completion_id], r.criterion, r.value, r.flags) for r in row.ratings.all()),
        )
        for row in campaign.rankings.select_related("prompt").order_by("pk")
    ]
    alone = [
        (texts[row.completion_id], row.criterion, row.value)
        for row in campaign.ratings.filter(ranking=None).order_by("pk")
    ]
    written = [
        (row.messages, row.weight, row.is_surplus, row.review_state)
        for row in campaign.demonstrations.order_by("pk")
    ]
    return rankings, alone, written


@pytest.mark.parametrize("form", ["k-wise", "csv"])
def test_our_own_exports_are_read_back_with_ties_strength_and_ratings(campaign, tmp_path, form):
    import_file(SAMPLES / "k_wise.jsonl", campaign)
    import_file(SAMPLES / "squality.jsonl", campaign)
    if form == "csv":
        for name in ("kto.json", "sharegpt.json"):
            import_file(SAMPLES / name, campaign)
        first = campaign.demonstrations.earliest("pk")
        campaign.demonstrations.filter(pk=first.pk).update(weight=0.25, is_surplus=True)
        Completion.objects.filter(text="4").update(text="'=4;\n- '+1")
    campaign.rankings.filter(pk=campaign.rankings.earliest("pk").pk).update(middle_unordered=True)
    path = tmp_path / "export"
    path.write_text("".join(EXPORTS[form](campaign)), newline="")
    again = Campaign.objects.create(name="Again", kind="ranking")
    report = import_file(path, again)
    assert (report.format, report.rejected, report.unread, report.duplicates) == (form, [], {}, 0)
    assert rows_in(again) == rows_in(campaign)
    first, second = again.rankings.order_by("pk")[:2]  # as the sample has them, whoever read it
    assert ([len(tier) for tier in first.tiers], first.seconds_spent) == ([1, 2], 31.5)
    assert (second.strength, second.all_bad) == (3, True)
    assert (second.is_surplus, second.review_state) == (True, "returned")
    given, back = ([row.criteria for row in c.rankings.order_by("pk")] for c in (campaign, again))
    assert len(given[0]) == 1
    assert form == "csv" or [len(row) for row in back] == [len(row) for row in given]
    assert import_file(path, again).accepted == 0


def test_what_a_spreadsheet_made_of_our_csv_is_read_with_its_marks(campaign, tmp_path):
    import_file(SAMPLES / "k_wise.jsonl", campaign)
    rows = list(csv.reader(io.StringIO("".join(EXPORTS["csv"](campaign)))))
    out = io.StringIO()
    spelled = {"True": "VRAI", "False": "FAUX", "31.5": "31,5"}
    csv.writer(out, delimiter=";").writerows([[spelled.get(cell, cell) for cell in row] for row in rows])
    path = tmp_path / "export.csv"
    path.write_text(out.getvalue(), newline="")
    again = Campaign.objects.create(name="Again", kind="ranking")
    assert not import_file(path, again).rejected
    assert rows_in(again) == rows_in(campaign)
    assert again.rankings.filter(is_surplus=True, all_bad=True).count() == 1


def test_a_ranking_of_which_rows_are_missing_is_refused(campaign, tmp_path):
    import_file(SAMPLES / "k_wise.jsonl", campaign)
    path = tmp_path / "export.csv"
    lines = list(EXPORTS["csv"](campaign))
    path.write_text("".join(lines[:-1]), newline="")
    report = import_file(path, Campaign.objects.create(name="Again", kind="ranking"))
    assert [found.reason for found in report.rejected] == ["Of 2 completions 1 are there: rows are missing."]


def test_csv_begins_with_a_byte_order_mark_so_that_spreadsheets_read_every_script(campaign):
    first = next(EXPORTS["csv"](campaign))
    assert first.encode().startswith(b"\xef\xbb\xbfkind,")


def test_margins_go_into_snapshots_and_exports(campaign, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "m", "chosen": "a", "rejected": "b", "margin": 2.5}\n')
    import_file(path, campaign)
    assert Comparison.objects.get().margin == 2.5
    [row] = exported(campaign, "k-wise")
    assert row["margin"] == 2.5
    for form in ("k-wise", "csv"):
        path = tmp_path / form
        path.write_text("".join(EXPORTS[form](campaign)), newline="")
        again = Campaign.objects.create(name=form, kind="ranking")
        import_file(path, again)
        assert Comparison.objects.get(campaign=again).margin == 2.5


def test_surplus_work_is_marked_or_left_out_of_what_is_made_to_train_on(campaign):
    import_file(SAMPLES / "pandalm.json", campaign)
    import_file(SAMPLES / "alpaca.json", campaign)
    campaign.rankings.update(is_surplus=True)
    campaign.demonstrations.update(is_surplus=True)
    assert exported(campaign, "trl-messages") == exported(campaign, "trl-preference") == []
    assert {row["is_surplus"] for row in exported(campaign, "k-wise")} == {True}
    rows = csv.DictReader(io.StringIO("".join(EXPORTS["csv"](campaign)).removeprefix("\ufeff")))
    assert {row["is_surplus"] for row in rows} == {"True"}
    assert "rank" not in {name for tree in exported(campaign, "oasst") for name in tree["prompt"]}


def test_the_command_writes_a_file_whole_or_standard_output(campaign, tmp_path):
    import_file(SAMPLES / "alpaca.json", campaign)
    path = tmp_path / "out.jsonl"
    call_command("export_feedback", campaign="Sea", format="trl-messages", out=path)
    out = io.StringIO()
    call_command("export_feedback", campaign="Sea", format="trl-messages", out="-", stdout=out)
    assert path.read_text() == out.getvalue()
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CommandError, match="There is no campaign named Land"):
        call_command("export_feedback", campaign="Land", format="csv", out="-")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_feedback", campaign="Sea", format="csv", out=tmp_path / "no" / "where")
