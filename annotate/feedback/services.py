"""Writes of feedback, each one verb in one transaction: units, leases, drafts, demonstrations, rankings."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from rapidfuzz.distance import Levenshtein
from rest_framework.exceptions import PermissionDenied

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign, Completion, Membership, Prompt
from annotate.campaigns.services import (
    AddedPrompts,
    NewPrompt,
    add_prompts,
    change_settings,
    mark_guidelines_read,
    terms_to_accept,
)
from annotate.errors import Conflict
from annotate.feedback import assigning, chats
from annotate.feedback.checks import OWN, check_choice, check_dialogue, check_ranking, check_ratings, refuse
from annotate.feedback.comparisons import ranking_to_comparisons
from annotate.feedback.models import (
    OWN_ANSWER,
    Assignment,
    Comparison,
    Demonstration,
    Draft,
    Ranking,
    Rating,
    Review,
    Suggestion,
    Unit,
    Verdict,
)
from annotate.feedback.revisions import (
    SUBMISSIONS,
    keep_revision,
    own_completion,
    refuse_correction,
    submission_of,
)

BATCH = 2000
Given = TypeVar("Given", Demonstration, Ranking, Review)
# One on the way to the server, one put aside for an instant (an undo); whoever has begun on more gets none ahead.
MOST_BEGUN = 2


# Units


@dataclass
class NewUnit:
    """A unit to be queued. The same `external_id` again is queued once."""

    prompt_id: int
    completion_ids: Sequence[int] = ()
    external_id: str = ""
    reviewed_id: int | None = None


@transaction.atomic
def queue_units(
    campaign: Campaign, units: Iterable[NewUnit], *, priority: int = 0, overlap: int | None = None
) -> int:
    """Queue units at the end of their priority; how many were new. Made for some hundred thousand at once."""
    campaign = Campaign.objects.select_for_update(no_key=True).get(id=campaign.id)
    overlap = overlap or campaign.overlap
    later = Unit.objects.filter(campaign=campaign, priority__gt=priority, open_slots__gt=0)
    are_behind = later.exists() or campaign.memberships.filter(cursor_priority__gt=priority).exists()
    waiting, num_new = iter(units), 0
    while batch := list(islice(waiting, BATCH)):
        named = {unit.external_id for unit in batch} - {""}
        known = set(
            Unit.objects.filter(campaign=campaign, external_id__in=named).values_list(
                "external_id", flat=True
            )
        )
        fresh = [unit for unit in batch if unit.external_id not in known]
        assigning.insert_units(
            campaign,
            [(unit.prompt_id, unit.external_id, unit.completion_ids, unit.reviewed_id) for unit in fresh],
            overlap=overlap,
            priority=priority,
        )
        num_new += len(fresh)
    if num_new and are_behind:  # behind the cursors of those who have begun on what is later
        assigning.begin_anew(campaign)
    if num_new >= BATCH // 2:
        assigning.refresh_statistics()
    return num_new


def create_units(campaign: Campaign, prompts: Iterable[Prompt], *, priority: int = 0) -> int:
    """Units in which a person writes: one for each prompt."""
    return queue_units(campaign, (NewUnit(prompt.id) for prompt in prompts), priority=priority)


def queue_ranking_units(
    campaign: Campaign, candidates: Iterable[tuple[int, Sequence[int]]], *, priority: int = 0
) -> int:
    """Units in which a person ranks, from (prompt id, completion ids)."""
    return queue_units(campaign, (NewUnit(*candidate) for candidate in candidates), priority=priority)


def queue_reviews(campaign: Campaign, most: int = BATCH) -> int:
    """What was submitted to the campaign that this one reviews and has no unit here yet; how many were queued."""
    if campaign.kind != Campaign.Kind.REVIEW:
        return 0
    submitted = Assignment.objects.filter(
        campaign=campaign.reviewed_campaign_id, state=Assignment.State.SUBMITTED, holds_slot=True
    ).exclude(Exists(Unit.objects.filter(campaign=campaign, reviewed=OuterRef("pk"))))
    waiting = submitted.order_by("pk").values_list("unit__prompt", "pk")[:most]
    return queue_units(campaign, [NewUnit(prompt, (), f"{pk}", pk) for prompt, pk in waiting])


def queue_all_reviews() -> None:
    for campaign in Campaign.objects.filter(kind=Campaign.Kind.REVIEW, status=Campaign.Status.OPEN):
        queue_reviews(campaign)


@transaction.atomic
def queue_prompts(campaign: Campaign, prompts: Iterable[NewPrompt]) -> AddedPrompts:
    """Add prompts; those that are new to a campaign of demonstrations or chats wait there for a writer."""
    added = add_prompts(campaign, prompts)
    if campaign.kind in Campaign.WRITING:
        create_units(campaign, added.created)
    return added


@transaction.atomic
def update_campaign(campaign: Campaign, changes: dict[str, Any]) -> Campaign:
    """Change a campaign's settings. A new overlap also holds for the units that had the old one."""
    before = Campaign.objects.select_for_update(no_key=True).get(id=campaign.id).overlap
    campaign = change_settings(campaign, changes)
    if campaign.overlap != before:
        assigning.change_overlap(campaign, before)
    return campaign


