"""A snapshot is one instant of its campaigns, verified by hash, and keeps what was held out apart for ever."""

import json
import random
import threading
import time
import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from annotate.accounts.models import Annotator
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.feedback.models import Comparison, Demonstration, Ranking, Rating
from annotate.snapshots import freezing
from annotate.snapshots.models import Snapshot
from annotate.snapshots.services import (
    SnapshotRefused,
    advance_snapshots,
    create_snapshot,
    queue_snapshot,
    write_snapshot,
)
from trainer.snapshot import SnapshotError, open_snapshot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_directory(settings, tmp_path):
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"


@pytest.fixture
def campaign():
    return Campaign.objects.create(name="Birds", kind="ranking", validation_fraction=0.3)


def add_prompt(campaign, text, **fields):
    return Prompt.objects.create(
        campaign=campaign, messages=[{"role": "user", "content": text}], key=f"key of {text}", **fields
    )


def add_ranking(prompt, annotator, texts=("better", "worse")):
    completions = [Completion.objects.create(prompt=prompt, text=text, model_name="m1") for text in texts]
    ids = [completion.pk for completion in completions]
    ranking = Ranking.objects.create(
        campaign=prompt.campaign,
        prompt=prompt,
        annotator=annotator,
        tiers=[[pk] for pk in ids],
        shown_order=ids[::-1],
    )
    Comparison.objects.create(
        ranking=ranking, campaign=prompt.campaign, chosen_id=ids[0], rejected_id=ids[1], margin=1
    )
    Rating.objects.create(
        campaign=prompt.campaign, ranking=ranking, completion_id=ids[0], annotator=annotator, value=6
    )
    return ranking


def test_a_choice_is_frozen_with_its_strength_and_whether_its_middle_is_in_order(campaign):
    ranking = add_ranking(add_prompt(campaign, "Where?"), None)
    Ranking.objects.filter(pk=ranking.pk).update(strength=3, middle_unordered=True)
    (frozen,) = rows(create_snapshot(campaigns=[campaign], name="strong"), "rankings")
    assert (frozen["strength"], frozen["middle_unordered"]) == (3, True)


def rows(snapshot, name, split=None):
    return list(open_snapshot(snapshot.path).rows(name, split))


def test_every_file_holds_the_campaigns_rows_in_the_columns_the_trainer_reads(campaign):
    bob = Annotator.objects.create(source="test", external_id="bob@example.org")
    prompt = add_prompt(campaign, "Where do swifts sleep?", language="en", source="test")
    ranking = add_ranking(prompt, bob)
    Demonstration.objects.create(
        campaign=campaign,
        annotator=bob,
        prompt=prompt,
        messages=[*prompt.messages, {"role": "assistant", "content": "In the air."}],
    )
    snapshot = create_snapshot(campaigns=[campaign], name="one")
    assert snapshot.state == "ready"
    assert snapshot.counts == {"prompts": 1, "demonstrations": 1, "rankings": 1, "comparisons": 1}
    (ranked,) = rows(snapshot, "rankings")
    assert [c["text"] for c in ranked["completions"]] == ["worse", "better"]
    assert ranked["tiers"] == ranking.tiers
    assert ranked["ratings"][0]["value"] == 6
    assert ranked["completions"][0]["policy_version"] == "m1"
    (pair,) = rows(snapshot, "comparisons")
    assert pair["chosen"] == [{"role": "assistant", "content": "better"}]
    assert pair["ranking_id"] == ranking.pk
    (demonstration,) = rows(snapshot, "demonstrations")
    assert demonstration["annotator"] == ranked["annotator"] == str(bob.pseudonym)
    everything = "".join(path.read_text() for path in (open_snapshot(snapshot.path).path).iterdir())
    assert "bob@example.org" not in everything


def test_surplus_work_and_tool_dialogues_are_left_out_and_counted(campaign):
    prompt = add_prompt(campaign, "Weather?")
    add_ranking(prompt, None)
    Ranking.objects.update(is_surplus=True)
    Demonstration.objects.create(
        campaign=campaign,
        messages=[{"role": "user", "content": "Weather?"}, {"role": "tool_call", "content": "{}"}],
    )
    Prompt.objects.create(campaign=campaign, brief="Write about owls.", key="brief")
    snapshot = create_snapshot(campaigns=[campaign])
    assert snapshot.counts == {"prompts": 1, "demonstrations": 0, "rankings": 0, "comparisons": 0}
    assert open_snapshot(snapshot.path).manifest["left_out"] == {
        "prompts that are only a brief": 1,
        "surplus rankings": 1,
        "demonstrations with tool calls or other roles": 1,
    }


