"""A damaged or foreign file ends in reasons, never in a stack trace; what is good in it is taken in."""

import gzip
import json
import random
import tracemalloc
import zipfile

import pytest
from django.core.management import CommandError, call_command

from annotate.campaigns.models import Campaign
from annotate.exchange.formats import reading
from annotate.exchange.formats.detect import detect, parse_file
from annotate.exchange.formats.reading import records
from annotate.exchange.formats.records import Record, Rejected
from annotate.exchange.importing import ImportRefused, import_file
from annotate.exchange.models import Message, Tree
from annotate.exchange.storing import stored_counts

from .conftest import SAMPLES

GOOD = b'{"instruction": "Name a fish.", "input": "", "output": "Herring."}'
SECOND = b'{"instruction": "Name a tree.", "input": "", "output": "Oak."}'


@pytest.fixture
def reasons(tmp_path):
    """reasons(bytes) -> ([lines that were read], {line: reason})."""

    def run(content: bytes):
        path = tmp_path / "file"
        path.write_bytes(content)
        found = list(records(path))
        good = [item.line for item in found if isinstance(item, Record)]
        return good, {item.line: item.reason for item in found if isinstance(item, Rejected)}

    return run


def test_a_truncated_gzip_file_gives_what_can_be_unpacked(reasons):
    lines = b"\n".join(json.dumps(f"prompt {random.random()}").encode() for _ in range(500))
    good, refused = reasons(gzip.compress(lines)[:-2000])
    assert len(good) > 100
    assert list(refused.values()) == [
        "The gzip file ends too early: it was cut off. Send the whole file again."
    ]
    assert next(iter(refused)) == len(good) + 1


def test_gzip_in_several_parts_is_one_file(reasons):
    good, refused = reasons(gzip.compress(GOOD + b"\n") + gzip.compress(SECOND))
    assert (good, refused) == ([1, 2], {})


def test_a_damaged_gzip_file_says_so(reasons):
    content = bytearray(gzip.compress(random.Random(1).randbytes(5000).hex().encode()))
    content[3000:3040] = b"\0" * 40
    _, refused = reasons(bytes(content))
    assert any("damaged" in reason or "not JSON" in reason for reason in refused.values())


def test_lines_that_are_not_utf8_are_named_and_the_others_read(reasons):
    good, refused = reasons(GOOD + b'\n{"instruction": "caf\xe9"}\n' + SECOND)
    assert good == [1, 3]
    assert refused[2].startswith("It is not UTF-8 text (byte 0xe9 at position 21).")


def test_utf16_and_binary_files_are_refused_once(reasons, tmp_path):
    _, refused = reasons(GOOD.decode().encode("utf-16"))
    assert refused == {1: "The file is UTF-16 text. Save it as UTF-8 and import it again."}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", GOOD * 50)
    _, refused = reasons((tmp_path / "a.zip").read_bytes())
    assert list(refused) == [1]
    assert "ZIP archive" in refused[1]


def test_a_byte_order_mark_is_no_part_of_the_text(reasons):
    assert reasons(b"\xef\xbb\xbf" + GOOD) == ([1], {})


def test_broken_lines_in_the_middle_are_named(reasons):
    good, refused = reasons(b"\n".join([GOOD, b'{"instruction": ', b"", b"[1, 2", GOOD, b"NaN", b"{}"]))
    assert good == [1, 5, 7]
    assert set(refused) == {2, 4, 6}
    assert refused[2].startswith("It is not JSON: Expecting value")
    assert refused[6] == "NaN is not a number that JSON knows."


def test_a_broken_entry_of_an_array_costs_no_other(reasons):
    content = b"[\n" + GOOD + b",\n  {broken},\n" + SECOND + b"\n]\n"
    good, refused = reasons(content)
    assert good == [2, 4]
    assert refused[3].startswith("It is not JSON")


def test_brackets_and_escapes_inside_texts_do_not_split_an_array(reasons):
    tricky = json.dumps({"prompt": 'a "quoted\\" ] } , [ {', "x": ["]", "\\"]}).encode()
    for block in (1, 2, 3, 7, 1 << 16):
        reading_block, reading.BLOCK = reading.BLOCK, block
        try:
            assert reasons(b"[" + tricky + b" ,\n" + tricky + b"]") == ([1, 2], {})
        finally:
            reading.BLOCK = reading_block


