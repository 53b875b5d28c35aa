"""The queue: which unit a person gets next, and whose a slot is.

A unit has `overlap` slots. An assignment holds one while it is leased and after a submission that counts;
`open_slots` is what is left, and its check constraint refuses a slot too many. Locks are taken in one order,
membership -> assignments -> units (by id), so that nothing here waits in a circle.
"""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Count, Exists, F, Func, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from annotate.accounts.models import Annotator
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign, Membership
from annotate.feedback.models import Assignment, Unit

# The index unit_queue holds the open units of a campaign in just this order; the row comparison lets the scan
# begin after the person's cursor. OFFSET 0 keeps NOT EXISTS a look-up for each unit met: PostgreSQL expects hardly
# a row after the cursor (it judges a row comparison by its first column), and would join all of them and sort.
# A person reviews neither their own work nor a unit on which they are still to give their own answer.
# NO KEY: others who insert assignments of a unit only share its key.
NEXT_UNIT = """
    SELECT unit.* FROM feedback_unit AS unit
    WHERE unit.campaign_id = %(campaign)s AND unit.open_slots > 0
      AND (unit.priority, unit.position) > (%(priority)s, %(position)s)
      AND NOT EXISTS (
        SELECT FROM feedback_assignment AS mine
        WHERE mine.unit_id = unit.id AND mine.annotator_id = %(annotator)s OFFSET 0)
      AND unit.author_id IS DISTINCT FROM %(annotator)s
      AND (unit.reviewed_id IS NULL OR NOT EXISTS (
        SELECT FROM feedback_assignment AS reviewed
        JOIN feedback_assignment AS mine ON mine.unit_id = reviewed.unit_id AND mine.annotator_id = %(annotator)s
        WHERE reviewed.id = unit.reviewed_id AND mine.state IN ('leased', 'released', 'expired') OFFSET 0))
    ORDER BY unit.priority, unit.position
    LIMIT 1 FOR NO KEY UPDATE OF unit SKIP LOCKED
"""
# Ten times quicker than rows made one by one in Python. `position` comes from its sequence, in this order.
INSERT_UNITS = """
    INSERT INTO feedback_unit
      (id, campaign_id, prompt_id, overlap, open_slots, priority, external_id, reviewed_id, author_id, created_at)
    SELECT new.id, %(campaign)s, prompt_id, %(overlap)s, %(overlap)s, %(priority)s, external_id, reviewed.id,
      reviewed.annotator_id, now()
    FROM unnest(%(ids)s::bigint[], %(prompt_ids)s::bigint[], %(external_ids)s::text[], %(reviewed_ids)s::bigint[])
      WITH ORDINALITY AS new (id, prompt_id, external_id, reviewed_id, place)
    LEFT JOIN feedback_assignment AS reviewed ON reviewed.id = new.reviewed_id
    ORDER BY place
"""
INSERT_UNIT_COMPLETIONS = """
    INSERT INTO feedback_unit_completions (unit_id, completion_id) SELECT * FROM unnest(%s::bigint[], %s::bigint[])
"""
FRONT = (-(2**31), 0)
LOOK_AGAIN_AFTER = timedelta(minutes=1)
SWEEP = 20
ENDED = (Assignment.State.EXPIRED, Assignment.State.RELEASED)
_shuffle = random.SystemRandom().shuffle


def insert_units(
    campaign: Campaign,
    units: Sequence[tuple[int, str, Sequence[int], int | None]],
    *,
    overlap: int,
    priority: int,
) -> None:
    """Units from (prompt id, external id, completion ids, reviewed assignment), queued in this order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('feedback_unit', 'id')) FROM generate_series(1, %s)",
            [len(units)],
        )
        ids = [row[0] for row in cursor.fetchall()]
        prompt_ids, external_ids = [unit[0] for unit in units], [unit[1] for unit in units]
        named: dict[str, Any] = {"campaign": campaign.id, "overlap": overlap, "priority": priority}
        named |= {"ids": ids, "prompt_ids": prompt_ids, "external_ids": external_ids}
        cursor.execute(INSERT_UNITS, named | {"reviewed_ids": [unit[3] for unit in units]})
        links = [(id, completion) for id, unit in zip(ids, units, strict=True) for completion in unit[2]]
        if links:
            cursor.execute(INSERT_UNIT_COMPLETIONS, [[id for id, _ in links], [c for _, c in links]])


def refresh_statistics() -> None:
    """After many new units: until PostgreSQL has counted them it may sort them all instead of using unit_queue."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE feedback_unit, feedback_assignment")


def next_unit(campaign: Campaign, annotator: Annotator, after: tuple[int, int]) -> Unit | None:
    """The first open unit after a place in the queue that this person has not had; it is locked."""
    priority, position = after
    named = {"campaign": campaign.id, "annotator": annotator.id, "priority": priority, "position": position}
    return next(iter(Unit.objects.raw(NEXT_UNIT, named)), None)


