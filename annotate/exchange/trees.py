"""Message trees into a campaign: whole, and joined with what is known of them already.

A message that is known stays as it is; what was unknown of it (its author, its labels) is filled in from a later
file, nothing known is changed. The same id with another text is refused. What the trees say as prompts,
completions, rankings and demonstrations is derived again from the joined tree.
"""

from collections import Counter
from dataclasses import dataclass, field

from django.db import connection
from django.utils.translation import gettext as _

from annotate.campaigns.limits import too_long
from annotate.campaigns.models import Campaign
from annotate.exchange.formats.deriving import derive
from annotate.exchange.formats.oasst import named_parent
from annotate.exchange.formats.records import Feedback, MessageRow, Rejected, TreeRow
from annotate.exchange.models import Message, Tree
from annotate.exchange.storing import annotators_of, store_feedback, unworkable


@dataclass
class Outcome:
    """What became of one tree's records."""

    num_accepted: int = 0
    num_duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)


class Forest:
    """One batch: the trees and messages it touches, as they are in the database and as they will be."""

    def __init__(self, campaign: Campaign, source: str, rows: list[TreeRow]) -> None:
        self.campaign, self.source = campaign, source
        names = {message.external_id for row in rows for message in row.messages}
        # A known message may hang below one of a part of the tree that this file does not have.
        above = {message.parent for row in rows for message in row.messages if message.parent}
        self.trees = {
            tree.external_id: tree
            for tree in campaign.trees.filter(external_id__in={row.external_id for row in rows})
        }
        self.messages = {
            message.external_id: message
            for message in Message.objects.filter(campaign=campaign, external_id__in=names | above)
        }
        self.annotators = annotators_of(source, (m.author for row in rows for m in row.messages))
        self.tree_ids = _next_ids(Tree, len({row.external_id for row in rows}))
        self.message_ids = _next_ids(Message, len(names))
        self.new_trees: list[Tree] = []
        self.new_messages: list[Message] = []
        self.filled: dict[int, Message] = {}
        self.fresh: dict[int, TreeRow] = {}  # trees that are new as a whole, by their database id
        self.joined: set[int] = set()  # ids of trees that were known and have changed


def store_trees(campaign: Campaign, source: str, rows: list[TreeRow], made: Counter[str]) -> list[Outcome]:
    forest = Forest(campaign, source, rows)
    outcomes = [_plan(forest, row) for row in rows]
    Tree.objects.bulk_create(forest.new_trees)
    Message.objects.bulk_create(forest.new_messages, batch_size=1000)
    Message.objects.bulk_update(
        forest.filled.values(), ["author", "rank", "language", "metadata"], batch_size=500
    )
    made.update(trees=len(forest.new_trees), messages=len(forest.new_messages))
    store_feedback(campaign, source, [item for item in _derived(forest) if not unworkable(item)], made)
    return outcomes


