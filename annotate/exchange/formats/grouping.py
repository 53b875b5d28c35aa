"""Messages of a flat file put together by tree, on disk: a temporary SQLite file, never the whole file in memory."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import Record, Rejected, Unusable

TABLES = """
CREATE TABLE message (number INTEGER PRIMARY KEY, line INTEGER, id TEXT UNIQUE, parent TEXT, named_tree TEXT,
                      value TEXT, root TEXT, tree TEXT);
CREATE INDEX by_parent ON message (parent);
"""
# From every message without a parent in the file, downwards; what no root reaches goes round in a circle.
ROOTS = """
WITH RECURSIVE below(id, root) AS (
    SELECT id, id FROM message AS top
    WHERE parent = '' OR NOT EXISTS (SELECT 1 FROM message WHERE message.id = top.parent)
    UNION ALL
    SELECT message.id, below.root FROM message JOIN below ON message.parent = below.id
)
INSERT INTO reached SELECT id, root FROM below
"""


@dataclass
class Group:
    tree_id: str
    size: int
    database: sqlite3.Connection

    def records(self) -> Iterator[Record]:
        rows = self.database.execute(
            "SELECT line, value FROM message WHERE tree = ? ORDER BY number", (self.tree_id,)
        )
        for line, value in rows:
            yield Record(line, json.loads(value), size=len(value))


def grouped(
    records: Iterator[Record | Rejected], read: Callable[[Record], tuple[str, str, str]], scratch: Path
) -> Iterator[Group | Rejected | int]:
    """Groups, what was refused, and for each mere repetition of an earlier line its number.

    `read` gives a message's id, its parent's id and the id of its tree, "" where there is none.
    """
    database = sqlite3.connect(scratch, isolation_level=None)
    try:
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;" + TABLES)
        yield from _fill(database, records, read)
        database.execute("CREATE TABLE reached (id TEXT PRIMARY KEY, root TEXT)")
        database.execute(ROOTS)
        lost = "SELECT line FROM message WHERE id NOT IN (SELECT id FROM reached) ORDER BY number"
        for (line,) in database.execute(lost):
            yield Rejected(line, _("Its parents go round in a circle, so it belongs to no tree."))
        # A tree bears the name that its root gives it, else the root's own id.
        database.execute(
            "UPDATE message SET tree = (SELECT coalesce(nullif(top.named_tree, ''), top.id) FROM reached "
            "JOIN message AS top ON top.id = reached.root WHERE reached.id = message.id)"
        )
        database.execute("CREATE INDEX by_tree ON message (tree, number)")
        trees = database.execute(
            "SELECT tree, count(*) FROM message WHERE tree IS NOT NULL GROUP BY tree ORDER BY min(number)"
        )
        for tree_id, size in trees:
            yield Group(tree_id, size, database)
    finally:
        database.close()


def _fill(
    database: sqlite3.Connection,
    records: Iterator[Record | Rejected],
    read: Callable[[Record], tuple[str, str, str]],
) -> Iterator[Rejected | int]:
    for record in records:
        if isinstance(record, Rejected):
            yield record
            continue
        try:
            message_id, parent, tree = read(record)
        except Unusable as reason:
            yield Rejected(record.line, str(reason))
            continue
        value = json.dumps(record.value, ensure_ascii=False)
        stored = database.execute(
            "INSERT OR IGNORE INTO message (line, id, parent, named_tree, value) VALUES (?, ?, ?, ?, ?)",
            (record.line, message_id, parent, tree, value),
        )
        if stored.rowcount:
            continue
        earlier = database.execute("SELECT value FROM message WHERE id = ?", (message_id,)).fetchone()
        if json.loads(earlier[0]) == record.value:
            yield record.line
        else:
            yield Rejected(
                record.line,
                _("The message %(id)s stands earlier in this file with other content.") % {"id": message_id},
            )
