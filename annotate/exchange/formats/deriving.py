"""What a message tree says as feedback: prompts, completions, one consensus ranking a prompt, demonstrations.

Rules (docs/admins/import-and-export.md says them in prose):
- a prompt is the path to a prompter message; nothing is derived where a message on the path is deleted, or
  where the path does not begin with a prompter at the root (the beginning is missing from the file);
- completions are the assistant replies that are not deleted; where the message has each person's ranking among its
  events, these are the rankings, else those replies with a rank make one, equal ranks tie and gaps do not matter;
  a label becomes a rating on its scale 0..1;
- a demonstration is a whole thread down to a leaf that is an assistant's, without a deleted or synthetic
  message and without one that reviewers refused (review_result false).
"""

from collections import defaultdict
from typing import Any

from annotate.exchange.formats.records import (
    MAX_ID,
    CompletionRow,
    DemonstrationRow,
    Feedback,
    MessageRow,
    RankingRow,
    RatingRow,
    TreeRow,
    assistant,
    identity,
    user,
)

GIVEN_UP = {"aborted_low_grade", "halted_by_moderator"}


def derive(tree: TreeRow) -> list[Feedback]:
    """`tree.messages` must stand parents first."""
    by_id = {row.external_id: row for row in tree.messages}
    replies: dict[str, list[MessageRow]] = defaultdict(list)
    for row in tree.messages:
        replies[row.parent].append(row)
    derived = []
    for row in tree.messages:
        if row.role != "prompter":
            continue
        path = path_to(row, by_id)
        if path is None or any(step.is_deleted for step in path):
            continue
        answers = [reply for reply in replies[row.external_id] if reply.role == "assistant"]
        found = feedback_on(path, answers, replies)
        found.wants_work = not found.completions and not refused(row) and tree.state not in GIVEN_UP
        derived.append(found)
    return derived


def path_to(row: MessageRow, by_id: dict[str, MessageRow]) -> list[MessageRow] | None:
    """From the root to the message; None where the root is missing or is no prompter."""
    path = [row]
    while path[-1].parent:
        parent = by_id.get(path[-1].parent)
        if parent is None:
            return None
        path.append(parent)
    return path[::-1] if path[-1].role == "prompter" else None


def feedback_on(
    path: list[MessageRow], answers: list[MessageRow], replies: dict[str, list[MessageRow]]
) -> Feedback:
    asked = path[-1]
    kept = [reply for reply in answers if not reply.is_deleted]
    return Feedback(
        line=asked.line,
        messages=[chat_message(row) for row in path],
        language=asked.language,
        external_id=asked.external_id,
        author=asked.author,
        completions=[completion_of(reply) for reply in kept],
        rankings=own_rankings(asked, kept) or consensus(asked, kept),
        demonstrations=[
            demonstration_of([*path, reply])
            for reply in kept
            if not replies[reply.external_id] and is_demonstration([*path, reply])
        ],
        num_records=0,
    )


def chat_message(row: MessageRow) -> dict[str, str]:
    return user(row.text) if row.role == "prompter" else assistant(row.text)


def refused(row: MessageRow) -> bool:
    return row.fields.get("review_result") is False


def own_rankings(asked: MessageRow, kept: list[MessageRow]) -> list[RankingRow]:
    """Each person's own ranking, from the message's events where the file has them (its consensus is made of them).

    An event is {user_id, ranked_message_ids: best first, not_rankable}; ours has also `tiers`, for ties.
    """
    events = asked.fields.get("events")
    events = events.get("ranking") if isinstance(events, dict) else None
    place = {reply.external_id: position for position, reply in enumerate(kept)}
    found: dict[str, RankingRow] = {}
    for event in events if isinstance(events, list) else []:
        if not isinstance(event, dict) or not isinstance(event.get("user_id"), str | None):
            continue
        author = (event.get("user_id") or "")[:MAX_ID]
        named = event.get("tiers") or [[name] for name in as_list(event.get("ranked_message_ids"))]
        tiers = [
            [place[name] for name in as_list(tier) if isinstance(name, str) and name in place]
            for tier in as_list(named)
        ]
        tiers = [tier for tier in tiers if tier]
        ranked = [position for tier in tiers for position in tier]
        if len(ranked) < 2 or len(set(ranked)) < len(ranked):
            continue
        turn = sum(
            row.author == author for row in found.values()
        )  # somebody may have ranked them again later
        external_id = identity(asked.external_id, author, turn, given=asked.external_id)
        found[external_id] = RankingRow(tiers, external_id, author, event.get("not_rankable") is True)
    return list(found.values())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def consensus(asked: MessageRow, kept: list[MessageRow]) -> list[RankingRow]:
    """The tree's ranks as one ranking by nobody in particular; none where fewer than two replies have one."""
    ranked: dict[int, list[int]] = defaultdict(list)
    for position, reply in enumerate(kept):
        if reply.rank is not None:
            ranked[reply.rank].append(position)
    if sum(len(tier) for tier in ranked.values()) < 2:
        return []
    return [RankingRow([ranked[rank] for rank in sorted(ranked)], external_id=asked.external_id)]


def completion_of(reply: MessageRow) -> CompletionRow:
    model_name = reply.fields.get("model_name")
    return CompletionRow(
        text=reply.text,
        external_id=reply.external_id,
        author="" if reply.is_synthetic else reply.author,
        model_name=model_name[:200] if isinstance(model_name, str) else "",
        ratings=[
            RatingRow(name, value, reply.external_id, metadata={"count": count} if count is not None else {})
            for name, value, count in labels_of(reply.fields.get("labels"))
        ],
    )


def labels_of(labels: Any) -> list[tuple[str, float, Any]]:
    """(name, value, count) from {name: {value, count}} or {name: […], value: […], count: […]}."""
    if not isinstance(labels, dict):
        return []
    if isinstance(labels.get("name"), list) and isinstance(labels.get("value"), list):
        counts = labels.get("count")
        counts = counts if isinstance(counts, list) else [None] * len(labels["name"])
        found = list(zip(labels["name"], labels["value"], counts, strict=False))
    else:
        found = [(name, x.get("value"), x.get("count")) for name, x in labels.items() if isinstance(x, dict)]
    return [
        (name, float(value), count)
        for name, value, count in found
        if isinstance(name, str) and 0 < len(name) <= 64
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    ]


def is_demonstration(thread: list[MessageRow]) -> bool:
    return not any(row.is_deleted or row.is_synthetic or refused(row) for row in thread)


def demonstration_of(thread: list[MessageRow]) -> DemonstrationRow:
    last = thread[-1]
    return DemonstrationRow([chat_message(row) for row in thread], last.external_id, author=last.author)
