"""Bytes of a file -> records with the line where each begins. Constant memory, however large the file is.

Plain or gzip (by its first bytes), UTF-8 with or without a byte order mark, JSON lines, one JSON array, objects
one after another, one object that holds a list, or a table (tables.py). What cannot be read is a Rejected with a reason, and reading
goes on after it.
"""

import csv
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ijson
from django.utils.translation import gettext as _

from annotate.exchange.formats import tables
from annotate.exchange.formats.records import Record, Rejected, first_repeated
from annotate.exchange.formats.values import parsed, unstorable

BLOCK = 1 << 16
MAX_RECORD_BYTES = 16 << 20
BOM = b"\xef\xbb\xbf"
SPOILT = re.compile("[\udc80-\udcff]")  # bytes that were no UTF-8 (surrogateescape)
LOOK_AT = 20  # lines that decide whether it is JSON
TOKEN = re.compile(rb'["\\{}\[\],\n]')
# One object around a list of records: the list's name and a field that each entry of it has.
DOCUMENTS = {"prompts": "results", "data": "paragraphs"}


def too_long() -> str:
    return _("It is longer than %(size)s MB, more than one record may be.") % {"size": MAX_RECORD_BYTES >> 20}


def cut_off() -> str:
    return _("The file ends in the middle of this record: it was cut off. Send the whole file again.")


class Damaged(Exception):
    """The bytes end or break here; the text is the reason."""