# Leases


@dataclass
class Next:
    """An assignment, or why there is none now."""

    assignment: Assignment | None
    reason: str = ""


@transaction.atomic
def lease_next_assignment(campaign: Campaign, user: User, *, is_ahead: bool = False) -> Next:
    """What a person works on next: what they hold, what they left a draft in, or the next unit of the queue.

    `is_ahead`: one unit beside what they work on, so that it is at hand when they submit. Asked again, in whatever
    window, it is the same one until they begin on it (`renew_lease`, a draft, or their next ask for work).
    """
    if "annotator" not in user.roles:
        raise PermissionDenied(_("Only people with the role annotator work on units."))
    # The lock keeps two windows of one person from taking two units.
    membership = (
        Membership.objects.select_for_update(of=("self",), no_key=True)
        .select_related("campaign")
        .filter(campaign=campaign, user=user)
        .first()
    )
    if membership is None:
        raise PermissionDenied(_("You are not a member of this campaign; an administrator can add you."))
    annotator, campaign = annotator_of(user), membership.campaign
    if terms_to_accept(campaign, user):
        return Next(None, "terms")
    if membership.guidelines_read is None:  # they lie beside the first unit
        in_force = campaign.guidelines.values_list("version", flat=True).first()
        mark_guidelines_read(campaign, user, in_force or 0)
    is_open = campaign.status == Campaign.Status.OPEN
    if is_ahead and assigning.num_begun(campaign, annotator) > MOST_BEGUN:
        return Next(None, "enough_begun")
    own = assigning.own_to_continue(campaign, annotator, is_ahead)
    has_begun = own is not None and own.holds_slot and not own.is_ahead
    if own and (is_open or has_begun) and assigning.take_slot(own):
        assigning.extend_lease(own, campaign, is_ahead)
        return Next(own)
    if not is_open:
        return Next(None, campaign.status)
    leased = assigning.lease_from_queue(membership, annotator, is_ahead)
    if leased is None and (assigning.sweep(assigning.SWEEP, campaign) or queue_reviews(campaign)):
        leased = assigning.lease_from_queue(membership, annotator, is_ahead)
    if (
        leased is None
        and (own := assigning.own_to_begin_again(campaign, annotator))
        and assigning.take_slot(own)
    ):
        assigning.extend_lease(own, campaign, is_ahead)
        leased = own
    return Next(leased) if leased else Next(None, assigning.why_nothing(campaign, annotator))


def _locked(assignment_id: int, annotator: Annotator) -> Assignment:
    assignment = (
        Assignment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("campaign", "unit__prompt", "annotator")
        .filter(id=assignment_id, annotator=annotator)
        .first()
    )
    if assignment is None:
        raise Http404
    return assignment