def test_no_prompt_with_a_tool_call_before_the_answer_reaches_training(campaign):
    prompt = add_prompt(campaign, "Weather?")
    prompt.messages += [{"role": "tool_call", "content": "{}"}, {"role": "tool", "content": "4 C"}]
    prompt.save()
    add_ranking(prompt, None)
    snapshot = create_snapshot(campaigns=[campaign])
    assert not any(snapshot.counts.values())
    left_out = open_snapshot(snapshot.path).manifest["left_out"]
    assert {name.split()[0] for name in left_out} == {"prompts", "rankings", "comparisons"}


def test_a_writer_that_commits_meanwhile_is_not_half_in_the_snapshot(campaign, monkeypatch):
    add_ranking(add_prompt(campaign, "First?"), None)
    write = freezing.Frozen.rankings

    def rankings_after_another_commit(self):
        def commit():
            add_ranking(add_prompt(campaign, "Second?"), None)
            connection.close()

        thread = threading.Thread(target=commit)
        thread.start()
        thread.join()
        yield from write(self)

    monkeypatch.setattr(freezing.Frozen, "rankings", rankings_after_another_commit)
    snapshot = create_snapshot(campaigns=[campaign])
    assert snapshot.counts == {"prompts": 1, "demonstrations": 0, "rankings": 1, "comparisons": 1}
    assert Ranking.objects.count() == 2


def test_one_changed_byte_is_refused(campaign):
    add_ranking(add_prompt(campaign, "First?"), None)
    snapshot = create_snapshot(campaigns=[campaign])
    path = open_snapshot(snapshot.path).path / "comparisons.jsonl"
    content = bytearray(path.read_bytes())
    content[content.index(b"better")] ^= 1
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=r"comparisons\.jsonl .* was changed later"):
        open_snapshot(snapshot.path)


def sides(snapshot):
    """{first message, as the split reads it: the sides on which the snapshot has it}"""
    found = {}
    for name in ("prompts", "demonstrations", "rankings", "comparisons"):
        for row in rows(snapshot, name):
            first = (row.get("prompt") or row["messages"])[0]["content"]
            found.setdefault(" ".join(first.split()).casefold(), set()).add(row["split"])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_no_prompt_ever_changes_its_side_whatever_is_frozen_together(seed):
    """Campaigns that share prompts, shares that grow and shrink, imports in between: many histories of a site."""
    chance = random.Random(seed)
    campaigns = [
        Campaign.objects.create(name=f"C{i}", kind="ranking", split_seed=chance.randrange(2))
        for i in range(3)
    ]
    first_seen = {}
    for number in range(8):
        for campaign in campaigns:
            Campaign.objects.filter(pk=campaign.pk).update(
                validation_fraction=chance.choice([0, 0.1, 0.3, 0.5, 0.9])
            )
        for _ in range(12):
            text = chance.choice(["what about {}?", "What  About {}?"]).format(chance.randrange(60))
            messages = [{"role": "user", "content": text}]
            Prompt.objects.create(campaign=chance.choice(campaigns), messages=messages, key=uuid.uuid4().hex)
            said = [*messages, {"role": "assistant", "content": "Much."}]
            Demonstration.objects.create(campaign=chance.choice(campaigns), messages=said)
        chosen = Campaign.objects.filter(
            pk__in=[c.pk for c in chance.sample(campaigns, chance.randint(1, 3))]
        )
        for text, found in sides(create_snapshot(campaigns=list(chosen), name=f"s{number}")).items():
            assert found == first_seen.setdefault(text, found), text
            assert len(found) == 1, text
    assert {"train", "validation"} == set().union(*first_seen.values())


def test_a_new_share_counts_for_prompts_that_no_snapshot_holds_yet(campaign):
    campaign.validation_fraction = 0
    add_prompt(campaign, "Old?")
    create_snapshot(campaigns=[campaign], name="first")
    campaign.validation_fraction = 0.9999999
    add_prompt(campaign, "New?")
    snapshot = create_snapshot(campaigns=[campaign], name="second")
    assert sides(snapshot) == {"old?": {"train"}, "new?": {"validation"}}
    assert snapshot.splits["prompts"] == {"train": 1, "validation": 1}


