"""The next candidates: which prompts a policy is asked, and how its completions reach the ranking queue."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.db.models import CharField, Count, Exists, Min, OuterRef, QuerySet, Value
from django.db.models.functions import MD5, Cast, Concat
from django.utils.translation import gettext as _

from annotate.campaigns.limits import too_long
from annotate.campaigns.models import Campaign, Completion, Prompt
from annotate.feedback.models import Assignment, Unit
from annotate.feedback.queue.units import NewUnit, queue_units
from annotate.runs.models import PolicyVersion, Run
from trainer.run_dir import RunError

NUM_PROMPTS = 100
SOURCE = "parley"
CHUNK = 500


def prompts_to_ask(campaign: Campaign, policy: PolicyVersion) -> QuerySet[Prompt]:
    """Prompts of a campaign in which people judge that the policy may be asked now, in no order.

    A prompt whose completions by the same policy still wait to be judged, or are being judged, is not asked
    again; nor is one that its authors gave for evaluation only, or one that ends in anything but a user's turn.
    """
    of_policy = Unit.objects.filter(
        campaign=campaign, prompt=OuterRef("pk"), completions__policy_version=policy
    )
    leased = Assignment.objects.filter(unit=OuterRef("pk"), state=Assignment.State.LEASED)
    prompts = Prompt.objects.filter(campaign=campaign, **{"messages__-1__role": "user"})
    if campaign.kind == Campaign.Kind.COMPARISON:
        waits = waiting_for_rival().filter(prompt=OuterRef("pk"), policy_version=policy)
        prompts = prompts.exclude(Exists(waits))
    return (
        prompts.exclude(metadata__contains={"evaluation_only": True})
        .exclude(Exists(of_policy.filter(open_slots__gt=0)))
        .exclude(Exists(of_policy.filter(Exists(leased))))
    )


def has_prompts_to_sample(campaign: Campaign, policy: PolicyVersion) -> bool:
    """Whether people judge here and there is anything to ask."""
    return campaign.kind in Campaign.JUDGING and prompts_to_ask(campaign, policy).exists()


def prompts_to_sample(campaign: Campaign, policy: PolicyVersion, seed: int) -> QuerySet[Prompt]:
    """Those judged least often first, in an order that the seed decides.

    In a comparison campaign, prompts where another policy's completion waits for a rival go first.
    """
    shuffled = MD5(Concat(Cast("pk", CharField()), Value(f":{seed}"), output_field=CharField()))
    order: list[Any] = ["num_units", shuffled]
    if campaign.kind == Campaign.Kind.COMPARISON:
        rivals = waiting_for_rival().filter(prompt=OuterRef("pk")).exclude(policy_version=policy)
        order.insert(0, Exists(rivals).desc())
    return prompts_to_ask(campaign, policy).alias(num_units=Count("units")).order_by(*order)


def waiting_for_rival() -> QuerySet[Completion]:
    """Completions of policies that were not shown to anybody: in a comparison campaign another policy's joins them."""
    return Completion.objects.filter(units=None, policy_version__isnull=False)


def rows_to_sample(
    campaign: Campaign, policy: PolicyVersion, seed: int, limit: int
) -> Iterator[dict[str, Any]]:
    prompts = prompts_to_sample(campaign, policy, seed).only("pk", "messages", "language")
    for prompt in prompts[:limit].iterator(500):
        yield {"id": prompt.pk, "prompt": prompt.messages, "language": prompt.language}


def write_prompts(run: Run) -> None:
    """prompts.jsonl, once: a run that is resumed keeps the prompts it began with."""
    path = Path(run.run_dir) / "prompts.jsonl"
    if path.exists():
        return
    assert run.campaign is not None and run.policy is not None  # queue_run refuses a sample run without them
    limit = int(run.config.get("num_prompts", NUM_PROMPTS))
    being_written = path.with_suffix(".tmp")
    num_rows = 0
    with open(being_written, "w", encoding="utf-8") as file:
        for row in rows_to_sample(run.campaign, run.policy, run.pk, limit):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            num_rows += 1
        file.flush()
        os.fsync(file.fileno())
    if num_rows == 0:
        being_written.unlink()
        raise RunError(
            _(
                "Every prompt of %(campaign)s already waits with completions of %(policy)s; "
                "add prompts, or have those judged first."
            )
            % {"campaign": run.campaign.name, "policy": run.policy.name}
        )
    being_written.rename(path)