def _refuse_outsiders(assignment: Assignment) -> None:
    """Whoever was put out of the campaign, or of the role annotator, meanwhile."""
    if not workers().filter(campaign=assignment.campaign_id, user=assignment.annotator.user_id).exists():
        out = _(
            "You do not work in this campaign any more, so nothing of this was stored. What you wrote stays on "
            "your device; an administrator can add you again."
        )
        raise PermissionDenied(out, "put_out")


def _refuse_ended(assignment: Assignment) -> None:
    if assignment.state == Assignment.State.SUBMITTED:
        raise Conflict(_("This was submitted already."), "already_submitted")
    if assignment.state == Assignment.State.SKIPPED:
        raise Conflict(_("You skipped this one; it has gone to others."), "skipped")


@transaction.atomic
def renew_lease(assignment_id: int, annotator: Annotator) -> Assignment:
    """More time. A lease that has ended is taken again while its slot is free; one that was ahead is begun."""
    assignment = _locked(assignment_id, annotator)
    _refuse_outsiders(assignment)
    _refuse_ended(assignment)
    if assignment.is_ahead and assignment.campaign.status != Campaign.Status.OPEN:
        raise Conflict(_("This campaign hands out nothing just now."), "not_open")
    if not assigning.take_slot(assignment):
        ended = _(
            "Your time for this one ended and somebody else has it now. You can still submit what you wrote."
        )
        raise Conflict(ended, "lease_ended")
    assigning.extend_lease(assignment, assignment.campaign)
    return assignment


@transaction.atomic
def skip(assignment_id: int, annotator: Annotator, reason: str = "") -> None:
    """Not for this person; somebody else gets it, and it never comes back to them."""
    assignment = _locked(assignment_id, annotator)
    if assignment.state == Assignment.State.SKIPPED:
        return
    _refuse_ended(assignment)
    assigning.let_go([assignment], Assignment.State.SKIPPED, reason)


@transaction.atomic
def release(assignment_id: int, annotator: Annotator, *, only_ahead: bool = False) -> None:
    """Not now: the slot is free, the draft stays. `only_ahead`: unless another window has begun on it."""
    assignment = _locked(assignment_id, annotator)
    ended = assignment.state in (Assignment.State.RELEASED, Assignment.State.EXPIRED)
    if ended or (only_ahead and not assignment.is_ahead):
        return
    _refuse_ended(assignment)
    assigning.let_go([assignment], Assignment.State.RELEASED)


def expire_leases(batch: int = 500) -> int:
    """End every lease whose time is over; how many. Short transactions, so that nobody waits long."""
    num_ended = 0
    while True:
        with transaction.atomic():
            ended = assigning.sweep(batch)
        num_ended += ended
        if ended < batch:
            return num_ended


@transaction.atomic
def save_draft(assignment_id: int, annotator: Annotator, content: Any, revision: int) -> Draft:
    """Keep what was typed, whatever became of the lease; a live lease is renewed by it.

    `revision` is the one that the client last read (0 for none). Another one means that another window saved
    since: nothing is overwritten, and the refusal carries what is stored.
    """
    assignment = _locked(assignment_id, annotator)
    _refuse_outsiders(assignment)
    draft = Draft.objects.filter(assignment=assignment).first() or Draft(assignment=assignment)
    if draft.revision == revision:
        draft.content, draft.revision = content, revision + 1
        draft.save()
    elif not (
        draft.revision == revision + 1 and draft.content == content
    ):  # the same save, sent twice, is fine
        stored = {"content": draft.content, "revision": draft.revision, "saved_at": draft.saved_at}
        raise Conflict(
            _("This was changed in another window. Choose which version to keep."),
            "draft_conflict",
            {"draft": stored if draft.pk else None},
        )
    if assignment.state == Assignment.State.LEASED:
        assigning.extend_lease(assignment, assignment.campaign)
    return draft