def test_an_array_that_is_cut_off_says_so(reasons):
    good, refused = reasons(b"[" + GOOD + b",\n" + SECOND[:20])
    assert good == [1]
    assert refused == {2: reading.cut_off()}


def test_what_stands_after_an_array_is_not_passed_over_in_silence(reasons):
    good, refused = reasons(b"[" + GOOD + b"]\n" + SECOND)
    assert good == [1]
    assert "after the end of the list" in refused[2]


def test_objects_over_several_lines_one_after_another_are_read(reasons):
    pretty = json.dumps(json.loads(GOOD), indent=2).encode()
    assert reasons(pretty + b"\n" + pretty) == ([1, 6], {})


def test_a_document_that_breaks_off_gives_its_whole_entries(tmp_path):
    content = (SAMPLES / "squad.json").read_bytes()
    path = tmp_path / "squad.json"
    path.write_bytes(content[: content.rindex(b"20 m")])
    found = list(records(path))
    assert [item.reason for item in found if isinstance(item, Rejected)] == [reading.cut_off()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"instruction": "a\\u0000b"}', "NUL character"),
        (b'{"instruction": "\\ud800"}', "half of a character"),
        (b'{"instruction": "a", "instruction": "b"}', 'The field "instruction" stands twice'),
        (b'{"instruction": 1e999}', "too large"),
        (b'{"instruction": ' + b"9" * 5000 + b"}", "more digits"),
        (b"[" * 100_000, "cut off"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested too deeply"),
    ],
)
def test_what_no_database_keeps_is_refused_with_its_reason(reasons, line, reason):
    _, refused = reasons(GOOD + b"\n" + line if not line.startswith(b"[") else line)
    assert reason in next(iter(refused.values()))