def test_two_snapshots_at_once_agree_on_the_side_of_a_new_prompt(campaign):
    """One waits for the other; else each would fix the side by its own share."""
    other = Campaign.objects.create(name="Bees", kind="ranking", validation_fraction=0.9)
    for number in range(60):
        add_prompt(campaign, f"Question {number}?")
        add_prompt(other, f"Question {number}?")
    made = []

    def freeze(one):
        made.append(create_snapshot(campaigns=[one]))
        connection.close()

    threads = [threading.Thread(target=freeze, args=(one,)) for one in (campaign, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sides(made[0]) == sides(made[1])


def test_a_snapshot_names_the_one_before_it_of_the_same_campaigns(campaign):
    first = create_snapshot(campaigns=[campaign])
    second = create_snapshot(campaigns=[campaign])
    assert second.parent == first
    manifest = json.loads((open_snapshot(second.path).path / "manifest.json").read_text())
    assert manifest["parent"] == {"name": first.name, "manifest_sha256": first.manifest_sha256}
    assert manifest["campaigns"][0]["name"] == "Birds"


def test_prompts_kept_for_evaluation_are_never_trained_on(campaign):
    for number in range(30):
        prompt = add_prompt(campaign, f"Held {number}?", metadata={"evaluation_only": True})
        add_ranking(prompt, None)
        said = [*prompt.messages, {"role": "assistant", "content": "So."}]
        Demonstration.objects.create(campaign=campaign, prompt=prompt, messages=said)
    snapshot = create_snapshot(campaigns=[campaign])
    for name in ("prompts", "demonstrations", "rankings", "comparisons"):
        assert not rows(snapshot, name, "train")
        assert rows(snapshot, name, "validation")
    assert sum(open_snapshot(snapshot.path).manifest["left_out"].values()) == 4 * 30 - sum(
        snapshot.counts.values()
    )


def test_a_name_is_taken_once_and_never_leaves_the_directory(campaign):
    create_snapshot(campaigns=[campaign], name="spring")
    with pytest.raises(SnapshotRefused, match="already"):
        create_snapshot(campaigns=[campaign], name="spring")
    for name in ["../spring", "a/b", ".hidden", "x" * 101]:
        with pytest.raises(SnapshotRefused, match="letters, digits"):
            create_snapshot(campaigns=[campaign], name=name)


def test_of_two_who_take_one_name_at_once_the_second_is_told_so(campaign):
    told = []

    def second():
        try:
            queue_snapshot(campaigns=[campaign], name="spring")
        except (SnapshotRefused, DatabaseError) as error:
            told.append(error)
        connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        queue_snapshot(campaigns=[campaign], name="spring")
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with connection.cursor() as cursor:
            while thread.is_alive() and not cursor.execute(waits).fetchone()[0]:
                time.sleep(0.01)
        assert not told
    thread.join()
    [refusal] = told
    assert isinstance(refusal, SnapshotRefused)
    assert "There is a snapshot spring already" in str(refusal)


def test_a_failure_leaves_no_directory_and_a_row_that_says_why(campaign, monkeypatch, settings):
    def full_disk(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(freezing.Frozen, "prompts", full_disk)
    with pytest.raises(SnapshotRefused, match="No space left"):
        create_snapshot(campaigns=[campaign])
    row = Snapshot.objects.get()
    assert row.state == "failed"
    assert "No space left" in row.error
    assert not list(settings.SNAPSHOTS_DIR.iterdir())


def test_the_clock_writes_what_waits_and_settles_what_a_dead_process_left(campaign):
    waiting = queue_snapshot(campaigns=[campaign], name="waiting")
    dead = queue_snapshot(campaigns=[campaign], name="dead")
    renamed = create_snapshot(campaigns=[campaign], name="renamed")
    long_ago = "2020-01-01T00:00:00Z"
    Snapshot.objects.filter(pk__in=[dead.pk, renamed.pk]).update(heartbeat_at=long_ago, state="writing")
    advance_snapshots()
    states = dict(Snapshot.objects.values_list("name", "state"))
    assert states == {"waiting": "ready", "dead": "failed", "renamed": "ready"}
    with pytest.raises(SnapshotRefused, match="ready already"):
        write_snapshot(waiting)


def test_rows_are_read_through_a_cursor_on_the_server_never_all_at_once(
    campaign, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr(freezing, "CHUNK", 10)
    for number in range(35):
        add_ranking(add_prompt(campaign, f"Question {number}?"), None)
    held: list[int] = []
    original = freezing.Frozen._ranking_rows

    def counting(self, chunk):
        held.append(len(chunk))
        yield from original(self, chunk)

    monkeypatch.setattr(freezing.Frozen, "_ranking_rows", counting)
    with django_assert_max_num_queries(60):
        assert create_snapshot(campaigns=[campaign]).counts["rankings"] == 35
    assert held == [10, 10, 10, 5]
