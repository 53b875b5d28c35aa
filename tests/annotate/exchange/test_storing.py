"""What an import leaves in a campaign: each thing once, joined with what is there, and work for people."""

import io
import json
import sqlite3
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from annotate.accounts.models import Annotator
from annotate.campaigns.limits import MAX_TEXT
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.exchange import importing
from annotate.exchange.importing import ImportRefused, import_file
from annotate.exchange.models import Message, Tree
from annotate.exchange.storing import stored_counts
from annotate.feedback.models import Comparison, Demonstration, Ranking, Rating, Unit
from tests.annotate.moves import leased, submit

from .conftest import SAMPLES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    return Campaign.objects.create(name="Sea", kind="ranking")


def tree_line(*replies):
    root = {"message_id": "r", "role": "prompter", "text": "Ask", "replies": list(replies)}
    return {"message_tree_id": "r", "tree_state": "growing", "prompt": root}


def reply(name, rank=None, **more):
    return {"message_id": name, "parent_id": "r", "role": "assistant", "text": name, "rank": rank, **more}


@pytest.fixture
def take_in(campaign, tmp_path):
    def run(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return import_file(path, campaign)

    return run


def test_every_sample_is_stored_and_again_changes_nothing(campaign):
    for path in sorted(SAMPLES.iterdir()):
        first = import_file(path, campaign)
        stored = stored_counts(campaign)
        again = import_file(path, campaign)
        assert again.accepted == 0, path.name
        assert again.num_records == first.num_records, path.name
        assert stored_counts(campaign) == stored, path.name


def test_a_tree_that_stands_twice_is_stored_once(campaign):
    report = import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    assert (report.num_records, report.accepted, report.duplicates) == (5, 4, 1)
    assert stored_counts(campaign) == {
        "trees": 4,
        "messages": 13,
        "authors": 0,
        "languages": 2,
        "prompts": 6,
        "demonstrations": 3,
        "rankings": 2,
        "comparisons": 3,
        "ratings": 6,
    }
    best = Ranking.objects.get(external_id="lh-0")
    assert [[Completion.objects.get(pk=pk).external_id for pk in tier] for tier in best.tiers] == [
        ["lh-1"],
        ["lh-2", "lh-3"],
    ]
    assert best.annotator is None
    pairs = Comparison.objects.filter(ranking=best).values_list(
        "chosen__external_id", "rejected__external_id"
    )
    assert set(pairs) == {("lh-1", "lh-2"), ("lh-1", "lh-3")}


def test_a_later_file_adds_messages_and_fills_in_what_was_unknown(campaign):
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    report = import_file(SAMPLES / "oasst_flat.jsonl.gz", campaign)
    assert (report.num_records, report.accepted, report.duplicates) == (9, 2, 7)
    known = Message.objects.get(external_id="lh-1")
    assert known.author.external_id == "user-1"
    assert known.metadata["detoxify"] == {"toxicity": 0.0005416299100033939}
    assert known.metadata["labels"]["quality"] == {"value": 0.75, "count": 3}  # known before, so it stays
    assert Message.objects.get(external_id="lh-2").parent.external_id == "lh-0"
    assert stored_counts(campaign)["authors"] == 8


def test_new_ranked_replies_of_a_known_prompt_give_the_consensus_its_new_form(campaign, take_in):
    take_in(tree_line(reply("a", 0), reply("b", 1)))
    assert Comparison.objects.count() == 1
    report = take_in(tree_line(reply("a", 0), reply("b", 1), reply("c", 2)))
    assert (report.accepted, report.duplicates) == (1, 0)
    assert Ranking.objects.count() == 1
    assert Comparison.objects.count() == 3


def test_a_part_that_was_cut_off_is_hung_where_it_belongs_when_its_parent_comes(campaign, take_in):
    below = {"message_id": "q", "parent_id": "a", "role": "prompter", "text": "more", "message_tree_id": "r"}
    answer = {"message_id": "z", "parent_id": "q", "role": "assistant", "text": "yes", "message_tree_id": "r"}
    take_in(below, answer)
    assert Tree.objects.get().external_id == "r"
    assert not Prompt.objects.exists()
    take_in(tree_line(reply("a", 0)))
    assert Message.objects.get(external_id="q").parent.external_id == "a"
    assert Prompt.objects.filter(external_id="q").get().messages[-1]["content"] == "more"
    assert Demonstration.objects.filter(external_id="z").exists()


def test_people_are_known_again_across_files_and_campaigns(campaign):
    import_file(SAMPLES / "oasst_flat.jsonl.gz", campaign)
    other = Campaign.objects.create(name="Other", kind="ranking")
    import_file(SAMPLES / "oasst_flat.jsonl.gz", other)
    assert Annotator.objects.filter(source="oasst").count() == 8
    assert stored_counts(other)["authors"] == 8


def test_each_judge_keeps_their_own_ranking(campaign):
    import_file(SAMPLES / "pandalm.json", campaign)
    assert Ranking.objects.count() == 6
    assert set(Ranking.objects.values_list("annotator__external_id", flat=True)) == {
        *("annotator1", "annotator2", "annotator3")
    }
    assert Comparison.objects.count() == 5  # one of the six is a tie


def test_raters_ratings_hang_on_their_ranking(campaign):
    import_file(SAMPLES / "squality.jsonl", campaign)
    assert Rating.objects.count() == 18
    best = Rating.objects.get(ranking__annotator__external_id="2", criterion="overall", value=90)
    assert (best.scale_min, best.scale_max) == (0, 100)
    assert best.metadata["annotations"][0]["selection"] == "the ship"
    assert best.ranking.tiers[0] == [best.completion_id]


def test_unranked_completions_wait_to_be_ranked_each_text_once(campaign):
    import_file(SAMPLES / "sampling_report.json", campaign)
    unit = Unit.objects.get()
    assert sorted(c.text for c in unit.completions.all()) == ["It falls.", "It rains."]
    import_file(SAMPLES / "sampling_report.json", campaign)
    assert Unit.objects.count() == 1


def test_of_two_completions_nobody_is_asked_for_the_best_and_the_worst():
    campaign = Campaign.objects.create(name="Best", kind="best_worst")
    import_file(SAMPLES / "sampling_report.json", campaign)
    assert campaign.prompts.exists() and not Unit.objects.exists()


def test_unanswered_prompts_wait_to_be_answered():
    campaign = Campaign.objects.create(name="Write", kind="demonstration")
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    waiting = {unit.prompt.messages[-1]["content"] for unit in Unit.objects.all()}
    assert waiting == {"What do gulls eat?", "Thanks!"}
    import_file(SAMPLES / "alpaca.json", campaign)
    assert Unit.objects.count() == 2
    import_file(SAMPLES / "prompts.jsonl", campaign)
    assert Unit.objects.count() == 5


def test_a_prompt_is_for_evaluation_only_as_soon_as_one_source_says_so(campaign, take_in):
    take_in({"prompt": "Describe a harbour."})
    import_file(SAMPLES / "questions.jsonl", campaign)
    assert Prompt.objects.get().metadata["evaluation_only"] is True


def test_two_imports_of_one_file_at_once_store_it_once(campaign):
    reports = []

    def run():
        reports.append(import_file(SAMPLES / "oasst_flat.jsonl.gz", campaign))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.accepted for report in reports) == [0, 0, 0, 9]
    assert sum(report.duplicates for report in reports) == 27
    assert stored_counts(campaign)["messages"] == 9


