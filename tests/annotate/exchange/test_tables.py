"""CSV and other files that are no JSON: read as tables, or told once as what they are. No database."""

import gzip
import io
import zipfile

import pytest

from annotate.exchange.formats.detect import detect, parse_file
from annotate.exchange.formats.reading import records
from annotate.exchange.formats.records import Record, Rejected
from annotate.exchange.formats.tables import as_it_was, harmless


@pytest.fixture
def read(tmp_path):
    """read(bytes) -> (form, what is stored, {line: why not})."""

    def run(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        form = detect(path)
        found = list(parse_file(path, form, tmp_path / "scratch") if form else records(path))
        kept = [item for item in found if not isinstance(item, Rejected)]
        return (
            form and form.name,
            kept,
            {item.line: item.reason for item in found if isinstance(item, Rejected)},
        )

    return run


def answers(kept):
    return [(item.messages[0]["content"], item.demonstrations[0].messages[-1]["content"]) for item in kept]


def test_what_a_french_spreadsheet_writes_is_read(read):
    table = '\ufeffPrompt;completion\r\n"Say hello\nin two lines";"Hello\nthere"\r\n=1+1;"a;b"\r\n;\r\n'
    form, kept, refused = read(table.encode())
    assert (form, refused) == ("prompt-completion", {})
    assert answers(kept) == [("Say hello\nin two lines", "Hello\nthere"), ("=1+1", "a;b")]
    assert [item.line for item in kept] == [2, 5]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_commas_and_tabs_separate_too(read, pack):
    form, kept, _ = read(pack(b'instruction,input,output\n"Name, please",,"It\'s ""Bob"""\n'))
    assert (form, answers(kept)) == ("alpaca", [("Name, please", 'It\'s "Bob"')])
    assert answers(read(b"prompt\tcompletion\nhi\thello\n")[1]) == [("hi", "hello")]


@pytest.mark.parametrize("name", [b"Prompt", b'"prompt"', b"text"])
def test_a_column_alone_is_a_list_of_prompts(read, name):
    form, kept, refused = read(name + b'\nWhy?\nHow, then?\n"In two\nlines?"\n')
    assert (form, refused) == ("prompts", {})
    assert [item.messages[0]["content"] for item in kept] == ["Why?", "How, then?", "In two\nlines?"]


def test_numbers_truth_and_turns_are_read_from_cells(read):
    turns = '"[{""role"": ""user"", ""content"": ""Hi""}]"'
    _, [up, down], _ = read(
        f'prompt,completion,label\n{turns},"[1] is a list",TRUE\nHi,"Hello",Faux\n'.encode()
    )
    assert [item.completions[0].ratings[0].value for item in (up, down)] == [1.0, 0.0]
    assert up.messages == [{"role": "user", "content": "Hi"}]
    _, [pair], _ = read(b"prompt;chosen;rejected;margin\nm;a;b;2,5\n")
    assert pair.rankings[0].metadata == {"margin": 2.5}


def test_a_broken_row_costs_no_other(read):
    rows = b'prompt,completion\na,b\nc\nd,e,f\n"g"h,i\nj,caf\xe9\nk,l\nm,"n\n'
    _, kept, refused = read(rows)
    assert answers(kept) == [("a", "b"), ("k", "l")]
    assert list(refused) == [3, 4, 5, 6, 8]
    assert refused[3] == "The row has 1 cells, and the first row names 2 columns."
    assert "quotation mark" in refused[5]
    assert refused[6].startswith("It is not UTF-8 text.")
    assert "quotation mark" in refused[8]


def test_two_columns_of_one_name_and_columns_of_no_form_are_told_once(read):
    assert read(b"prompt,prompt\na,b\n")[2] == {1: "Two columns are called prompt."}
    _, _, refused = read(b"colour,size\nred,1\nblue,2\n")
    assert list(refused) == [1]
    assert "its first line is “colour,size”" in refused[1]
    assert list(read(b"Notes of 2026\n12\ntrue\n")[2]) == [1], "no line of it is a record"
    assert list(read(b"Dear all,\nplease find the file.\n" * 1000)[2]) == [1]


def sheet():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PAR1\x15\x04\0\0", "This is a Parquet or Arrow file"),
        (sheet(), "This is a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "This is a spreadsheet"),
        (b"PK\3\4\0\0\0\0notes.txt", "This is a ZIP archive"),
        (b"\x7fELF\0\0\0", "This is no text file"),
    ],
)
def test_a_file_that_is_no_text_is_told_once_as_what_it_is(read, content, told):
    _, kept, refused = read(content)
    assert (kept, list(refused)) == ([], [1])
    assert refused[1].startswith(told)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("x;=1+1", "x;'=1+1"),
        ("\n=1+1", "'\n'=1+1"),
        ("a\r\n@SUM(1)", "a\r\n'@SUM(1)"),
        ("＝1+1", "'＝1+1"),
        ("－1", "'－1"),
        (" +1", "' +1"),
        ("\tx", "'\tx"),
        ("'=1", "''=1"),
        ("x = 1; y", "x = 1; y"),
        ("it's-a", "it's-a"),
    ],
)
def test_no_cell_is_a_formula_and_what_guards_it_comes_off_again(cell, written):
    assert harmless(cell) == written
    assert as_it_was(written) == cell


def test_a_table_is_read_in_bounded_memory(tmp_path, monkeypatch):
    from annotate.exchange.formats import reading

    monkeypatch.setattr(reading, "MAX_RECORD_BYTES", 1 << 16)
    path = tmp_path / "table"
    path.write_bytes(b'prompt,completion\na,b\nc,"' + b"x\n" * (1 << 20))
    found = list(records(path))
    assert isinstance(found[0], Record)
    assert "The rest of the file was not read" in found[1].reason
    assert len(found) == 2