# Submissions


@dataclass
class Stored:
    """What a submission became; `is_new` is False when the same one was sent before."""

    submission: Demonstration | Ranking | Review
    is_new: bool


def _begin_submission(
    assignment_id: int,
    annotator: Annotator,
    kind: type[Given],
    key: uuid.UUID,
    revises: int | None,
    by_reviewer: bool = False,
) -> tuple[Assignment, Given | None, Given | None]:
    """The locked assignment; its submission if this very one was sent before; the submission that is corrected."""
    assignment = _locked(assignment_id, annotator)
    if SUBMISSIONS[assignment.campaign.kind] is not kind:
        raise refuse("kind", _("This campaign collects another kind of feedback."), "kind")
    stored = kind.objects.filter(submission_key=key).first()
    if stored and stored.assignment_id != assignment.id:
        raise refuse("submission_key", _("This key was used for another submission. Make a new one."), "used")
    if stored:
        return assignment, stored, None
    if not by_reviewer:
        _refuse_outsiders(assignment)
    if assignment.state != Assignment.State.SUBMITTED:
        return assignment, None, None
    earlier = kind.objects.get(assignment=assignment)
    if assignment.revisions.filter(submission_key=key).exists():  # sent again after it was corrected
        return assignment, earlier, None
    if isinstance(earlier, Review):
        raise Conflict(_("This was submitted already."), "already_submitted")
    if revises is None:
        already = _("This was submitted already, with other words. Open it again to correct it.")
        raise Conflict(already, "already_submitted")
    if not by_reviewer:
        refuse_correction(assignment, earlier, revises)
    return assignment, None, earlier


def _store(
    kind: type[Given], assignment: Assignment, annotator: Annotator, earlier: Given | None, **content: Any
) -> Given:
    """A new submission, or the next revision of an earlier one, whose words are kept beside it."""
    if earlier is None or isinstance(earlier, Review):  # a review is never corrected
        campaign, prompt = assignment.campaign, assignment.unit.prompt
        return kind.objects.create(
            campaign=campaign,
            assignment=assignment,
            annotator=annotator,
            is_surplus=_end_submission(assignment),
            language=prompt.language or campaign.language,
            **content,
        )
    keep_revision(assignment, earlier)
    if earlier.review_state == Verdict.RETURNED:
        _queue_again(assignment, earlier)
    earlier.review_state = ""
    for name, value in content.items():
        setattr(earlier, name, value)
    earlier.save(update_fields=[*content, "revision", "corrected_at", "review_state"])
    return earlier


def _queue_again(assignment: Assignment, returned: Demonstration | Ranking) -> None:
    """What its author has submitted again after it was returned waits for another look."""
    review = Campaign.objects.filter(reviewed_campaign=assignment.campaign).first()
    if review:
        name = f"{assignment.id}:{returned.revision}"
        queue_units(review, [NewUnit(assignment.unit.prompt_id, (), name, assignment.id)])


def _end_submission(assignment: Assignment) -> bool:
    """Whether it is surplus: its slot went to somebody else. It is kept all the same."""
    assigning.take_slot(assignment)
    assignment.state, assignment.ended_at, assignment.is_ahead = (
        Assignment.State.SUBMITTED,
        timezone.now(),
        False,
    )
    assignment.save(update_fields=["state", "holds_slot", "ended_at", "is_ahead"])
    return not assignment.holds_slot


