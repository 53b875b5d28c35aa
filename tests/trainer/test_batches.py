"""How sequences are cut into passes: at the least cost, within the budget."""

import itertools
import random

from trainer.batches import cut_by_length


def cost(parts, lengths, pass_tokens):
    return sum(len(part) * max(lengths[at] for at in part) + pass_tokens for part in parts)


def test_a_step_is_cut_at_least_cost():
    """Against every way to cut the sorted lengths."""
    rng = random.Random(0)
    for _ in range(30):
        lengths = [rng.randint(1, 40) for _ in range(7)]
        pass_tokens = rng.choice([0, 5, 30])
        order = sorted(range(7), key=lambda at: -lengths[at])
        every = []
        for cuts in itertools.product([False, True], repeat=6):
            parts = [[order[0]]]
            for at, is_cut in zip(order[1:], cuts, strict=True):
                parts += [[at]] if is_cut else []
                parts[-1] += [] if is_cut else [at]
            every.append(cost(parts, lengths, pass_tokens))
        found = cut_by_length(lengths, 0, pass_tokens)
        assert sorted(itertools.chain(*found)) == list(range(7))
        assert cost(found, lengths, pass_tokens) == min(every)


def test_no_part_is_above_the_limit_but_a_single_row():
    lengths = [100, 30, 30, 30, 9, 9]
    parts = cut_by_length(lengths, max_tokens=60, pass_tokens=1)
    found = sorted([lengths[at] for at in part] for part in parts)
    assert found == [[9, 9], [30], [30, 30], [100]]
    assert len(cut_by_length([10] * 8, 0, 10**9)) == 1
