"""By which verb the work of each kind is submitted."""

from collections.abc import Callable

from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.base import Stored
from annotate.feedback.kinds.chat import submit_chat
from annotate.feedback.kinds.comparison import submit_comparison
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.feedback.kinds.ranking import submit_ranking

# What a reviewer corrects is submitted by these too; reviews themselves are in review.SUBMITS.
SUBMITS_OF_WORK: dict[str, Callable[..., Stored]] = {
    Campaign.Kind.DEMONSTRATION: submit_demonstration,
    Campaign.Kind.RANKING: submit_ranking,
    Campaign.Kind.COMPARISON: submit_comparison,
    Campaign.Kind.CHAT: submit_chat,
}
