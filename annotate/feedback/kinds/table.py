"""All kinds by their name: those of work, and the review of such work."""

from typing import Any

from annotate.feedback.kinds import review
from annotate.feedback.kinds.base import Kind
from annotate.feedback.kinds.work import WORK
from annotate.feedback.models import Assignment

KINDS: dict[str, Kind[Any]] = WORK | {review.KIND.name: review.KIND}
# The tables that submissions are in.
SUBMITTED_TO = list(dict.fromkeys(kind.table for kind in KINDS.values()))
REVIEWED_IN = list(dict.fromkeys(kind.table for kind in WORK.values()))


def kind_of(assignment: Assignment) -> Kind[Any]:
    return KINDS[assignment.campaign.kind]
