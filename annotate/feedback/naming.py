"""How completions are named to whoever judges them: by their place in the order shown, 1 … K.

Their ids would tell which was made first, and so, where a new policy meets an older one, which policy wrote what.
The tables name ids; what comes and goes is renamed at the door (`Kind.renamed`).
"""

from collections.abc import Mapping

from annotate.feedback.models import Assignment

NONE_SUCH = -1  # what stands for a name that was never given out: no completion has it


def names_of(judged: Assignment) -> dict[int, int]:
    """{id: name} of what was shown, to whoever judged it and to its reviewer."""
    return {id: place for place, id in enumerate(judged.shown_order, start=1)}


def ids_of(judged: Assignment) -> dict[int, int]:
    """{name: id}, the other way round."""
    return dict(enumerate(judged.shown_order, start=1))


def name_of(completion: int | None, names: Mapping[int, int]) -> int | None:
    """The other name of one completion, where one is named."""
    return None if completion is None else names.get(completion, NONE_SUCH)