def _look(membership: Membership, annotator: Annotator) -> Unit | None:
    """The next unit for a person, locked.

    Everything before the cursor they have had, so an annotator far ahead of the others does not walk over her
    own finished units each time. The second look, from the front, is for units that were passed over because
    somebody held their row for an instant, or that came back with a sooner priority. Where it was in vain, it is
    made again only after a while: whoever has finished a queue early asks often, and it passes all that is hers.
    """
    campaign, cursor = membership.campaign, (membership.cursor_priority, membership.cursor_position)
    is_fresh = membership.cursor_epoch == campaign.queue_epoch
    if is_fresh and cursor[0] is not None and cursor[1] is not None:
        if unit := next_unit(campaign, annotator, (cursor[0], cursor[1])):
            return unit
        if membership.nothing_at and timezone.now() < membership.nothing_at + LOOK_AGAIN_AFTER:
            return None
    if unit := next_unit(campaign, annotator, FRONT):
        return unit
    # A review may be open to somebody at once, when they have given their own answer to the unit.
    if campaign.kind != Campaign.Kind.REVIEW and not _is_held_by_others(campaign, annotator):
        Membership.objects.filter(id=membership.id).update(
            cursor_epoch=campaign.queue_epoch, nothing_at=timezone.now()
        )
    return None


def _is_held_by_others(campaign: Campaign, annotator: Annotator) -> bool:
    """Whether there is an open unit for a person after all, whose row somebody has locked for an instant."""
    mine = Assignment.objects.filter(unit=OuterRef("pk"), annotator=annotator)
    return Unit.objects.filter(~Exists(mine), campaign=campaign, open_slots__gt=0).exists()


def lease_from_queue(membership: Membership, annotator: Annotator, is_ahead: bool) -> Assignment | None:
    """Lease the next unit to a person, and move their cursor to it."""
    campaign = membership.campaign
    unit = _look(membership, annotator)
    if unit is None:
        return None
    Unit.objects.filter(id=unit.id).update(open_slots=F("open_slots") - 1)
    Membership.objects.filter(id=membership.id).update(
        cursor_epoch=campaign.queue_epoch,
        cursor_priority=unit.priority,
        cursor_position=unit.position,
        nothing_at=None,
    )
    shown_order = list(unit.completions.order_by("id").values_list("id", flat=True))
    _shuffle(shown_order)
    now = timezone.now()
    if unit.reviewed_id:
        _keep_from_answering(unit, annotator, now)
    return Assignment.objects.create(
        unit=unit,
        campaign=campaign,
        annotator=annotator,
        is_ahead=is_ahead,
        shown_order=shown_order,
        leased_at=now,
        lease_expires_at=lease_end(campaign, now),
    )


def _keep_from_answering(review: Unit, annotator: Annotator, now: datetime) -> None:
    """Who reviews an answer to a unit that several people answer will not be asked for their own."""
    reviewed = Unit.objects.filter(assignments=review.reviewed_id, overlap__gt=1).first()
    if reviewed is None:
        return
    passed = Assignment(
        unit=reviewed, campaign_id=reviewed.campaign_id, annotator=annotator, state=Assignment.State.SKIPPED,
        holds_slot=False, leased_at=now, lease_expires_at=now, ended_at=now,
    )  # fmt: skip
    Assignment.objects.bulk_create([passed], ignore_conflicts=True)


def lease_end(campaign: Campaign, now: datetime) -> datetime:
    return now + timedelta(seconds=campaign.lease_seconds)


def own_to_continue(campaign: Campaign, annotator: Annotator, is_ahead: bool) -> Assignment | None:
    """A lease the person still holds, else one that ended with a draft in it and whose slot is free.

    `is_ahead`: beside what they have begun on, so of the leases only the one that waits.
    """
    held = Q(is_ahead=True) if is_ahead else Q(state=Assignment.State.LEASED)
    own = _own(campaign, annotator).select_for_update(of=("self",), no_key=True)
    # Said once more for the index: what is finished, of which there may be thousands, is not looked at.
    begun = own.filter(state__in=[Assignment.State.LEASED, *ENDED])
    waiting = begun.filter(held | _ended_and_open(draft__isnull=False))
    return waiting.order_by("-holds_slot", "is_ahead", "-leased_at").first()


def num_begun(campaign: Campaign, annotator: Annotator) -> int:
    """How many units the person holds and has begun on."""
    held = Assignment.objects.filter(campaign=campaign, annotator=annotator, state=Assignment.State.LEASED)
    return held.filter(is_ahead=False, lease_expires_at__gt=timezone.now()).count()


def own_to_begin_again(campaign: Campaign, annotator: Annotator) -> Assignment | None:
    """When the queue has nothing else: a lease that ended without a word written. Never what was skipped."""
    # A sweep before this may hold units, so nothing is waited for.
    own = _own(campaign, annotator).select_for_update(of=("self",), no_key=True, skip_locked=True)
    return own.filter(_ended_and_open()).order_by("-leased_at").first()


