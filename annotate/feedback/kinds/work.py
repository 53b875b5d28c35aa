"""The kinds of work that people give to a campaign of prompts; each row stands at the end of its module."""

from typing import Any

from annotate.feedback.kinds import best_worst, chat, comparison, demonstration, ranking
from annotate.feedback.kinds.base import Kind

WORK: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (demonstration.KIND, ranking.KIND, comparison.KIND, chat.KIND, best_worst.KIND)
}
