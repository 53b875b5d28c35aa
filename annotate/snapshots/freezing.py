"""Rows of a snapshot, read from the database as a stream: what is frozen, under which names, on which side.

Called inside one REPEATABLE READ transaction (services.write_snapshot), so every file shows one instant; one
snapshot at a time, because it fixes the side of every prompt that no snapshot has held before.
Memory stays at one chunk of rows, however large the campaigns are.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.exchange.rows import CHATS, completion_ids, pseudonym, ranking_row
from annotate.feedback.models import Comparison, Demonstration, Ranking, Rating, Verdict, that_counts
from annotate.snapshots.models import Side
from trainer.snapshot import SnapshotWriter, split_key, split_of

Row = TypeVar("Row", bound=Model)
Thread = list[dict[str, Any]]  # chat messages
CHUNK = 500
# Roles that a chat template can be relied on to know; a dialogue with tool calls stays in the campaign.
TRAINABLE_ROLES = {"system", "user", "assistant"}
FILTERS = {
    "surplus": "left out",
    "returned": "left out until submitted again",
    "roles": sorted(TRAINABLE_ROLES),
    "evaluation_only": "held out or left out",
    "chats": "choices and edited answers; not the dialogue",
}


RETURNED = Q(is_surplus=False, review_state=Verdict.RETURNED)  # of what is not surplus: each is told once


class Frozen:
    """What one snapshot takes from its campaigns, and what it leaves out and why (`left_out`)."""

    def __init__(self, campaigns: list[Campaign], split_seed: int, validation_fraction: float) -> None:
        self.campaigns = campaigns
        self.ids = [campaign.pk for campaign in campaigns]
        self.seed = split_seed
        self.fraction = validation_fraction
        self.left_out: Counter[str] = Counter()

    def write(self, writer: SnapshotWriter) -> None:
        for name, rows in [
            ("prompts", self.prompts()),
            ("demonstrations", self.demonstrations()),
            ("rankings", self.rankings()),
            ("comparisons", self.comparisons()),
        ]:
            for row in rows:
                writer.write(name, row)

    def with_splits(self, rows: QuerySet[Row], thread: Callable[[Row], Thread]) -> Iterator[tuple[Row, str]]:
        for chunk in in_chunks(rows.iterator(CHUNK)):
            yield from zip(chunk, self.splits([thread(row) for row in chunk]), strict=True)

    def splits(self, threads: list[Thread]) -> list[str]:
        """The side of each: the one it has had since its first snapshot, else one that is fixed now."""
        keys = [split_key(messages) for messages in threads]
        sides = dict(Side.objects.filter(key__in=keys).values_list("key", "split"))
        new = {
            key: split_of(messages, self.seed, self.fraction)
            for key, messages in zip(keys, threads, strict=True)
            if key not in sides
        }
        Side.objects.bulk_create(Side(key, split) for key, split in new.items())
        return [(sides | new)[key] for key in keys]

    def is_kept(self, split: str, prompt: Prompt | None, what: str, thread: Thread) -> bool:
        """No chat template knows other roles; what hangs on a prompt for evaluation only is never trained on."""
        if not {message["role"] for message in thread} <= TRAINABLE_ROLES:
            self.left_out[f"{what} with tool calls or other roles"] += 1
            return False
        if split == "train" and prompt and prompt.metadata.get("evaluation_only"):
            self.left_out[f"{what} for evaluation only, by their authors' wish"] += 1
            return False
        return True

    def prompts(self) -> Iterator[dict[str, Any]]:
        """Each prompt once, also where several campaigns hold it; a mere brief asks nothing of a policy."""
        once = Prompt.objects.filter(campaign_id__in=self.ids).order_by("key", "pk").distinct("key")
        self.left_out["prompts that are only a brief"] = once.filter(messages=[]).count()
        for prompt, split in self.with_splits(once.exclude(messages=[]), lambda row: row.messages):
            if not self.is_kept(split, prompt, "prompts", prompt.messages):
                continue
            yield {
                "id": prompt.pk,
                "prompt": prompt.messages,
                "language": prompt.language,
                "split": split,
                "source": prompt.source,
            }

    def demonstrations(self) -> Iterator[dict[str, Any]]:
        rows = Demonstration.objects.filter(campaign_id__in=self.ids).order_by("pk")
        self.left_out["surplus demonstrations"] = rows.filter(is_surplus=True).count()
        self.left_out["demonstrations returned by a reviewer"] = rows.filter(RETURNED).count()
        self.left_out["dialogues with a policy; their choices are among the rankings"] = rows.filter(
            that_counts() & CHATS
        ).count()
        kept = rows.filter(that_counts()).exclude(CHATS).select_related("annotator", "campaign", "prompt")
        for row, split in self.with_splits(kept, lambda row: row.messages):
            if not self.is_kept(split, row.prompt, "demonstrations", row.messages):
                continue
            yield {
                "id": row.pk,
                "messages": row.messages,
                "annotator": pseudonym(row.annotator),
                "campaign": row.campaign.name,
                "language": row.language,
                "split": split,
                "source": row.source,
                "weight": row.weight,
            }

    def rankings(self) -> Iterator[dict[str, Any]]:
        rows = Ranking.objects.filter(campaign_id__in=self.ids).order_by("pk")
        self.left_out["surplus rankings"] = rows.filter(is_surplus=True).count()
        self.left_out["rankings returned by a reviewer"] = rows.filter(RETURNED).count()
        kept = rows.filter(that_counts()).select_related("annotator", "campaign", "prompt")
        for chunk in in_chunks(kept.iterator(CHUNK)):
            yield from self._ranking_rows(chunk)

    def _ranking_rows(self, chunk: list[Ranking]) -> Iterator[dict[str, Any]]:
        ids_of = {row.pk: completion_ids(row) for row in chunk}
        wanted = {pk for ids in ids_of.values() for pk in ids}
        completions = (
            Completion.objects.filter(pk__in=wanted).select_related("policy_version", "author").in_bulk()
        )
        own, general = defaultdict(list), defaultdict(list)
        for rating in Rating.objects.filter(
            Q(ranking_id__in=ids_of) | Q(ranking=None, completion_id__in=wanted, campaign_id__in=self.ids)
        ).order_by("pk"):
            if rating.ranking_id:
                own[rating.ranking_id].append(rating)
            else:
                general[rating.completion_id].append(rating)
        for row, split in zip(chunk, self.splits([row.prompt.messages for row in chunk]), strict=True):
            if not self.is_kept(split, row.prompt, "rankings", row.prompt.messages):
                continue
            shown = [completions[pk] for pk in ids_of[row.pk] if pk in completions]
            ratings = own[row.pk] + [rating for pk in ids_of[row.pk] for rating in general[pk]]
            yield ranking_row(row, shown, ratings) | {"campaign": row.campaign.name, "split": split}

    def comparisons(self) -> Iterator[dict[str, Any]]:
        rows = Comparison.objects.filter(that_counts("ranking__"), campaign_id__in=self.ids).order_by("pk")
        related = ("ranking__annotator", "ranking__prompt", "campaign", "chosen", "rejected")
        asked = rows.select_related(*related)
        for row, split in self.with_splits(asked, lambda row: row.ranking.prompt.messages):
            if not self.is_kept(split, row.ranking.prompt, "comparisons", row.ranking.prompt.messages):
                continue
            yield {
                "id": row.pk,
                "ranking_id": row.ranking_id,
                "prompt": row.ranking.prompt.messages,
                "chosen": [{"role": "assistant", "content": row.chosen.text}],
                "rejected": [{"role": "assistant", "content": row.rejected.text}],
                "margin": row.margin,
                "annotator": pseudonym(row.ranking.annotator),
                "campaign": row.campaign.name,
                "split": split,
            }


def in_chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
