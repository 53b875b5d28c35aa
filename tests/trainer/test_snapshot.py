"""Writing a snapshot, reading it back, and refusing one that is broken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.tiny import REPOSITORY, prompt_row, ranking_row, write_snapshot
from trainer.snapshot import SnapshotError, SnapshotWriter, open_snapshot, read_manifest, split_of


@pytest.fixture
def snapshot(tmp_path):
    return write_snapshot(tmp_path / "frozen", num_prompts=10)


def test_what_was_written_is_read_back_in_order(snapshot):
    opened = open_snapshot(snapshot)
    assert opened.manifest["counts"] == {
        "prompts": 10,
        "demonstrations": 10,
        "rankings": 10,
        "comparisons": 0,
    }
    assert [row["id"] for row in opened.rows("prompts")] == [f"p{number}" for number in range(10)]
    ranking = next(opened.rows("rankings"))
    assert [len(tier) for tier in ranking["tiers"]] == [1, 2, 1]


def test_rows_can_be_asked_for_by_split(snapshot):
    opened = open_snapshot(snapshot)
    assert [row["id"] for row in opened.rows("prompts", "validation")] == ["p0", "p5"]
    assert len(list(opened.rows("prompts", "train"))) == 8


def test_the_manifest_counts_and_hashes_every_file_and_carries_the_writers_fields(snapshot):
    manifest = read_manifest(snapshot)
    assert manifest["split_seed"] == 0
    assert manifest["files"]["prompts.jsonl"]["rows"] == 10
    assert manifest["files"]["prompts.jsonl"]["splits"] == {"train": 8, "validation": 2}
    assert manifest["files"]["prompts.jsonl"]["bytes"] == (snapshot / "prompts.jsonl").stat().st_size


def test_nothing_stands_under_the_name_before_it_is_closed(tmp_path):
    writer = SnapshotWriter(tmp_path / "new")
    writer.write("prompts", prompt_row(0, "red", "train"))
    assert not (tmp_path / "new").exists()
    writer.close()
    assert (tmp_path / "new" / "manifest.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_an_error_on_the_way_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), SnapshotWriter(tmp_path / "new") as writer:
        writer.write("prompts", prompt_row(0, "red", "train"))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_is_never_written_over(snapshot):
    with pytest.raises(SnapshotError, match="already exists"):
        SnapshotWriter(snapshot)


def test_a_row_without_a_column_is_refused_when_written(tmp_path):
    row = prompt_row(0, "red", "train")
    del row["language"]
    with (
        SnapshotWriter(tmp_path / "new") as writer,
        pytest.raises(SnapshotError, match="lacks the column language"),
    ):
        writer.write("prompts", row)


def test_any_text_survives_the_journey(tmp_path):
    text = "français, 中文, \u2028, \x00, \ud800"
    with SnapshotWriter(tmp_path / "new") as writer:
        writer.write("prompts", prompt_row(0, text, "train"))
        writer.close()
    assert next(open_snapshot(tmp_path / "new").rows("prompts"))["prompt"][0]["content"] == text


def test_a_directory_without_a_manifest_is_no_snapshot(tmp_path):
    with pytest.raises(SnapshotError, match="no manifest.json"):
        open_snapshot(tmp_path)


def test_an_unknown_format_version_is_refused(snapshot):
    manifest = read_manifest(snapshot) | {"format_version": 99}
    (snapshot / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SnapshotError, match="not of format version 1, which this trainer reads"):
        open_snapshot(snapshot)


def test_a_changed_letter_is_refused_by_file(snapshot):
    path = snapshot / "demonstrations.jsonl"
    path.write_bytes(path.read_bytes().replace(b"alice", b"malic", 1))
    with pytest.raises(SnapshotError, match="demonstrations.jsonl .* was changed"):
        open_snapshot(snapshot)


def test_a_lost_row_is_refused_with_both_counts(snapshot):
    path = snapshot / "rankings.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(SnapshotError, match="rankings.jsonl .* has 9 rows where the manifest says 10"):
        open_snapshot(snapshot)


def test_a_truncated_file_is_refused(snapshot):
    path = snapshot / "prompts.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SnapshotError, match="prompts.jsonl .* rows"):
        open_snapshot(snapshot)


def test_a_missing_file_is_refused(snapshot):
    (snapshot / "rankings.jsonl").unlink()
    with pytest.raises(SnapshotError, match="rankings.jsonl .* cannot be read"):
        open_snapshot(snapshot)


def test_a_malformed_line_is_named_with_its_number(snapshot):
    path = snapshot / "prompts.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "{broken\n", *lines[4:]]))
    with pytest.raises(SnapshotError, match="Line 4 of .*prompts.jsonl is not JSON"):
        list(open_snapshot(snapshot, verify=False).rows("prompts"))


def test_a_missing_column_is_named_with_its_line(snapshot):
    row = ranking_row(0, [], [["a"], ["b"]], "train")
    del row["tiers"]
    (snapshot / "rankings.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(SnapshotError, match="Line 1 of .*rankings.jsonl lacks the column tiers"):
        list(open_snapshot(snapshot, verify=False).rows("rankings"))


def user(text):
    return {"role": "user", "content": text}


def test_the_split_hangs_on_the_first_user_message_alone():
    followed = [
        {"role": "system", "content": "s"},
        user("Hello  there\n"),
        {"role": "assistant", "content": "x"},
        user("y"),
    ]
    for seed in range(50):
        assert split_of([user("hello there")], seed, 0.5) == split_of(followed, seed, 0.5)


def test_the_split_keeps_about_the_share_that_was_asked_for():
    prompts = [[user(f"prompt {number}")] for number in range(4000)]
    share = sum(split_of(prompt, 7, 0.1) == "validation" for prompt in prompts) / 4000
    assert 0.08 < share < 0.12
    assert all(split_of(prompt, 7, 0.0) == "train" for prompt in prompts[:50])
    assert all(split_of(prompt, 7, 1.0) == "validation" for prompt in prompts[:50])


def test_another_seed_splits_otherwise():
    prompts = [[user(f"prompt {number}")] for number in range(100)]
    assert [split_of(p, 1, 0.5) for p in prompts] != [split_of(p, 2, 0.5) for p in prompts]


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="Linux alone tells a process's peak of memory"
)
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Peak memory of writing and reading 60,000 rows (60 MB) stays near that of the empty interpreter."""
    code = f"""
from pathlib import Path
from trainer.snapshot import SnapshotWriter, open_snapshot
def peak():  # not getrusage's, which begins with that of the process that started this one
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
before = peak()
with SnapshotWriter({str(tmp_path / "large")!r}) as writer:
    for number in range(60_000):
        writer.write("prompts", {{"id": number, "prompt": [{{"role": "user", "content": "x" * 900}}],
                                 "language": "en", "split": "train", "source": "t"}})
    writer.close()
assert sum(1 for _ in open_snapshot({str(tmp_path / "large")!r}).rows("prompts")) == 60_000
print(peak() - before)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert int(ended.stdout) < 20_000  # kilobytes


def test_both_file_formats_load_without_torch():
    code = "import sys, trainer.run_dir, trainer.snapshot; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0
