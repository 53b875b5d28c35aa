"""How completions are named to whoever judges them: by their place in the order shown, 1 … K.

Their ids would tell which was made first, and so, where a new policy meets an older one, which policy wrote what.
The tables name ids; what comes and goes is renamed at the door. Whoever had been shown ids before there were places
goes on with them (`Assignment.shows_ids`), so that their drafts and what waits on their devices still fit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from annotate.feedback.kinds.checks import OWN
from annotate.feedback.models import Assignment

NONE_SUCH = -1  # what stands for a name that was never given out: no completion has it


def names_of(judged: Assignment, reader: Assignment | None = None) -> dict[int, int]:
    """{id: name} of what was shown for `judged`, to whoever holds `reader`: its reviewer, or else who judged it."""
    ids = judged.shown_order
    if (reader or judged).shows_ids:
        return {id: id for id in ids}
    return {id: place for place, id in enumerate(ids, start=1)}


def ids_of(judged: Assignment, reader: Assignment | None = None) -> dict[int, int]:
    """{name: id}, the other way round."""
    return {name: id for id, name in names_of(judged, reader).items()}


def renamed(content: Mapping[str, Any], names: Mapping[int, int]) -> dict[str, Any]:
    """What is handed in, of whatever kind, with other names for its completions; in tiers `OWN` keeps its name."""

    def tiers(before: Iterable[Iterable[int]]) -> list[list[int]]:
        return [[OWN if one == OWN else names.get(one, NONE_SUCH) for one in tier] for tier in before]

    after = dict(content)
    if content.get("tiers") is not None:
        after["tiers"] = tiers(content["tiers"])
    if content.get("criteria") is not None:
        after["criteria"] = {name: tiers(order) for name, order in content["criteria"].items()}
    if content.get("ratings") is not None:
        after["ratings"] = [
            {**rating, "completion": names.get(rating["completion"], NONE_SUCH)}
            for rating in content["ratings"]
        ]
    if content.get("chosen") is not None:
        after["chosen"] = names.get(content["chosen"], NONE_SUCH)
    return after
