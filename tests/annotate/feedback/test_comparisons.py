"""Pairs from tiers, counted by hand."""

import pytest

from annotate.feedback.kinds.pairs import ranking_to_comparisons


@pytest.mark.parametrize(
    ("tiers", "pairs"),
    [
        ([], []),
        ([[1]], []),
        ([[1, 2, 3]], []),
        ([[1], [2]], [(1, 2, 1)]),
        ([[1], [2, 3], [4]], [(1, 2, 1), (1, 3, 1), (1, 4, 2), (2, 4, 1), (3, 4, 1)]),
        ([[1], [], [2]], [(1, 2, 1)]),
        ([[1, 2], [3, 4]], [(1, 3, 1), (1, 4, 1), (2, 3, 1), (2, 4, 1)]),
    ],
)
def test_each_better_tier_beats_each_worse_one_and_ties_make_no_pair(tiers, pairs):
    assert ranking_to_comparisons(tiers) == pairs


def test_nine_completions_without_ties_make_36_pairs():
    assert len(ranking_to_comparisons([[i] for i in range(9)])) == 36