def _next_ids(table: type[Tree] | type[Message], count: int) -> list[int]:
    """Ids taken from the table's sequence, so that a reply can name its parent before either is stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [table._meta.db_table, count],
        )
        return sorted((number for (number,) in cursor.fetchall()), reverse=True)


def _plan(forest: Forest, row: TreeRow) -> Outcome:
    outcome = Outcome()
    tree = forest.trees.get(row.external_id)
    refused = {
        message.external_id: Rejected(message.line, reason)
        for message in row.messages
        if (reason := _conflict(forest, tree, message))
    }
    if row.form in ("tree", "root"):  # one record, stored whole or not at all
        if refused:
            outcome.rejected = [next(iter(refused.values()))]
            return outcome
        num_before = len(forest.new_messages)
        _join(forest, tree, row, row.messages)
        is_new = len(forest.new_messages) > num_before
        outcome.num_accepted, outcome.num_duplicates = int(is_new), int(not is_new)
        return outcome
    kept = [message for message in row.messages if message.external_id not in refused]
    num_before = len(forest.new_messages)
    if kept:
        _join(forest, tree, row, kept)
    outcome.rejected = list(refused.values())
    outcome.num_accepted = len(forest.new_messages) - num_before
    outcome.num_duplicates = len(kept) - outcome.num_accepted
    return outcome


def _conflict(forest: Forest, tree: Tree | None, row: MessageRow) -> str:
    known = forest.messages.get(row.external_id)
    if known is None:
        return too_long([row.text])
    named_as = {"id": row.external_id}
    if tree is None or known.tree_id != tree.pk:
        return _("The message %(id)s is already stored in another tree.") % named_as
    if known.text != row.text or known.role != row.role:
        return _("The message %(id)s is already stored with another text.") % named_as
    named, stored = row.fields.get("parent_id"), known.metadata.get("parent_id")
    if named is not None and stored is not None and named != stored:
        return _("The message %(id)s is already stored below another message.") % named_as
    return ""


def _join(forest: Forest, tree: Tree | None, row: TreeRow, messages: list[MessageRow]) -> None:
    is_fresh = tree is None
    if tree is None:
        tree = Tree(
            id=forest.tree_ids.pop(),
            campaign=forest.campaign,
            external_id=row.external_id,
            source=forest.source,
            state=row.state,
            language=messages[0].language,
            metadata={"form": row.form, "fields": row.fields},
        )
        forest.trees[row.external_id] = tree
        forest.new_trees.append(tree)
        forest.fresh[tree.pk] = row
    elif row.state and not tree.state:
        Tree.objects.filter(pk=tree.pk).update(state=row.state)
    has_changed = False
    for message in messages:
        known = forest.messages.get(message.external_id)
        if known is None:
            _add(forest, tree, message)
            has_changed = True
        elif _fill(forest, known, message):
            has_changed = True
    if has_changed and not is_fresh:
        forest.fresh.pop(tree.pk, None)
        forest.joined.add(tree.pk)


def _add(forest: Forest, tree: Tree, row: MessageRow) -> None:
    parent = forest.messages.get(row.parent) if row.parent else None
    message = Message(
        id=forest.message_ids.pop(),
        tree_id=tree.pk,
        parent_id=parent.pk if parent and parent.tree_id == tree.pk else None,
        campaign=forest.campaign,
        external_id=row.external_id,
        role=row.role,
        text=row.text,
        language=row.language,
        author=forest.annotators.get(row.author),
        rank=row.rank,
        is_deleted=row.is_deleted,
        is_synthetic=row.is_synthetic,
        metadata=row.fields,
    )
    forest.messages[row.external_id] = message
    forest.new_messages.append(message)


def _fill(forest: Forest, known: Message, row: MessageRow) -> bool:
    """Take over what was not known of a message; whether there was anything."""
    unknown = {
        name: value
        for name, value in row.fields.items()
        if value is not None and known.metadata.get(name) is None
    }
    if not unknown:
        return False
    known.metadata = {**known.metadata, **unknown}
    if known.author_id is None:
        known.author = forest.annotators.get(row.author)
    if known.rank is None:
        known.rank = row.rank
    known.language = known.language or row.language
    if not known._state.adding:
        forest.filled[known.pk] = known
    return True


def _derived(forest: Forest) -> list[Feedback]:
    found = [item for row in forest.fresh.values() for item in derive(row)]
    for tree in Tree.objects.filter(pk__in=forest.joined).order_by("pk"):
        found += derive(TreeRow(0, tree.external_id, "flat", _rows_of(tree), tree.state))
    return found


def _rows_of(tree: Tree) -> list[MessageRow]:
    """A stored tree's messages, parents first. A part whose beginning was missing is hung where it belongs now."""
    stored = list(tree.messages.select_related("author").order_by("pk"))
    by_name = {message.external_id: message for message in stored}
    names = {message.pk: message.external_id for message in stored}
    found = []
    for message in stored:
        named = named_parent(message.metadata, "parent_id")
        named = named or named_parent(message.metadata, "parent_message_id")
        if message.parent_id is None and named in by_name:
            message.parent_id = by_name[named].pk
            message.save(update_fields=["parent"])
        found.append(
            MessageRow(
                line=0,
                external_id=message.external_id,
                parent=names[message.parent_id] if message.parent_id else named,
                role=message.role,
                text=message.text,
                fields=message.metadata,
                language=message.language,
                author=message.author.external_id if message.author else "",
                rank=message.rank,
                is_deleted=message.is_deleted,
                is_synthetic=message.is_synthetic,
            )
        )
    return found