def _own(campaign: Campaign, annotator: Annotator) -> QuerySet[Assignment]:
    return Assignment.objects.select_related("unit__prompt").filter(campaign=campaign, annotator=annotator)


def _ended_and_open(**more: bool) -> Q:
    return Q(state__in=ENDED, unit__open_slots__gt=0, **more)


def take_slot(assignment: Assignment) -> bool:
    """Give a locked assignment a slot of its unit again, if one is open."""
    if assignment.holds_slot:
        return True
    open_unit = Unit.objects.filter(id=assignment.unit_id, open_slots__gt=0)
    assignment.holds_slot = open_unit.update(open_slots=F("open_slots") - 1) == 1
    return assignment.holds_slot


def extend_lease(assignment: Assignment, campaign: Campaign, is_ahead: bool = False) -> None:
    """Make a locked assignment that holds its slot a lease from now on, and keep the unit ahead of it as long."""
    assignment.state, assignment.ended_at, assignment.is_ahead = Assignment.State.LEASED, None, is_ahead
    assignment.lease_expires_at = lease_end(campaign, timezone.now())
    assignment.save(update_fields=["state", "holds_slot", "ended_at", "lease_expires_at", "is_ahead"])
    ahead = Assignment.objects.filter(campaign=campaign, annotator=assignment.annotator_id, is_ahead=True)
    # A sweep that holds it is ending it: not waited for, because a unit may be locked here already.
    waiting = ahead.select_for_update(no_key=True, skip_locked=True).values("id")
    Assignment.objects.filter(id__in=waiting).update(lease_expires_at=assignment.lease_expires_at)


def let_go(assignments: Iterable[Assignment], state: Assignment.State) -> None:
    """End locked leases and open their slots. Their units go to the end of their priority, ahead of all cursors.

    Open slots are counted anew, in a statement that begins after the units are locked, so that two who end
    leases of one unit at once both count.
    """
    ended = list(assignments)
    units = Unit.objects.filter(id__in=sorted({assignment.unit_id for assignment in ended}))
    _lock(units)
    Assignment.objects.filter(id__in=[assignment.id for assignment in ended]).update(
        state=state, holds_slot=False, is_ahead=False, ended_at=timezone.now()
    )
    units.update(
        open_slots=_left_of(F("overlap")),
        position=Func(
            Value("feedback_unit_position_seq"), function="nextval", output_field=BigIntegerField()
        ),
    )


def change_overlap(campaign: Campaign, before: int) -> None:
    """The campaign's units of this overlap get the new one. Live leases and submissions stay, and each is counted.

    When the overlap falls, units that have enough of them close.
    """
    units = Unit.objects.filter(campaign=campaign, overlap=before)
    _lock(units)
    units.update(overlap=campaign.overlap, open_slots=_left_of(Value(campaign.overlap)))
    if campaign.overlap > before:  # units behind people's cursors are open again
        begin_anew(campaign)


def begin_anew(campaign: Campaign) -> None:
    """Everybody's next look begins at the front of the queue."""
    Campaign.objects.filter(id=campaign.id).update(queue_epoch=F("queue_epoch") + 1)


def _lock(units: QuerySet[Unit]) -> None:
    list(units.select_for_update().order_by("id").values_list("id"))


def _left_of(overlap: F | Value) -> Greatest:
    """The open slots of a locked unit, counted anew: what was there before may stand for fewer than hold one."""
    holding = Assignment.objects.filter(unit=OuterRef("pk"), holds_slot=True).order_by().values("unit")
    num_holding = Coalesce(Subquery(holding.annotate(num=Count("id")).values("num")), 0)
    return Greatest(overlap - num_holding, 0)


def sweep(limit: int, campaign: Campaign | None = None) -> int:
    """End up to `limit` leases whose time is over, or whose holder was put out; how many. Inside a transaction."""
    is_in = workers().filter(campaign=OuterRef("campaign"), user=OuterRef("annotator__user"))
    is_over = Q(lease_expires_at__lt=timezone.now()) | ~Exists(is_in)
    late = Assignment.objects.filter(is_over, state=Assignment.State.LEASED)
    if campaign:
        late = late.filter(campaign=campaign)
    ended = list(
        late.select_for_update(of=("self",), no_key=True, skip_locked=True).order_by("lease_expires_at")[
            :limit
        ]
    )
    if ended:
        let_go(ended, Assignment.State.EXPIRED)
    return len(ended)


def why_nothing(campaign: Campaign, annotator: Annotator) -> str:
    """Why a person gets nothing from an open campaign: no_units, all_leased or none_left."""
    if not Unit.objects.filter(campaign=campaign).exists():
        return "no_units"
    mine = Assignment.objects.filter(annotator=annotator, unit=OuterRef("unit"))
    others = Assignment.objects.filter(~Exists(mine), campaign=campaign, state=Assignment.State.LEASED)
    return "all_leased" if others.exists() else "none_left"