class Made(NamedTuple):
    """A completion that was stored, as far as its units ask."""

    pk: int
    text: str


def store_completions(run: Run, groups: Iterator[tuple[int, list[dict[str, Any]]]]) -> None:
    """Completions, and then their units, ahead of everything that waits in the campaign.

    A text that the policy gave twice is shown once; a prompt with too few distinct texts has nothing to judge. In a
    comparison campaign a completion meets another policy's that waits for one (`_pairs`). The campaign is locked for
    the units alone, which come last.
    """
    assert run.campaign is not None
    campaign, is_of_two = run.campaign, run.campaign.kind == Campaign.Kind.COMPARISON
    made: dict[int, list[Made]] = {}
    num_prompts = 0
    while chunk := list(islice(groups, CHUNK)):
        num_prompts += len(chunk)
        made |= _stored(run, chunk, is_of_two)
    Campaign.objects.select_for_update(no_key=True).get(
        pk=campaign.pk
    )  # two runs must not find the same rival
    shown = _pairs(run, made) if is_of_two else list(made.items())
    units = [
        NewUnit(pk, [one.pk for one in group], external_id=f"{run.name}:{group[0].pk if is_of_two else pk}")
        for pk, group in shown
    ]
    waiting = Unit.objects.filter(campaign=campaign, open_slots__gt=0)
    priority = min(waiting.aggregate(at=Min("priority"))["at"] or 0, 0) - 1
    run.metrics = {
        **run.metrics,
        "num_queued_units": queue_units(campaign, units, priority=priority),
        "num_queued_completions": sum(map(len, made.values())),
        "num_prompts_left_out": num_prompts - len({pk for pk, _group in shown}),
    }


def _stored(
    run: Run, chunk: list[tuple[int, list[dict[str, Any]]]], is_of_two: bool
) -> dict[int, list[Made]]:
    """{prompt: its distinct completions}, of prompts that are there still and have something to show."""
    assert run.campaign is not None
    known = set(run.campaign.prompts.filter(pk__in=[pk for pk, _rows in chunk]).values_list("pk", flat=True))
    fewest = 1 if is_of_two else run.campaign.fewest_and_most[0]
    made: dict[int, list[Completion]] = {}
    for prompt_id, rows in chunk:
        distinct = {storable(row["text"]): row for row in reversed(rows) if is_workable(row["text"])}
        if prompt_id in known and len(distinct) >= fewest:
            made[prompt_id] = [_completion(run, prompt_id, text, row) for text, row in distinct.items()]
    Completion.objects.bulk_create(completion for group in made.values() for completion in group)
    return {pk: [Made(one.pk, one.text) for one in group] for pk, group in made.items()}


def _pairs(run: Run, made: dict[int, list[Made]]) -> list[tuple[int, Sequence[Made]]]:
    """[(prompt id, two completions)]: each new one with another policy's that waits; without any, two of its own.

    What finds no rival of another text waits for the next policy that is sampled.
    """
    rivals: dict[int, list[Made]] = {pk: [] for pk in made}
    of_others = waiting_for_rival().filter(prompt__in=made).exclude(policy_version=run.policy).order_by("pk")
    for prompt_id, pk, text in of_others.values_list("prompt", "pk", "text"):
        rivals[prompt_id].append(Made(pk, text))
    pairs: list[tuple[int, Sequence[Made]]] = []
    for pk, group in made.items():
        met = zip(group, rivals[pk], strict=False)
        found: list[Sequence[Made]] = [pair for pair in met if pair[0].text != pair[1].text]
        if not found and len(group) > 1:
            found = [group[:2]]
        pairs += [(pk, pair) for pair in found]
    return pairs


def is_workable(text: str) -> bool:
    return bool(text.strip()) and not too_long([text])


def storable(text: str) -> str:
    """A model may write any bytes; what PostgreSQL cannot keep is shown as the replacement character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _completion(run: Run, prompt_id: int, text: str, row: dict[str, Any]) -> Completion:
    return Completion(
        prompt_id=prompt_id,
        text=text,
        policy_version=run.policy,
        sampling=row.get("sampling") or {},
        seed=row.get("seed"),
        source=SOURCE,
        external_id=f"{run.name}:{row['prompt_id']}:{row['index']}",
        metadata={
            "run": run.name,
            "finish_reason": row.get("finish_reason"),
            "num_tokens": row.get("num_tokens"),
        },
    )
