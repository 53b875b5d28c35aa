"""A campaign's feedback in other people's formats, as a stream of lines.

Work that came too late for its slot (surplus), or that a reviewer returned, is in k-wise and csv, marked; the others
are made to train on.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum

from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.exchange.formats.tables import harmless
from annotate.exchange.models import Message, Tree
from annotate.exchange.rows import CHATS, completion_ids, completion_row, pseudonym, ranking_row
from annotate.feedback.models import Comparison, Demonstration, Ranking, Rating, Suggestion, that_counts

CHUNK = 200
IMPORTED = "oasst"  # the source of everything that was derived from an imported tree
USED = (Suggestion.Outcome.TAKEN, Suggestion.Outcome.EDITED, Suggestion.Outcome.PART)
ROLES = {"user": "prompter", "assistant": "assistant"}


def chunks(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """The rows through a cursor on the server, some hundred at a time."""
    waiting = rows.iterator(CHUNK)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk


# ---------------------------------------------------------------- oasst


def oasst(campaign: Campaign) -> Iterator[dict[str, Any]]:
    """Imported trees as they came, then what was asked and given here, one tree for each prompt."""
    for chunk in chunks(campaign.trees.order_by("pk")):
        messages = defaultdict(list)
        for message in Message.objects.filter(tree__in=chunk).order_by("pk"):
            messages[message.tree_id].append(message)
        events = events_on_imported(campaign, [one for found in messages.values() for one in found])
        for tree in chunk:
            yield from imported_tree(tree, messages[tree.pk], events)
    for chunk in chunks(campaign.prompts.exclude(messages=[]).order_by("pk")):
        yield from own_trees(chunk)


def events_on_imported(campaign: Campaign, messages: list[Message]) -> dict[str, list[dict[str, Any]]]:
    """{message id: events} of what people here said of imported replies: their rankings."""
    trees = {message.external_id: message.tree_id for message in messages if message.role == "prompter"}
    given = campaign.rankings.filter(
        that_counts(), prompt__source=IMPORTED, prompt__external_id__in=trees
    ).exclude(source=IMPORTED)
    rankings = list(given.select_related("prompt", "annotator").order_by("pk"))
    wanted = {pk for ranking in rankings for pk in completion_ids(ranking)}
    names = dict(Completion.objects.filter(pk__in=wanted, source=IMPORTED).values_list("pk", "external_id"))
    events = defaultdict(list)
    for ranking in rankings:
        if event := ranking_event(ranking, names, ranking.prompt.external_id):
            events[ranking.prompt.external_id].append(event)
    return events


def ranking_event(ranking: Ranking, names: dict[int, str], asked: str) -> dict[str, Any] | None:
    """One person's ranking as Open-Assistant's event, with `tiers` beside it, because an event knows no ties.

    `names` are the ids of messages in the tree; None where the ranking is of something else.
    """
    ids = completion_ids(ranking)
    if not set(ids) <= set(names):
        return None
    ranked = [pk for tier in ranking.tiers for pk in tier]
    return {
        "type": "ranking",
        "user_id": pseudonym(ranking.annotator),
        "ranking": [ids.index(pk) for pk in ranked],
        "ranked_message_ids": [names[pk] for pk in ranked],
        "ranking_parent_id": asked,
        "not_rankable": ranking.all_bad,
        "tiers": [[names[pk] for pk in tier] for tier in ranking.tiers],
    }


def with_events(node: dict[str, Any], rankings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The node with rankings after those that came with it; events of another form are left as they came."""
    had = node.get("events") or {}
    if not rankings or not isinstance(had, dict) or not isinstance(had.get("ranking", []), list):
        return node
    return {**node, "events": {**had, "ranking": [*had.get("ranking", []), *rankings]}}