def test_a_full_disk_is_one_sentence(campaign, monkeypatch):
    def full(*args):
        raise sqlite3.OperationalError("database or disk is full")
        yield

    monkeypatch.setattr(importing, "parse_file", full)
    with pytest.raises(ImportRefused, match="disk is full"):
        import_file(SAMPLES / "oasst_flat.jsonl.gz", campaign)


def test_the_command_makes_a_campaign_of_the_kind_that_the_files_hold(import_files):
    report = import_files(SAMPLES / "alpaca.json", campaign="Writing")
    assert Campaign.objects.get(name="Writing").kind == "demonstration"
    assert report["files"] == [
        {
            "file": "alpaca.json",
            "format": "alpaca",
            "records": 3,
            "accepted": 2,
            "duplicates": 1,
            "num_rejected": 0,
            "reasons": [],
            "made": {"prompts": 2, "demonstrations": 2},
            "unread_fields": {},
            "rejected": [],
        }
    ]
    report = import_files(SAMPLES / "hh.jsonl", SAMPLES / "dpo.json", campaign="Judging")
    assert Campaign.objects.get(name="Judging").kind == "ranking"
    assert [line["line"] for line in report["files"][0]["rejected"]] == [4, 5]
    assert report["stored"]["rankings"] == 4


def test_the_command_without_json_tells_a_person_what_happened():
    out = io.StringIO()
    call_command("import_feedback", SAMPLES / "hh.jsonl", campaign="Judging", stdout=out)
    assert "hh.jsonl (hh): 5 records, 3 stored, 0 there already, 2 refused" in out.getvalue()
    assert "line 4: The chosen reply is empty." in out.getvalue()


