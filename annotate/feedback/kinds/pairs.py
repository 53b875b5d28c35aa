"""The pairs that a ranking implies."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from annotate.feedback.models import Comparison, Ranking


def store_pairs(rankings: Iterable[Ranking]) -> None:
    """The comparisons that these rankings imply, of which none is stored yet; an import may say their margin."""
    Comparison.objects.bulk_create(
        Comparison(
            ranking=ranking,
            campaign_id=ranking.campaign_id,
            chosen_id=chosen,
            rejected_id=rejected,
            margin=ranking.metadata.get("margin", margin),
        )
        for ranking in rankings
        for chosen, rejected, margin in ranking_to_comparisons(ranking.tiers, ranking.strength)
    )


def ranking_to_comparisons(
    tiers: Sequence[Sequence[int]], strength: int | None = None
) -> list[tuple[int, int, int]]:
    """[(chosen, rejected, margin)] for tiers of completion ids, best first; margin = tiers between the two.

    Where one of two was chosen with a strength, that is the margin.

    Completions in one tier are tied and make no pair. A ranking marked "all bad" still says which of the bad is
    worse, so its pairs are derived like any other's; who must not learn from them filters on `Ranking.all_bad`.
    """
    filled = [tier for tier in tiers if tier]
    return [
        (chosen, rejected, strength or worse - better)
        for better, worse in combinations(range(len(filled)), 2)
        for chosen in filled[better]
        for rejected in filled[worse]
    ]