@pytest.mark.parametrize(
    "opening", [b'{"text": "', b'[{"text": "', b'{"prompts": [{"results": "', b'{"data": "']
)
def test_an_enormous_record_is_refused_in_bounded_memory(tmp_path, monkeypatch, opening):
    monkeypatch.setattr(reading, "MAX_RECORD_BYTES", 1 << 20)
    path = tmp_path / "enormous"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(opening)
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + GOOD)
    tracemalloc.start()
    found = list(records(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20, "64 MB were read"
    assert any("longer than" in item.reason for item in found if isinstance(item, Rejected))


def test_an_enormous_array_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "array"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"[" + b",\n".join([GOOD] * 20_000) + b"]")
    tracemalloc.start()
    num_records = sum(1 for _ in records(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num_records == 20_000
    assert peak < 1 << 20


# ---------------------------------------------------------------- into a campaign


@pytest.fixture
def campaign():
    return Campaign.objects.create(name="Bad", kind="ranking")


@pytest.fixture
def take_in(campaign, tmp_path):
    """take_in(rows or bytes) -> the file's report."""

    def run(content, form="auto"):
        path = tmp_path / "given.json"
        lines = content if isinstance(content, bytes) else b"\n".join(json.dumps(r).encode() for r in content)
        path.write_bytes(lines)
        return import_file(path, campaign, form)

    return run


def message(name, parent=None, text="text", **more):
    return {"message_id": name, "parent_id": parent, "text": text, "role": "prompter", **more}


database = pytest.mark.django_db(transaction=True)


@database
def test_messages_in_a_circle_belong_to_no_tree(take_in):
    report = take_in([message("a"), message("b", "c"), message("c", "b"), message("d", "d")])
    assert (report.accepted, [r.line for r in report.rejected]) == (1, [4, 2, 3])
    assert "circle" in report.rejected[1].reason
    assert "its own parent" in report.rejected[0].reason


@database
def test_a_tree_with_one_unreadable_message_is_not_stored_at_all(take_in, campaign):
    good = message("g", replies=[])
    bad = message("r", replies=[message("s", "r"), {"message_id": "t", "role": "wizard", "text": "x"}])
    report = take_in([good, bad, message("r", replies=[message("r", "r")])])
    assert report.accepted == 1
    assert [r.reason for r in report.rejected] == [
        'The role "wizard" is neither prompter nor assistant.',
        "The message r is its own parent.",
    ]
    assert Message.objects.filter(campaign=campaign).count() == 1


@database
def test_a_known_message_with_another_text_is_refused(take_in):
    take_in([message("a"), message("b", "a", "first")])
    again = take_in(
        [message("a"), message("b", "a", "second"), message("c", "b"), message("c", "b", "other")]
    )
    assert (again.accepted, again.duplicates) == (1, 1)
    assert sorted(r.reason for r in again.rejected) == [
        "The message b is already stored with another text.",
        "The message c stands earlier in this file with other content.",
    ]
    assert set(Message.objects.values_list("text", flat=True)) == {"text", "first"}


@database
def test_a_very_long_thread_is_refused_without_breaking(take_in):
    thread = [message("m0"), *(message(f"m{i}", f"m{i - 1}") for i in range(1, 600))]
    report = take_in(thread)
    assert report.num_records == 600
    assert report.accepted == 200
    nested = {"message_id": "n", "text": "x", "role": "prompter", "replies": []}
    for number in range(150):
        nested = {"message_id": f"n{number}", "text": "x", "role": "prompter", "replies": [nested]}
    assert take_in([nested]).num_records == 1


@database
def test_a_file_nobody_knows_is_refused_line_by_line(take_in, campaign):
    report = take_in([{"colour": "red"}, {"colour": "blue"}])
    assert (report.format, report.num_records, report.accepted) == ("unknown", 2, 0)
    assert all("no format that Parley reads" in r.reason for r in report.rejected)
    assert take_in(b"").rejected == [Rejected(1, "The file is empty.")]
    assert not any(stored_counts(campaign).values())


@database
def test_what_the_database_refuses_costs_no_other_record(take_in, campaign):
    rows = [
        {"passage-id": "p" * n, "questions": {"0": {"s": {"response": "r", "reviews": []}}}} for n in (1, 9)
    ]
    review = {
        "worker_id": "1",
        **{f"{c}-{w}": 1 for c in ("correctness", "selection", "overall") for w in ("rating", "rank")},
    }
    rows[0]["questions"]["0"]["s"]["reviews"] = [review]
    rows[1]["questions"]["0"]["s"]["reviews"] = [{**review, "worker_id": "w" * 500}, review]
    report = take_in(rows)
    assert report.accepted == 1
    assert [r.line for r in report.rejected] == [2, 2]
    assert "cannot keep it" in report.rejected[0].reason


@database
def test_a_form_that_is_named_wrongly_refuses_every_record(take_in):
    report = take_in(GOOD + b"\n" + SECOND, form="hh")
    assert [r.reason for r in report.rejected] == ['It has no field "chosen".'] * 2


@database
def test_directories_missing_files_and_unknown_formats_are_one_sentence(campaign, tmp_path):
    with pytest.raises(ImportRefused, match="is a directory; name the files in it"):
        import_file(tmp_path, campaign)
    with pytest.raises(ImportRefused, match="No such file"):
        import_file(tmp_path / "none", campaign)
    (tmp_path / "a").write_bytes(GOOD)
    with pytest.raises(ImportRefused, match="There is no format runes"):
        import_file(tmp_path / "a", campaign, "runes")
    with pytest.raises(CommandError, match="Nothing was taken in. a: The file is empty"):
        (tmp_path / "a").write_bytes(b"")
        call_command("import_feedback", tmp_path / "a", campaign="x")


@database
@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_changed_in_a_file_every_record_is_accounted_for(campaign, tmp_path, seed):
    chance = random.Random(seed)
    odd = [None, True, -1, 1e300, "", "x" * 300, [], {}, [[]], {"a": {}}, 10**30, [None]]
    for sample in sorted(SAMPLES.iterdir()):
        values = [item.value for item in records(sample)]
        path = tmp_path / sample.name
        form = detect(sample)
        mutated = [mutate(value, chance, odd) for value in values for _ in range(6)]
        content = bytearray(b"\n".join(json.dumps(value).encode() for value in mutated))
        for _ in range(seed * 4):
            content[chance.randrange(len(content))] = chance.randrange(32, 256)
        path.write_bytes(content)
        report = import_file(path, campaign, form.name)
        again = import_file(path, campaign, form.name)
        assert again.accepted == 0, sample.name
        assert again.num_records == report.num_records
        num_parsed = sum(
            isinstance(item, Rejected) for item in parse_file(path, form, tmp_path / f"s{chance.random()}")
        )
        assert len(report.rejected) >= num_parsed
    assert not Tree.objects.filter(messages=None).exists()


def mutate(value, chance, odd):
    copy = json.loads(json.dumps(value))
    for _ in range(chance.randint(0, 2)):
        place, node = None, copy
        while isinstance(node, dict | list) and node and chance.random() < 0.8:
            key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
            place, node = (node, key), node[key]
        if place:
            place[0][place[1]] = chance.choice(odd)
    return copy
