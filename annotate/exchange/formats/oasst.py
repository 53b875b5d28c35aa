"""Open-Assistant's message trees, nested or flat, and the seed data of its first days.

Nested: {message_tree_id, tree_state, prompt:{…, replies:[…]}} or one root with its replies a line.
Flat: one message a line with parent_id (and message_tree_id); seed: user_message_id and parent_message_id.
Every field is kept (a null and an absent field mean the same, and each is given back as it came).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.grouping import Group, grouped
from annotate.exchange.formats.records import (
    MAX_ID,
    MAX_TURNS,
    MessageRow,
    Record,
    Rejected,
    TreeRow,
    Unusable,
    first_repeated,
    guarded,
    kind,
    optional_text,
    rest,
    take,
    take_filled,
    take_text,
    text,
)

ROLES = ("prompter", "assistant")
MAX_TREE_MESSAGES = 100_000


def nested(record: Record) -> TreeRow:
    """One tree, whole: one message that cannot be read refuses all of it."""
    value = record.value
    is_tree = isinstance(take_object(value).get("prompt"), dict)
    root = value["prompt"] if is_tree else value
    messages: list[MessageRow] = []
    above = named_parent(take_object(root), "parent_id")  # of a root cut out of its tree
    waiting: list[tuple[Any, str, int]] = [(root, above, 1)]
    while waiting:
        found, parent, depth = waiting.pop()
        row = message(found, record.line, parent)
        messages.append(row)
        if depth > MAX_TURNS or len(messages) > MAX_TREE_MESSAGES:
            raise Unusable(
                _("The tree has more than %(limit)s messages in a row, or too many in all.")
                % {"limit": MAX_TURNS}
            )
        replies = found.get("replies") or []
        if not isinstance(replies, list):
            raise Unusable(_('The field "replies" is %(kind)s, not a list.') % {"kind": kind(replies)})
        waiting += [(reply, row.external_id, depth + 1) for reply in reversed(replies)]
    if twice := first_repeated(row.external_id for row in messages):
        raise Unusable(_("The message %(name)s stands twice in this tree.") % {"name": twice})
    tree_id = optional_text(value, "message_tree_id") or messages[0].external_id
    return TreeRow(
        line=record.line,
        external_id=tree_id,
        form="tree" if is_tree else "root",
        messages=messages,
        state=optional_text(value, "tree_state", 64),
        fields=rest(value, "prompt") if is_tree else {},
    )


def flat(records: Iterator[Record | Rejected], scratch: Path) -> Iterator[TreeRow | Rejected | int]:
    """Messages in any order, put together by tree in a file on disk. Gives also a count of mere repetitions.

    A message whose parent is not in the file stays, as a root of its part of the tree. Messages that are
    each other's parents in a circle belong to no tree and are refused.
    """

    def read(record: Record) -> tuple[str, str, str]:
        row = flat_message(record)
        tree_id = optional_text(record.value, "message_tree_id")
        optional_text(record.value, "tree_state", 64)  # refused here, where it is known which line it is
        return row.external_id, row.parent, tree_id

    for found in grouped(records, guarded(read), scratch):
        if isinstance(found, Group):
            yield from _tree_of(found)
        else:
            yield found


def flat_message(record: Record) -> MessageRow:
    value = take_object(record.value)
    if "user_message_id" in value and "message_id" not in value:
        return message(value, record.line, named_parent(value, "parent_message_id"), SEED)
    return message(value, record.line, named_parent(value, "parent_id"))


def _tree_of(group: Group) -> Iterator[TreeRow | Rejected]:
    if group.size > MAX_TREE_MESSAGES:
        for record in group.records():
            yield Rejected(
                record.line, _("Its tree has more than %(limit)s messages.") % {"limit": MAX_TREE_MESSAGES}
            )
        return
    read = list(group.records())
    rows = parents_first([flat_message(record) for record in read])
    deep = too_deep(rows)
    yield from (
        Rejected(row.line, _("More than %(limit)s messages stand before it.") % {"limit": MAX_TURNS})
        for row in deep
    )
    refused = {row.external_id for row in deep}
    kept = [row for row in rows if row.external_id not in refused]
    first = read[0].value
    yield TreeRow(
        line=min(row.line for row in rows),
        external_id=group.tree_id,
        form="seed" if "user_message_id" in first and "message_id" not in first else "flat",
        messages=kept,
        state=optional_text(first, "tree_state", 64),
        # The tree's own message need not be in the file; its id and state are then known from the others.
        fields={name: first[name] for name in ("message_tree_id", "tree_state") if name in first},
        size=sum(record.size for record in read),
    )


def parents_first(rows: list[MessageRow]) -> list[MessageRow]:
    """Each message after its parent; replies in the order of the file."""
    replies: dict[str, list[MessageRow]] = {}
    ids = {row.external_id for row in rows}
    for row in rows:
        replies.setdefault(row.parent if row.parent in ids else "", []).append(row)
    ordered, waiting = [], replies.get("", [])[::-1]
    while waiting:
        row = waiting.pop()
        ordered.append(row)
        waiting += replies.get(row.external_id, [])[::-1]
    return ordered


def too_deep(rows: list[MessageRow]) -> list[MessageRow]:
    depth: dict[str, int] = {}
    for row in rows:
        depth[row.external_id] = depth.get(row.parent, 0) + 1
    return [row for row in rows if depth[row.external_id] > MAX_TURNS]


SEED = ("user_message_id", "parent_message_id")


def message(
    value: Any, line: int, parent: str, names: tuple[str, str] = ("message_id", "parent_id")
) -> MessageRow:
    value = take_object(value)
    external_id = take_filled(value, names[0])
    if len(external_id) > MAX_ID:
        raise Unusable(
            _("A message id has %(count)s characters; at most %(limit)s can be kept.")
            % {"count": len(external_id), "limit": MAX_ID}
        )
    if len(parent) > MAX_ID:
        raise Unusable(
            _("A parent id has %(count)s characters; at most %(limit)s can be kept.")
            % {"count": len(parent), "limit": MAX_ID}
        )
    if value.get(names[1]) is not None and named_parent(value, names[1]) != parent:
        raise Unusable(
            _("The message %(id)s stands below %(above)s but names another parent.")
            % {"id": external_id, "above": parent or _("nothing")}
        )
    if parent == external_id:
        raise Unusable(_("The message %(id)s is its own parent.") % {"id": external_id})
    role = take_text(value, "role")
    if role not in ROLES:
        raise Unusable(_('The role "%(role)s" is neither prompter nor assistant.') % {"role": role[:30]})
    rank = value.get("rank")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < 32768):
        raise Unusable(_("The rank %(value)s is not a whole number from 0 on.") % {"value": str(rank)[:20]})
    return MessageRow(
        line=line,
        external_id=external_id,
        parent=parent,
        role=role,
        text=take_text(value, "text"),
        fields=rest(value, "text", "replies"),
        language=optional_text(value, "lang", 16),
        author=optional_text(value, "user_id"),
        rank=rank,
        is_deleted=truth(value, "deleted"),
        is_synthetic=truth(value, "synthetic"),
    )


def named_parent(value: dict[str, Any], name: str) -> str:
    """The parent's id, "" of a root, which early exports spell "None"."""
    found = text(value.get(name) or "", name)
    return "" if found == "None" else found


def truth(value: dict[str, Any], name: str) -> bool:
    found = value.get(name)
    if found is not None and not isinstance(found, bool):
        raise Unusable(
            _('The field "%(name)s" is %(kind)s, not true or false.') % {"name": name, "kind": kind(found)}
        )
    return bool(found)


def take_object(value: Any) -> dict[str, Any]:
    take({"it": value}, "it")
    if not isinstance(value, dict):
        raise Unusable(_("It is %(kind)s where a message with fields was expected.") % {"kind": kind(value)})
    return value