def test_the_command_names_the_fields_that_were_not_read(tmp_path, import_files):
    path = tmp_path / "asked.jsonl"
    path.write_text(json.dumps({"question": "Where?", "answer": "There.", "topic": "places"}))
    assert import_files(path)["files"][0]["unread_fields"] == {"topic": 1}
    out = io.StringIO()
    call_command("import_feedback", path, campaign="Again", stdout=out)
    assert "fields that were not read: topic (1)" in out.getvalue()


def test_no_file_is_touched_when_one_of_them_is_missing(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_feedback", SAMPLES / "hh.jsonl", tmp_path / "none", campaign="Judging")
    assert not Campaign.objects.exists()


def asked(content: str) -> bytes:
    return json.dumps({"prompt": content}).encode()


def test_texts_that_nobody_could_hand_in_again_are_refused_and_the_longest_can_be_answered(
    new_campaign, alice, alice_client, tmp_path
):
    campaign = new_campaign("demonstration", members=[alice])
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"\n".join([asked("q" * MAX_TEXT), asked("q" * (MAX_TEXT + 1))]))
    report = import_file(path, campaign)
    assert (report.accepted, [found.line for found in report.rejected]) == (1, [2])
    assert report.rejected[0].reason == (
        "It holds a text of 200001 characters; at most 200000 can be worked on."
    )
    assert submit(alice_client, leased(alice_client, campaign)).status_code == 201


def test_a_prompt_of_many_long_turns_and_a_long_message_of_a_tree_are_refused(new_campaign, tmp_path):
    path = tmp_path / "long.jsonl"
    turns = [{"role": ("user", "assistant")[i % 2], "content": "w" * MAX_TEXT} for i in range(6)]
    asked = [*turns, {"role": "user", "content": "So?"}]
    path.write_text(json.dumps({"messages": asked, "chosen": "So.", "rejected": "No."}))
    report = import_file(path, new_campaign("ranking"))
    assert "1200003 characters" in report.rejected[0].reason
    path.write_text(
        json.dumps({"message_id": "a", "role": "prompter", "text": "w" * (MAX_TEXT + 1), "replies": []})
    )
    assert "200001 characters" in import_file(path, new_campaign("ranking", name="Trees")).rejected[0].reason


def test_an_early_export_that_grows_is_one_tree_with_its_ranking(campaign, tmp_path):
    root = {"message_id": "a1", "parent_id": "None", "text": "Hello?", "role": "prompter", "rank": None}
    replies = [
        {"message_id": f"a{rank + 2}", "parent_id": "a1", "text": text, "role": "assistant", "rank": rank}
        for rank, text in enumerate(["Hi.", "Yo."])
    ]
    path = tmp_path / "early.jsonl"
    for known in (replies[:1], replies):
        path.write_text(json.dumps({**root, "replies": known}) + "\n")
        assert not import_file(path, campaign).rejected
    stored = stored_counts(campaign)
    assert [stored[name] for name in ("trees", "messages", "prompts", "rankings")] == [1, 3, 1, 1]