@transaction.atomic
def submit_demonstration(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    messages: list[dict[str, Any]],
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store a dialogue, and what became of each suggestion. The same key again changes nothing.

    `revises`: the revision that this corrects; what became of the suggestions was settled by the first.
    """
    assignment, stored, earlier = _begin_submission(
        assignment_id, annotator, Demonstration, submission_key, revises, by_reviewer
    )
    if stored:
        return Stored(stored, False)
    prompt = assignment.unit.prompt
    check_dialogue(messages, prompt.messages, may_instruct=assignment.campaign.has_system_message)
    if earlier is None:
        _settle_suggestions(assignment, messages)
    pastes = (earlier.metadata.get("pastes", []) if earlier else []) + _pastes(messages)
    demonstration = _store(
        Demonstration,
        assignment,
        annotator,
        earlier,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        prompt=prompt,
        messages=[{"role": m["role"], "content": m["content"]} for m in messages],
        metadata={"pastes": pastes} if pastes else {},
    )
    return Stored(demonstration, True)


def _pastes(messages: list[dict[str, Any]]) -> list[dict[str, int]]:
    """What was pasted and where: soft evidence for whoever reads the export, and never a reason to refuse."""
    return [
        {"turn": turn, "length": length}
        for turn, message in enumerate(messages)
        for length in message.get("pastes", [])
    ]


def _settle_suggestions(assignment: Assignment, messages: list[dict[str, Any]]) -> None:
    """Taken as it was, edited (how far), taken in part, or refused."""
    offered = {suggestion.id: suggestion for suggestion in Suggestion.objects.filter(assignment=assignment)}
    used: set[int] = set()
    for i, message in enumerate(messages):
        text, whole = message["content"], message.get("suggestion")
        taken: dict[int, list[str]] = {} if whole is None else {whole: []}
        for part in message.get("parts", []):
            taken.setdefault(part["suggestion"], []).append(part["text"])
        for suggestion_id, pieces in taken.items():
            if suggestion_id not in offered or suggestion_id in used:
                reason = _("This suggestion was not offered here, or is named twice.")
                raise refuse(f"messages[{i}].suggestion", reason, "unknown")
            used.add(suggestion_id)
            suggestion = offered[suggestion_id]
            if suggestion_id == whole:
                is_same = text == suggestion.text
                suggestion.outcome = Suggestion.Outcome.TAKEN if is_same else Suggestion.Outcome.EDITED
            else:
                suggestion.outcome, suggestion.taken_text = Suggestion.Outcome.PART, "\n".join(pieces)
            suggestion.final_text = text
            suggestion.edit_distance = Levenshtein.distance(suggestion.taken_text or suggestion.text, text)
    for suggestion in offered.values():
        if suggestion.id not in used:
            suggestion.outcome = Suggestion.Outcome.REFUSED
    Suggestion.objects.bulk_update(offered.values(), ["outcome", "taken_text", "final_text", "edit_distance"])


@transaction.atomic
def submit_ranking(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    tiers: list[list[int]],
    all_bad: bool = False,
    strength: int | None = None,
    criteria: Mapping[str, list[list[int]]] | None = None,
    own_answer: str = "",
    ratings: Sequence[dict[str, Any]] = (),
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store a ranking with its ratings and the comparisons it implies. The same key again changes nothing.

    A better answer that the person wrote becomes a completion of theirs; in the tiers it is named by `OWN`.
    `revises`: the revision that this corrects.
    """
    assignment, stored, earlier = _begin_submission(
        assignment_id, annotator, Ranking, submission_key, revises, by_reviewer
    )
    if stored:
        return Stored(stored, False)
    campaign, prompt = assignment.campaign, assignment.unit.prompt
    shown, criteria, own_answer = assignment.shown_order, criteria or {}, own_answer.strip() and own_answer
    check_ratings(ratings, completions=shown, flags=campaign.flags, must_rate=campaign.is_rated_first)
    check_ranking(
        tiers,
        criteria,
        completions=shown,
        asked_criteria=campaign.criteria,
        own_answer=own_answer,
        may_answer=campaign.own_answer != Campaign.OwnAnswer.OFF,
        all_bad=all_bad,
    )
    own = _store_own_answer(prompt, annotator, own_answer, earlier) if own_answer else None
    names = {OWN: own.id} if own else {}
    ranking = _store(
        Ranking,
        assignment,
        annotator,
        earlier,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        prompt=prompt,
        shown_order=shown,
        tiers=_renamed(tiers, names),
        all_bad=all_bad,
        strength=strength,
        criteria={name: _renamed(tiers, names) for name, tiers in criteria.items()},
        metadata={"own_answer": own.id} if own else {},
    )
    if earlier:
        ranking.ratings.all().delete()
        ranking.comparisons.all().delete()
        _demonstrated_in(ranking).delete()
    asked_by_person = prompt.messages and prompt.messages[-1]["role"] == "user"
    if own_answer and campaign.own_answer == Campaign.OwnAnswer.DEMONSTRATION and asked_by_person:
        _demonstrate(ranking, own_answer)
    Rating.objects.bulk_create(
        Rating(campaign=campaign, ranking=ranking, annotator=annotator, completion_id=rating["completion"],
               value=rating["value"], flags=rating["flags"])
        for rating in ratings
        if rating["value"] is not None or rating["flags"]
    )  # fmt: skip
    Comparison.objects.bulk_create(
        Comparison(ranking=ranking, campaign=campaign, chosen_id=chosen, rejected_id=rejected, margin=margin)
        for chosen, rejected, margin in ranking_to_comparisons(ranking.tiers, strength)
    )
    if assignment.unit.overlap > 1:
        # Also where it is marked already: who counts just now is waited for, and counts again.
        Unit.objects.filter(id=assignment.unit_id).update(has_new_judgements=True)
    return Stored(ranking, True)


def submit_comparison(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    verdict: str,
    chosen: int | None = None,
    strength: int | None = None,
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store which of two is better, and how much, as a ranking: [[chosen], [other]], or one tier for a tie.

    verdict: better, tie or all_bad. The same key again changes nothing.
    """
    shown = Assignment.objects.filter(id=assignment_id, annotator=annotator)
    completions: list[int] = shown.values_list("shown_order", flat=True).first() or []
    check_choice(verdict, chosen, strength, completions=completions)
    tiers = [completions] if verdict == "tie" else []
    if verdict == "better" and chosen is not None:
        tiers = [[chosen], [id for id in completions if id != chosen]]
    return submit_ranking(
        assignment_id,
        annotator,
        submission_key=submission_key,
        tiers=tiers,
        all_bad=verdict == "all_bad",
        strength=strength,
        seconds_spent=seconds_spent,
        revises=revises,
        by_reviewer=by_reviewer,
    )


@transaction.atomic
def submit_chat(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    turns: list[dict[str, Any]],
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store a dialogue with a policy, its choices and edited answers as rankings. The same key again changes nothing.

    With the first submission one turn, picked at random, becomes a prompt of the campaign in which it is ranked.
    """
    assignment, stored, earlier = _begin_submission(
        assignment_id, annotator, Demonstration, submission_key, revises, by_reviewer
    )
    if stored:
        return Stored(stored, False)
    said = chats.read_turns(assignment, turns)
    chats.settle_answers(said, list(assignment.suggestions.all()))
    last = said[-1]
    dialogue = _store(
        Demonstration,
        assignment,
        annotator,
        earlier,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        prompt=assignment.unit.prompt,
        messages=[*last.asked, {"role": "assistant", "content": last.answer}],
        metadata={"turns": turns},
    )
    chats.store_choices(dialogue, said)
    if earlier is None and assignment.campaign.ranking_campaign:
        chats.hand_on(assignment.campaign.ranking_campaign, dialogue, said)
    return Stored(dialogue, True)


@transaction.atomic
def submit_review(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    verdict: str,
    reviewed_revision: int,
    comment: str = "",
    correction: dict[str, Any] | None = None,
    seconds_spent: float | None = None,
    revises: int | None = None,
) -> Stored:
    """Store what a reviewer decided of another's submission, and do it. The same key again changes nothing.

    correction: what the work should say, as its own kind is submitted; it becomes the next revision, and the one
    before is kept. A review whose slot went to somebody else is stored and does nothing.
    """
    # Its author's row first: who corrects their own work locks it before they queue it here.
    mine = Assignment.objects.filter(id=assignment_id, annotator=annotator).values("unit__reviewed")
    of_author = Assignment.objects.select_for_update(of=("self",), no_key=True).filter(id__in=mine)
    reviewed = of_author.select_related("campaign", "annotator").first()
    assignment, stored, _earlier = _begin_submission(
        assignment_id, annotator, Review, submission_key, revises
    )
    if stored:
        return Stored(stored, False)
    work = submission_of(reviewed) if reviewed else None
    if reviewed is None or work is None:
        raise refuse("kind", _("This campaign collects another kind of feedback."), "kind")
    if work.revision != reviewed_revision:
        changed = _("Its author has corrected this meanwhile. Look at it as it is now.")
        raise Conflict(changed, "revision")
    if verdict == Verdict.RETURNED and not comment.strip():
        raise refuse("comment", _("Say what its author is to change."), "blank")
    if (verdict == Verdict.CORRECTED) != (correction is not None):
        raise refuse(
            "content", _("A correction, and nothing else, comes with the corrected work."), "content"
        )
    review = _store(
        Review,
        assignment,
        annotator,
        None,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        reviewed=reviewed,
        reviewed_revision=reviewed_revision,
        verdict=verdict,
        comment=comment.strip(),
    )
    if review.is_surplus:
        return Stored(review, True)
    if correction is not None:
        SUBMITS[reviewed.campaign.kind](
            reviewed.id,
            reviewed.annotator,
            **correction | {"submission_key": uuid.uuid4(), "seconds_spent": work.seconds_spent},
            revises=work.revision,
            by_reviewer=True,
        )
    type(work).objects.filter(pk=work.pk).update(review_state=verdict)
    if isinstance(work, Ranking):
        _demonstrated_in(work).update(review_state=verdict)
    elif reviewed.campaign.kind == Campaign.Kind.CHAT:  # its choices fare as it does
        chats.demonstrated_in_chat(work).update(review_state=verdict)
        chats.rankings_of_chat(work).update(review_state=verdict)
    return Stored(review, True)


SUBMITS: dict[str, Callable[..., Stored]] = {
    Campaign.Kind.DEMONSTRATION: submit_demonstration,
    Campaign.Kind.RANKING: submit_ranking,
    Campaign.Kind.COMPARISON: submit_comparison,
    Campaign.Kind.REVIEW: submit_review,
    Campaign.Kind.CHAT: submit_chat,
}


def _renamed(tiers: Iterable[Sequence[int]], names: Mapping[int, int]) -> list[list[int]]:
    """The filled tiers, with ids in place of what had none."""
    return [[names.get(completion, completion) for completion in tier] for tier in tiers if tier]


def _store_own_answer(prompt: Prompt, annotator: Annotator, text: str, earlier: Ranking | None) -> Completion:
    """A completion of theirs; the one of the revision before, if it says the same."""
    before = own_completion(earlier) if earlier else None
    if before and before.text == text:
        return before
    return Completion.objects.create(prompt=prompt, author=annotator, text=text, source=OWN_ANSWER)


def _demonstrated_in(ranking: Ranking) -> QuerySet[Demonstration]:
    """The answer of whoever ranked, where it is a dialogue too."""
    own = Demonstration.objects.filter(campaign=ranking.campaign_id, source=OWN_ANSWER)
    return own.filter(external_id=str(ranking.id))


def _demonstrate(ranking: Ranking, answer: str) -> None:
    """The answer to the prompt as a dialogue of its author."""
    Demonstration.objects.create(
        campaign=ranking.campaign,
        annotator=ranking.annotator,
        is_surplus=ranking.is_surplus,
        language=ranking.language,
        source=OWN_ANSWER,
        external_id=str(ranking.id),
        prompt=ranking.prompt,
        messages=[*ranking.prompt.messages, {"role": "assistant", "content": answer}],
    )