def blocks(path: Path) -> Iterator[bytes]:
    """The file's bytes, unpacked. Of a truncated gzip file all that can be unpacked comes first."""
    with open(path, "rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            while block := file.read(BLOCK):
                yield block
            return
        file.seek(0)
        yield from _unpacked(file)


def _unpacked(file: Any) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    waiting = b""
    try:
        while waiting or (waiting := file.read(BLOCK)):
            if unpacker.eof:  # gzip files may be several, one after another
                if not waiting.strip(b"\0"):
                    waiting = b""
                    continue
                unpacker = zlib.decompressobj(wbits=31)
            if block := unpacker.decompress(waiting, BLOCK):
                yield block
            waiting = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error:
        raise Damaged(_("The gzip file is damaged from here on. Send it again.")) from None
    if not unpacker.eof:
        raise Damaged(_("The gzip file ends too early: it was cut off. Send the whole file again."))


def text_blocks(path: Path) -> Iterator[bytes]:
    """As blocks, without a byte order mark; what is no UTF-8 text at all is Damaged at once."""
    first = True
    for block in blocks(path):
        if first:
            first = False
            if block.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise Damaged(_("The file is UTF-16 text. Save it as UTF-8 and import it again."))
            if binary := kind_of_binary(block):
                raise Damaged(binary)
            block = block.removeprefix(BOM)
        yield block


def kind_of_binary(block: bytes) -> str:
    """What a file is that is no text, and what to do; empty for text."""
    if block.startswith((b"PAR1", b"ARROW1")):
        return _(
            "This is a Parquet or Arrow file, which is not read. Write it as JSON lines first, in Python for instance: "
            'pandas.read_parquet("in.parquet").to_json("out.jsonl", orient="records", lines=True).'
        )
    is_sheet = block.startswith(b"PK\3\4") and (b"xl/" in block or b"opendocument.spreadsheet" in block)
    if is_sheet or block.startswith(b"\xd0\xcf\x11\xe0"):
        return _(
            "This is a spreadsheet (Excel or the like), which is not read. Save it as CSV UTF-8 and import that."
        )
    if block.startswith(b"PK\3\4"):
        return _("This is a ZIP archive, which is not read. Unpack it and import the files in it.")
    if b"\0" in block[:4096]:
        return _("This is no text file. Feedback is read from JSON and CSV files, plain or gzip.")
    return ""


def is_record(line: bytes) -> bool:
    found = parsed(1, line)
    return isinstance(found, Record) and isinstance(found.value, str | dict | list)


class _BlockFile:
    """text_blocks with the read() that ijson wants. More than one record's bytes without a record is Damaged."""

    def __init__(self, path: Path) -> None:
        self.blocks = text_blocks(path)
        self.waiting = b""
        self.num_bytes = 0  # since the last whole record

    def read(self, size: int) -> bytes:
        if size == 0:
            return b""
        block = self.waiting or next(self.blocks, b"")
        self.waiting = block[size:]
        self.num_bytes += len(block[:size])
        if self.num_bytes > MAX_RECORD_BYTES + BLOCK:
            raise Damaged(too_long() + " " + _("The rest of the file was not read."))
        return block[:size]


@dataclass(slots=True)
class Shape:
    """How the records stand in the file: "lines", "array", "objects", "document" with the name of its list, or
    "table" with what stands between its columns."""

    name: str
    list_name: str = ""
    delimiter: str = ""


def shape_of(path: Path) -> Shape:
    first = b""
    try:
        for block in text_blocks(path):
            first = (first + block).lstrip()
            if len(first) >= BLOCK:
                break
    except Damaged:
        if not first:
            raise
    if not first:
        raise Damaged(_("The file is empty."))
    if first.startswith(b"["):
        return Shape("array")
    if first.startswith(b"{"):
        if list_name := _list_of_document(path):
            return Shape("document", list_name)
        one, *others = [line.strip() for line in first.split(b"\n") if line.strip()]
        if others and not one.endswith(b"}") and not others[0].startswith(b"{"):
            return Shape("objects")
        return Shape("lines")
    return _shape_of_text(first)


def _shape_of_text(first: bytes) -> Shape:
    """What begins with no bracket: JSON texts, one a line, or a table; else it is no feedback, told once."""
    if first.startswith(b'"') and b"\n" not in first:
        return Shape("lines")  # one very long text
    lines = [line.strip() for line in first[:BLOCK].split(b"\n")[:LOOK_AT] if line.strip()]
    top = lines[0].decode("utf-8", "replace")
    delimiter = tables.delimiter_of(top)
    if delimiter != tables.ALONE and any(is_record(line) for line in lines):
        return Shape("lines")
    if delimiter:
        return Shape("table", delimiter=delimiter)
    shown = top if len(top) <= 80 else f"{top[:80]}…"
    raise Damaged(
        _(
            "It is not JSON, and no table with columns that Parley knows: its first line is “%(line)s”. A table's first "
            "row names the columns as the guide does, for instance prompt and completion."
        )
        % {"line": shown}
    )


def _list_of_document(path: Path) -> str:
    """ "prompts" of a sampling report, "data" of a SQuAD file; looks no further than the first object."""
    try:
        for seen, (prefix, event, value) in enumerate(ijson.parse(_BlockFile(path), buf_size=BLOCK)):
            for name, field in DOCUMENTS.items():
                if prefix == f"{name}.item" and event == "map_key" and value == field:
                    return name
            if (prefix == "" and event == "end_map") or seen > 100_000:
                break
    except (ijson.JSONError, Damaged, UnicodeDecodeError, ValueError):
        pass  # reading the records meets it again and says where
    return ""


def records(path: Path) -> Iterator[Record | Rejected]:
    """Every record of the file in order. A file that is no text at all is one Rejected."""
    reached = [1]  # the line that reading has come to, for when the bytes break there
    try:
        shape = shape_of(path)
        if shape.name == "document":
            yield from _document(path, shape.list_name, reached)
            return
        if shape.name == "table":
            yield from _table(text_blocks(path), shape.delimiter, reached)
            return
        split = _lines if shape.name == "lines" else _values
        for line, raw in split(text_blocks(path), shape.name == "array", reached):
            yield parsed(line, raw) if isinstance(raw, bytes) else Rejected(line, raw)
    except Damaged as damage:
        yield Rejected(reached[0], str(damage))


class _TableLines:
    """Decoded lines with their ends, for the csv module. More than one record's bytes without a row is Damaged."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self.source = source
        self.number = 0
        self.num_bytes = 0  # since the last whole row

    def __iter__(self) -> Iterator[str]:
        waiting = b""
        for block in self.source:
            *ended, waiting = (waiting + block).split(b"\n")
            for line in ended:
                yield self._taken(line + b"\n")
            if self.num_bytes + len(waiting) > MAX_RECORD_BYTES:
                raise Damaged(too_long() + " " + _("The rest of the file was not read."))
        if waiting:
            yield self._taken(waiting)

    def _taken(self, line: bytes) -> str:
        self.number += 1
        self.num_bytes += len(line)
        if self.num_bytes > MAX_RECORD_BYTES:
            raise Damaged(too_long() + " " + _("The rest of the file was not read."))
        return line.decode("utf-8", "surrogateescape")


def _table(source: Iterator[bytes], delimiter: str, reached: list[int]) -> Iterator[Record | Rejected]:
    """A record for each row after the first; `line` is where the row begins."""
    lines = _TableLines(source)
    names: list[str] = []
    csv.field_size_limit(2 * MAX_RECORD_BYTES)  # the lines above end a row sooner
    for cells in tables.rows(iter(lines), delimiter):
        line, size = reached[0], lines.num_bytes
        reached[0], lines.num_bytes = lines.number + 1, 0
        if isinstance(cells, str):
            yield Rejected(line, cells)
        elif not any(cell.strip() for cell in cells):
            continue
        elif not names:
            names = tables.column_names(cells)
            if (twice := first_repeated(name for name in names if name)) is not None:
                reached[0] = line
                raise Damaged(_("Two columns are called %(name)s.") % {"name": twice})
        else:
            yield _table_record(line, tables.record_of(names, cells, delimiter), size)


def _table_record(line: int, found: dict[str, Any] | str, size: int) -> Record | Rejected:
    if isinstance(found, str):
        return Rejected(line, found)
    if any(isinstance(cell, str) and SPOILT.search(cell) for cell in found.values()):
        return Rejected(
            line, _("It is not UTF-8 text. Save the file as UTF-8 (in Excel: CSV UTF-8) and import it again.")
        )
    reason = unstorable(found)
    return Rejected(line, reason) if reason else Record(line, found, size=size)


def _document(path: Path, name: str, reached: list[int]) -> Iterator[Record | Rejected]:
    """Entries of the list in a document; `line` is the number of the entry. What stands before it is the header."""
    header = _header(path, name)
    file = _BlockFile(path)
    number = 0
    try:
        for number, value in enumerate(ijson.items(file, f"{name}.item", use_float=True), start=1):
            size, file.num_bytes = file.num_bytes, 0
            reached[0] = number + 1
            reason = unstorable(value)
            yield Rejected(number, reason) if reason else Record(number, value, header, size)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        cut = isinstance(error, ijson.IncompleteJSONError)
        reason = (
            cut_off()
            if cut
            else _("From this entry on it is not JSON, so the rest of the file was not read.")
        )
        yield Rejected(number + 1, reason)


def _header(path: Path, name: str) -> dict[str, Any]:
    """What stands in a document before its list."""
    builder = ijson.ObjectBuilder()
    try:
        for prefix, event, value in ijson.parse(_BlockFile(path), use_float=True):
            if (prefix, event) == (name, "start_array"):
                break
            builder.event(event, value)
    except (ijson.JSONError, UnicodeDecodeError):
        pass  # the entries meet it again and say where
    return builder.value


def _lines(source: Iterator[bytes], _array: bool, reached: list[int]) -> Iterator[tuple[int, bytes | str]]:
    """(number, line) of every line that is not blank; a line over the limit is passed over, not kept."""
    waiting = bytearray()
    line, is_long = 1, False
    for block in source:
        *ended, last = block.split(b"\n")
        for part in ended:
            waiting += part
            if is_long or len(waiting) > MAX_RECORD_BYTES:
                yield line, too_long()
            elif waiting.strip():
                yield line, bytes(waiting)
            waiting.clear()
            is_long = False
            line += 1
            reached[0] = line
        waiting += last
        if len(waiting) > MAX_RECORD_BYTES:
            waiting.clear()
            is_long = True
    if is_long:
        yield line, too_long()
    elif waiting.strip():
        yield line, bytes(waiting)
        reached[0] = line + 1


class _Values:
    """Finds where each value of an array (or each of several objects in a row) begins and ends."""

    def __init__(self, is_array: bool) -> None:
        self.base = 1 if is_array else 0
        self.depth = 0
        self.in_string = False
        self.entry = bytearray()
        self.is_long = False
        self.line = 1  # where reading is
        self.entry_line = 1  # where the entry begins
        self.is_closed = False

    def keep(self, piece: bytes) -> None:
        if not self.entry:
            stripped = piece.lstrip()
            self.entry_line += piece.count(b"\n", 0, len(piece) - len(stripped))
            piece = stripped
        if self.is_long or len(self.entry) + len(piece) > MAX_RECORD_BYTES:
            self.is_long = True
            self.entry[:] = b"x"  # no longer blank, and no longer kept
        else:
            self.entry += piece

    def taken(self) -> Iterator[tuple[int, bytes | str]]:
        if self.is_long:
            yield self.entry_line, too_long()
        elif self.entry.strip():
            yield self.entry_line, bytes(self.entry)
        self.entry.clear()
        self.is_long = False
        self.entry_line = self.line


def _values(source: Iterator[bytes], is_array: bool, reached: list[int]) -> Iterator[tuple[int, bytes | str]]:
    state = _Values(is_array)
    skip_to = 0  # in the block: what a backslash stands before
    for block in source:
        done = 0
        for found in TOKEN.finditer(block):
            at, token = found.start(), found.group()
            if token == b"\n":
                state.line += 1
            if at < skip_to or state.is_closed:
                continue
            if state.in_string:
                if token == b"\\":
                    skip_to = at + 2
                elif token == b'"':
                    state.in_string = False
            elif token == b'"':
                state.in_string = True
            elif token in b"{[":
                state.depth += 1
                if is_array and state.depth == 1:
                    done = at + 1  # the array's own bracket
            elif token in b"}]":
                state.depth -= 1
                if state.depth == 0:
                    state.keep(block[done:at] if is_array else block[done : at + 1])
                    yield from state.taken()
                    done = at + 1
                    state.is_closed = is_array
                state.depth = max(state.depth, 0)
            elif token == b"," and is_array and state.depth == 1:
                state.keep(block[done:at])
                yield from state.taken()
                done = at + 1
            reached[0] = state.entry_line
        state.keep(block[done:])
        skip_to = max(0, skip_to - len(block))
    yield from _tail(state)


def _tail(state: _Values) -> Iterator[tuple[int, bytes | str]]:
    """What is left when the file ends: nothing, or a record or list that was cut off, or something after the list."""
    if state.is_closed and state.entry.strip():
        yield state.entry_line, _("Something stands after the end of the list; it was not read.")
    elif state.base and not state.is_closed:
        yield state.entry_line, too_long() if state.is_long else cut_off()
    elif state.entry.strip():
        yield from ((line, cut_off() if isinstance(raw, bytes) else raw) for line, raw in state.taken())