def imported_tree(
    tree: Tree, messages: list[Message], events: dict[str, list[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """A line for each root: parts whose beginning was missing stand apart, with the same message_tree_id."""
    nodes = {
        message.pk: with_events(
            {**message.metadata, "text": message.text}, events.get(message.external_id, [])
        )
        for message in messages
    }
    roots = []
    for message in messages:
        if message.parent_id:
            nodes[message.parent_id].setdefault("replies", []).append(nodes[message.pk])
        else:
            roots.append(nodes[message.pk])
    form = tree.metadata.get("form")
    if form == "root":
        yield from roots
        return
    around = {"message_tree_id": tree.external_id, "tree_state": tree.state} | tree.metadata.get("fields", {})
    if form == "seed":
        around = {"message_tree_id": tree.external_id}
        for node in nodes.values():
            node |= {"message_id": node["user_message_id"], "parent_id": node["parent_message_id"]}
    for root in roots:
        yield {**around, "prompt": root}


def own_trees(prompts: list[Prompt]) -> Iterator[dict[str, Any]]:
    """A prompt's turns in a row, and below the last of them its completions with their place in the ranking.

    What came with an imported tree is in that tree and not here. Where several people ranked, `rank` is the order
    of the mean place, as a consensus; each person's own ranking is among the events of what they were asked.
    """
    completions = defaultdict(list)
    rows = Completion.objects.filter(prompt__in=prompts).exclude(source=IMPORTED)
    for completion in rows.select_related("policy_version", "author").order_by("pk"):
        completions[completion.prompt_id].append(completion)
    places: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    rankings = defaultdict(list)
    given = that_counts() & Q(prompt__in=prompts) & ~Q(source=IMPORTED)
    own = Ranking.objects.filter(given).select_related("annotator")
    for ranking in own.order_by("pk"):
        rankings[ranking.prompt_id].append(ranking)
        for place, tier in enumerate(ranking.tiers):
            for pk in tier:
                places[ranking.prompt_id][pk].append(place)
    written = defaultdict(list)
    for demonstration in Demonstration.objects.filter(given).order_by("pk"):
        written[demonstration.prompt_id].append(demonstration)
    for prompt in prompts:
        if any(message["role"] not in ROLES for message in prompt.messages):
            continue  # a tree has no system turns and no tool calls
        replies = ranked_replies(completions[prompt.pk], places[prompt.pk], prompt.language)
        replies += [
            reply
            for row in written[prompt.pk]
            if (reply := chain(row.messages[len(prompt.messages) :], f"demonstration-{row.pk}", row.language))
        ]
        if prompt.source == IMPORTED and not replies:
            continue
        tree_id = f"prompt-{prompt.pk}"
        names = {completion.pk: f"completion-{completion.pk}" for completion in completions[prompt.pk]}
        asked = tree_id if len(prompt.messages) == 1 else f"{tree_id}-{len(prompt.messages) - 1}"
        events = [ranking_event(ranking, names, asked) for ranking in rankings[prompt.pk]]
        root = chain(prompt.messages, tree_id, prompt.language, replies, [event for event in events if event])
        yield {"message_tree_id": tree_id, "tree_state": "ready_for_export", "prompt": root}


def ranked_replies(
    completions: list[Completion], places: dict[int, list[int]], language: str
) -> list[dict[str, Any]]:
    means = {pk: sum(found) / len(found) for pk, found in places.items()}
    order = {mean: rank for rank, mean in enumerate(sorted(set(means.values())))}
    return [
        {
            "message_id": f"completion-{completion.pk}",
            "text": completion.text,
            "role": "assistant",
            "lang": language,
            "synthetic": completion.author is None,
            "model_name": completion_row(completion)["policy_version"],
            "rank": order[means[completion.pk]] if completion.pk in means else None,
        }
        for completion in completions
    ]


def chain(
    messages: list[dict[str, str]],
    name: str,
    language: str,
    replies: Iterable[dict[str, Any]] = (),
    rankings: Sequence[dict[str, Any]] = (),
) -> dict[str, Any] | None:
    """Messages as a thread, each the only reply to the one before; None where a role has no place in a tree.

    `replies`, and the events of `rankings`, belong to the last one.
    """
    below = list(replies)
    if not messages or any(message["role"] not in ROLES for message in messages):
        return None
    for number, message in reversed(list(enumerate(messages))):
        node = {
            "message_id": name if number == 0 else f"{name}-{number}",
            "text": message["content"],
            "role": ROLES[message["role"]],
            "lang": language,
            "replies": below,
        }
        if number == len(messages) - 1:
            node = with_events(node, rankings)
        for reply in below:
            reply["parent_id"] = node["message_id"]
        below = [node]
    return below[0]


# ---------------------------------------------------------------- for training elsewhere


def trl_messages(campaign: Campaign) -> Iterator[dict[str, Any]]:
    rows = campaign.demonstrations.filter(that_counts()).exclude(CHATS).order_by("pk")
    for row in rows.iterator(CHUNK):
        yield {"messages": row.messages} | ({"weight": row.weight} if row.weight != 1 else {})


def trl_preference(campaign: Campaign) -> Iterator[dict[str, Any]]:
    rows = Comparison.objects.filter(that_counts("ranking__"), campaign=campaign).order_by("pk")
    for row in rows.select_related("ranking__prompt", "chosen", "rejected").iterator(CHUNK):
        yield {
            "prompt": row.ranking.prompt.messages,
            "chosen": [{"role": "assistant", "content": row.chosen.text}],
            "rejected": [{"role": "assistant", "content": row.rejected.text}],
        }


def k_wise(campaign: Campaign) -> Iterator[dict[str, Any]]:
    """Each ranking whole, with ties, the order shown, and the ratings given with it."""
    for ranking, completions, ratings in rankings_of(campaign):
        yield ranking_row(ranking, completions, ratings) | {
            "margin": ranking.metadata.get("margin"),
            "is_surplus": ranking.is_surplus,
            "review_state": ranking.review_state,
            "language": ranking.language,
            "source": ranking.source,
        }


def rankings_of(campaign: Campaign) -> Iterator[tuple[Ranking, list[Completion], list[Rating]]]:
    rows = campaign.rankings.select_related("prompt", "annotator").order_by("pk")
    for chunk in chunks(rows):
        wanted = {pk for row in chunk for pk in completion_ids(row)}
        completions = Completion.objects.select_related("policy_version", "author").in_bulk(wanted)
        ratings = defaultdict(list)
        for rating in Rating.objects.filter(ranking__in=chunk).order_by("pk"):
            ratings[rating.ranking_id].append(rating)
        for row in chunk:
            yield row, [completions[pk] for pk in completion_ids(row)], ratings[row.pk]


# ---------------------------------------------------------------- csv

COLUMNS = [
    *("kind", "id", "prompt", "text", "policy_version", "place", "num_completions", "strength"),
    *("criterion", "rating", "scale_min", "scale_max", "flags", "all_bad", "annotator", "language", "source"),
    *(
        "created_at",
        "seconds_spent",
        "is_surplus",
        "review_state",
        "num_pastes",
        "pasted_characters",
        "weight",
        "margin",
        "num_suggestions",
        "num_suggestions_used",
        "characters_changed",
    ),
    "middle_unordered",  # nobody has compared those between the first place and the last
    *("completion", "messages"),  # for reading it back: which completion, and all that was asked or written
]


def csv_rows(campaign: Campaign) -> Iterator[dict[str, Any]]:
    yield from csv_demonstrations(campaign)
    yield from csv_rankings(campaign)
    yield from csv_ratings_alone(campaign)


def csv_demonstrations(campaign: Campaign) -> Iterator[dict[str, Any]]:
    of_it = (
        Suggestion.objects.filter(assignment__demonstration=OuterRef("pk")).order_by().values("assignment")
    )
    written = campaign.demonstrations.select_related("annotator").annotate(
        num_suggestions=Subquery(of_it.annotate(num=Count("pk")).values("num")),
        num_used=Subquery(of_it.filter(outcome__in=USED).annotate(num=Count("pk")).values("num")),
        num_changed=Subquery(
            of_it.filter(outcome__in=USED[:2]).annotate(num=Sum("edit_distance")).values("num")
        ),
    )
    for row in written.order_by("pk").iterator(CHUNK):
        said = [f"{message['role']}: {message['content']}" for message in row.messages]
        pastes = [] if row.source else [paste["length"] for paste in row.metadata.get("pastes", [])]
        yield {
            "kind": "demonstration",
            "id": row.pk,
            "text": "\n\n".join(said),
            "messages": spelled(row.messages),
            "weight": row.weight,
            "num_pastes": len(pastes),
            "pasted_characters": sum(pastes),
            "num_suggestions": row.num_suggestions or 0,
            "num_suggestions_used": row.num_used or 0,
            "characters_changed": row.num_changed or 0,
            **given(row),
        }


def csv_rankings(campaign: Campaign) -> Iterator[dict[str, Any]]:
    for ranking, completions, ratings in rankings_of(campaign):
        place = {pk: number for number, tier in enumerate(ranking.tiers, start=1) for pk in tier}
        rated = defaultdict(list)
        for rating in ratings:
            rated[rating.completion_id].append(rating)
        for completion in completions:
            about = {
                "kind": "ranking",
                "id": ranking.pk,
                "prompt": last_turn(ranking.prompt),
                "messages": spelled(ranking.prompt.messages),
                "place": place.get(completion.pk, ""),
                "num_completions": len(completions),
                "strength": ranking.strength,
                "margin": ranking.metadata.get("margin"),
                "middle_unordered": ranking.middle_unordered,
                "all_bad": ranking.all_bad,
                **of_completion(completion),
                **given(ranking),
            }
            if not rated[completion.pk]:
                yield about
            for rating in rated[completion.pk]:
                yield about | of_rating(rating)


def csv_ratings_alone(campaign: Campaign) -> Iterator[dict[str, Any]]:
    ratings_alone = campaign.ratings.filter(ranking=None).order_by("pk")
    related = ("completion__prompt", "completion__policy_version", "annotator")
    for rating in ratings_alone.select_related(*related).iterator(CHUNK):
        yield {
            "kind": "rating",
            "id": rating.pk,
            "prompt": last_turn(rating.completion.prompt),
            "messages": spelled(rating.completion.prompt.messages),
            "annotator": pseudonym(rating.annotator),
            "source": rating.source,
            "created_at": rating.created_at.isoformat(),
            **of_completion(rating.completion),
            **of_rating(rating),
        }


def last_turn(prompt: Prompt) -> str:
    return prompt.messages[-1]["content"] if prompt.messages else prompt.brief


def spelled(messages: list[dict[str, str]]) -> str:
    return json.dumps(messages, ensure_ascii=False)


def given(row: Demonstration | Ranking) -> dict[str, Any]:
    return {
        "annotator": pseudonym(row.annotator),
        "language": row.language,
        "source": row.source,
        "created_at": row.created_at.isoformat(),
        "seconds_spent": row.seconds_spent,
        "is_surplus": row.is_surplus,
        "review_state": row.review_state,
    }


def of_completion(completion: Completion) -> dict[str, Any]:
    version = completion.policy_version
    return {
        "completion": completion.pk,
        "text": completion.text,
        "policy_version": version.name if version else completion.model_name,
    }


def of_rating(rating: Rating) -> dict[str, Any]:
    return {
        "criterion": rating.criterion,
        "rating": rating.value,
        "scale_min": rating.scale_min,
        "scale_max": rating.scale_max,
        "flags": " ".join(rating.flags),
    }


def csv_lines(campaign: Campaign) -> Iterator[str]:
    line = io.StringIO()
    line.write("\ufeff")  # without a byte order mark Excel takes UTF-8 for the country's old encoding
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for row in csv_rows(campaign):
        yield line.getvalue()
        line.seek(0)
        line.truncate()
        writer.writerow([harmless(row.get(column, "")) for column in COLUMNS])
    yield line.getvalue()


# ---------------------------------------------------------------- by name


def json_lines(rows: Callable[[Campaign], Iterator[dict[str, Any]]]) -> Callable[[Campaign], Iterator[str]]:
    return lambda campaign: (json.dumps(row, ensure_ascii=False) + "\n" for row in rows(campaign))


EXPORTS: dict[str, Callable[[Campaign], Iterator[str]]] = {
    "oasst": json_lines(oasst),
    "trl-messages": json_lines(trl_messages),
    "trl-preference": json_lines(trl_preference),
    "k-wise": json_lines(k_wise),
    "csv": csv_lines,
}
ENDINGS = {name: "csv" if name == "csv" else "jsonl" for name in EXPORTS}
