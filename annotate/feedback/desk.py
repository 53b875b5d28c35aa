"""What lies before an annotator: one assignment with everything it needs, in a number of queries that is fixed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.http import Http404
from django.utils.translation import gettext as _

from annotate.accounts.models import User
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign, Completion, Guidelines
from annotate.feedback.kinds.revisions import can_correct, correct_until
from annotate.feedback.kinds.table import KINDS, kind_of
from annotate.feedback.models import Assignment, Draft, Suggestion, Unit
from annotate.feedback.naming import names_of
from annotate.feedback.overview import progress_of, tallies_of
from annotate.feedback.suggestions import can_suggest


@dataclass
class Desk:
    """An assignment, laid out. Completions are in the order that was stored when it was leased."""

    id: int
    state: str
    campaign: Campaign
    unit: Unit
    lease_expires_at: datetime
    guidelines: Guidelines | None
    shown_completions: list[dict[str, Any]]
    kept_draft: Draft | None
    offered_suggestions: list[Suggestion]
    can_suggest: bool
    submitted: dict[str, Any] | None
    reviewed: dict[str, Any] | None


def lay_out(assignment: Assignment) -> Desk:
    return Desk(
        id=assignment.id,
        state=assignment.state,
        campaign=assignment.campaign,
        unit=assignment.unit,
        lease_expires_at=assignment.lease_expires_at,
        guidelines=assignment.campaign.guidelines.order_by("-version").first(),
        shown_completions=_shown(assignment, names_of(assignment)),
        kept_draft=Draft.objects.filter(assignment=assignment).first(),
        offered_suggestions=list(Suggestion.objects.filter(assignment=assignment).order_by("id")),
        can_suggest=can_suggest(assignment),
        submitted=_submitted(assignment) if assignment.state == Assignment.State.SUBMITTED else None,
        reviewed=_reviewed(assignment) if assignment.unit.reviewed_id else None,
    )


def _submitted(assignment: Assignment) -> dict[str, Any] | None:
    """How a finished assignment stands, to be looked at and, for a while, corrected."""
    kind = kind_of(assignment)
    submission = kind.given_in(assignment)
    if submission is None:
        return None
    return {
        "content": kind.renamed(kind.content_of(submission), names_of(assignment)),
        "revision": submission.revision,
        "given_at": submission.corrected_at or submission.created_at,
        "seconds_spent": submission.seconds_spent,
        "correct_until": correct_until(assignment.campaign, submission.created_at),
        "can_correct": can_correct(
            assignment.campaign, getattr(submission, "review_state", ""), submission.created_at
        ),
        "review": assignment.reviews.filter(is_surplus=False).order_by("-id").first(),
    }


def _reviewed(review: Assignment) -> dict[str, Any] | None:
    """Another's submission, as it was worked on; not by whom."""
    assignment = review.unit.reviewed
    if assignment is None:
        return None
    kind = kind_of(assignment)
    work = kind.given_in(assignment)
    if work is None:
        return None
    names = names_of(assignment)
    return {
        "assignment": assignment.id,
        "campaign": assignment.campaign,
        "completions": _shown(assignment, names),
        "content": kind.renamed(kind.content_of(work), names),
        "revision": work.revision,
        "guidelines": assignment.campaign.guidelines.order_by("-version").first(),
        "earlier": list(assignment.reviews.filter(is_surplus=False).order_by("id")),
    }


def _shown(assignment: Assignment, names: dict[int, int]) -> list[dict[str, Any]]:
    texts = dict(Completion.objects.filter(id__in=assignment.shown_order).values_list("id", "text"))
    return [{"id": names[id], "text": texts[id]} for id in assignment.shown_order if id in texts]


def own_assignment(user: User, assignment_id: int) -> Assignment:
    """One's own, while one works in its campaign."""
    memberships = workers().filter(user=user)
    own = Assignment.objects.filter(
        annotator__user=user, campaign__memberships__in=memberships, id=assignment_id
    )
    assignment = own.select_related("campaign", "unit__prompt").first()
    if assignment is None:
        raise Http404
    return assignment


def nothing_now(reason: str, campaign: Campaign) -> str:
    """The reason as a sentence."""
    if reason == "no_units":
        if campaign.kind in Campaign.JUDGING:
            return _("There is nothing to judge yet: completions come when a policy has been sampled.")
        if campaign.kind == Campaign.Kind.REVIEW:
            return _("There is nothing to review yet: work comes here when somebody has submitted it.")
        return _("There is nothing to write yet: an administrator has to add prompts.")
    return {
        "": "",
        "none_left": _("You have done everything there is for you here. New work appears when it is added."),
        "all_leased": _(
            "Others work on what is left. Look again in a few minutes: what they leave comes back."
        ),
        "enough_begun": _("You have begun on several units: finish one of them first."),
        "terms": _("Read and accept this campaign's terms first."),
        "paused": _("This campaign is paused. What you have written is kept."),
        "closed": _("This campaign is closed. Thank you for your work."),
    }[reason]


def progress(campaign: Campaign) -> dict[str, Any]:
    """Counts of a campaign, and submissions by day (UTC); what was imported has none."""
    held = tallies_of([campaign.id])[campaign.id]
    given = (
        campaign.tallies.filter(name=f"{KINDS[campaign.kind].table}s")
        .values("day")
        .order_by("day")
        .annotate(num=Sum("num"))
    )
    names = ("prompts", "completions", "demonstrations", "rankings", "comparisons", "reviews", "surplus")
    return progress_of([campaign.id])[campaign.id] | {
        **{f"num_{name}": held.get(name, 0) for name in names},
        "num_imported": sum(row["num"] for row in given if row["day"] is None),
        "by_day": [
            {"date": row["day"], "num_submitted": row["num"]} for row in given if row["day"] and row["num"]
        ],
    }
