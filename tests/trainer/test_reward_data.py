"""Rankings as tokens: what is learned from a row, what is left out, the two layouts, the batches."""

import pytest
import torch

from tests.trainer.tiny import ranking_row
from trainer.reward_data import (
    EncodedRanking,
    StepSampler,
    TargetIndex,
    Targets,
    TrunkShape,
    batch_elements,
    choose_layout,
    collate,
    encode_rankings,
    micro_batches,
    row_length,
    steps_of_epoch,
    target_tensors,
    trained_flops,
    tree_inputs,
    which_completions,
)
from trainer.reward_loss import pairs_of
from trainer.run_dir import RunError

PROMPT = [{"role": "user", "content": "red blue"}]


def encode(tokenizer, rows, max_length=128, **targets):
    return encode_rankings(tokenizer, rows, max_length, Targets(**targets))


def rating(row, completion, value, criterion="overall", low=1, high=7, flags=()):
    """A rating of the row's completion with that number."""
    return {
        "completion": row["completions"][completion]["id"],
        "criterion": criterion,
        "value": value,
        "scale_min": low,
        "scale_max": high,
        "flags": list(flags),
    }


# ---------------------------------------------------------------- what is learned, what is left out


def test_tiers_become_places_and_unranked_completions_take_no_part(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon", "star"], ["cat"]], "train")
    row["completions"].append({"id": "unranked", "text": "dog"})
    (encoded,), counts = encode(tokenizer, [row])
    assert encoded.tiers == [0, 1, 1, 2]
    assert (counts["num_completions"], counts["num_pairs"], counts["num_ties"]) == (4, 5, 1)
    assert tokenizer.decode(encoded.sequences[0]).endswith("<|assistant|>sun<|end|>")


def test_those_between_the_best_and_the_worst_are_no_tie(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon", "star", "cat"], ["dog"]], "train", middle_unordered=True)
    (encoded,), counts = encode(tokenizer, [row], ties=True)
    assert (counts["num_pairs"], counts["num_ties"]) == (2 * 5 - 3, 0)
    tensors = target_tensors([encoded], TargetIndex())
    pairs = pairs_of(tensors["places"], tensors["ranking"], tensors["can_tie"])
    assert (len(pairs.better), len(pairs.tied_first)) == (7, 0)


def test_rankings_that_teach_nothing_are_dropped_and_counted(tokenizer):
    rankings, counts = encode(
        tokenizer,
        [
            ranking_row(0, PROMPT, [["sun"], ["moon"]], "train", all_bad=True),
            ranking_row(1, PROMPT, [["sun", "moon"]], "train"),  # only a tie
            ranking_row(2, PROMPT, [["sun"]], "train"),  # K of 1
            ranking_row(3, PROMPT, [["sun"], ["moon"]], "train"),
        ],
    )
    assert len(rankings) == 1
    assert (counts["num_left_out_all_bad"], counts["num_left_out_no_pair"]) == (1, 2)


def test_a_ranking_of_ties_alone_is_kept_where_ties_have_a_likelihood(tokenizer):
    row = ranking_row(1, PROMPT, [["sun", "moon"]], "train")
    rankings, counts = encode(tokenizer, [row], ties=True)
    assert [encoded.tiers for encoded in rankings] == [[0, 0]]
    assert (counts["num_ties"], counts["num_left_out_no_pair"]) == (1, 0)


def test_completions_that_are_too_long_or_empty_leave_their_ranking(tokenizer):
    row = ranking_row(0, PROMPT, [["sun " * 50], ["moon"], ["  "], ["cat"]], "train")
    (encoded,), counts = encode(tokenizer, [row], max_length=40)
    assert encoded.tiers == [1, 3]
    assert (counts["num_long_completions"], counts["num_empty_completions"], counts["num_pairs"]) == (1, 1, 1)


def test_a_ranking_of_a_completion_it_does_not_hold_is_refused(tokenizer):
    row = ranking_row(7, PROMPT, [["sun"], ["moon"]], "train") | {"tiers": [["c7-0"], ["ghost"]]}
    with pytest.raises(RunError, match="Ranking r7 ranks ghost"):
        encode(tokenizer, [row])


def test_rankings_that_contradict_each_other_stay_and_are_counted(tokenizer):
    rows = [
        ranking_row(0, PROMPT, [["sun"], ["moon"], ["cat"]], "train"),
        ranking_row(1, PROMPT, [["moon"], ["sun"]], "train"),
        ranking_row(2, [{"role": "user", "content": "green"}], [["moon"], ["sun"]], "train"),
    ]
    rankings, counts = encode(tokenizer, rows)
    assert len(rankings) == 3
    assert counts["num_contradicting_pairs"] == 1  # sun and moon; after another prompt it is another pair


def test_a_choice_as_strong_as_three_tiers_stands_three_places_apart(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon"]], "train", strength=3)
    (encoded,), counts = encode(tokenizer, [row])
    assert encoded.tiers == [0, 3]
    assert counts["num_pairs"] == 1


def test_an_empty_tier_does_not_widen_the_margin(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon"]], "train")
    row["tiers"] = [row["tiers"][0], [], row["tiers"][1]]
    (encoded,), _ = encode(tokenizer, [row])
    assert encoded.tiers == [0, 1]


# ---------------------------------------------------------------- targets beside the order


def test_ratings_come_to_one_scale_and_several_are_averaged(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon"]], "train")
    row["ratings"] = [
        rating(row, 0, 7),
        rating(row, 1, 1),
        rating(row, 1, 4),
        rating(row, 1, 50, "style", 0, 100),
        rating(row, 0, None),
    ]
    (encoded,), _ = encode(tokenizer, [row], ratings=True)
    assert encoded.ratings == {"overall": [1.0, 0.25], "style": [None, 0.5]}


def test_judgements_come_from_all_bad_flags_thumbs_and_the_best_tier(tokenizer):
    plain = ranking_row(0, PROMPT, [["sun"], ["moon"], ["cat"]], "train")
    flagged = ranking_row(1, PROMPT, [["sun"], ["moon"]], "train")
    flagged["ratings"] = [rating(flagged, 0, None, flags=["untrue"])]
    thumbs = ranking_row(2, PROMPT, [["sun"], ["moon"]], "train")
    thumbs["ratings"] = [rating(thumbs, 1, 1, low=0, high=1)]
    bad = ranking_row(3, PROMPT, [["sun"], ["moon"]], "train", all_bad=True)
    rankings, counts = encode(tokenizer, [plain, flagged, thumbs, bad], judgements=True)
    assert [encoded.judgements for encoded in rankings] == [[1, None, None], [0, None], [1, 1], [0, 0]]
    assert rankings[3].tiers == [-1, -1]
    assert (counts["num_left_out_all_bad"], counts["num_pairs"]) == (0, 5)


def test_an_unranked_completion_with_a_judgement_is_learned_from(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon"]], "train")
    row["completions"].append({"id": "flagged", "text": "dog"})
    row["ratings"] = [rating(row, 2, None, flags=["rude"])]
    (encoded,), counts = encode(tokenizer, [row], judgements=True)
    assert (encoded.tiers, encoded.judgements) == ([0, 1, -1], [1, None, 0])
    assert counts["num_pairs"] == 1


def test_a_criterion_has_its_own_tiers_or_those_its_ratings_imply(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon"], ["cat"]], "train")
    row["criteria"] = {"true": [["c0-2"], ["c0-0"]]}
    row["ratings"] = [rating(row, 0, 2, "kind"), rating(row, 1, 6, "kind"), rating(row, 2, 6, "kind")]
    (encoded,), _ = encode(tokenizer, [row], criteria=("true", "kind"))
    assert encoded.criteria == {"true": [1, -1, 0], "kind": [1, 0, 0]}


def test_each_head_of_an_ensemble_sees_about_half_of_the_rankings_twice(tokenizer):
    rows = [ranking_row(at, PROMPT, [["sun"], ["moon"]], "train") for at in range(60)]
    rankings, _ = encode(tokenizer, rows, num_heads=3, seed=1)
    weights = torch.tensor([encoded.bootstrap for encoded in rankings])
    assert set(weights.flatten().tolist()) == {0.0, 2.0}
    assert 0.7 < float(weights.mean()) < 1.3
    assert len({tuple(column.tolist()) for column in weights.T}) == 3
    again, _ = encode(tokenizer, rows, num_heads=3, seed=1)
    assert [encoded.bootstrap for encoded in again] == weights.tolist()


def test_targets_as_tensors():
    rankings = [
        EncodedRanking([[1], [2]], [0, 1], "ann", {"overall": [0.5, None]}, [1, None]),
        EncodedRanking([[3]], [-1], "bob"),
    ]
    index = TargetIndex({"ann": 0, "bob": 1}, {"ann": 1.5, "bob": 0.5}, (), ("overall",))
    tensors = target_tensors(rankings, index)
    assert tensors["places"].tolist() == [0, 1, -1]
    assert tensors["ranking"].tolist() == [0, 0, 1]
    assert tensors["annotator"].tolist() == [0, 1]
    assert tensors["weights"].tolist() == [[1.5], [0.5]]
    assert tensors["judgements"].tolist() == [1, -1, -1]
    assert tensors["ratings"].isnan().flatten().tolist() == [False, True, True]


# ---------------------------------------------------------------- layouts


def test_the_tree_has_the_prompt_once_restarting_positions_and_a_mask():
    """Prompt 7 8, completions 1 and 2 3; by hand."""
    inputs = tree_inputs([EncodedRanking([[7, 8, 1], [7, 8, 2, 3]], [0, 1])], pad_id=0)
    assert inputs["input_ids"].tolist() == [[7, 8, 1, 2, 3]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 2, 3]]
    assert inputs["ends"].tolist() == [[0, 2], [0, 4]]
    assert inputs["attention_mask"][0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 0, 1, 1],
    ]


def test_a_completion_that_begins_or_is_another_keeps_a_token_of_its_own():
    nested = EncodedRanking([[7, 8, 1], [7, 8, 1, 2]], [0, 1])
    assert (nested.num_shared, nested.tree_length) == (2, 5)
    same = EncodedRanking([[7, 8, 1], [7, 8, 1]], [0, 1])
    assert (same.num_shared, same.tree_length) == (2, 4)


def test_trees_are_chosen_where_the_prompt_is_long_and_rows_where_the_completions_are():
    shape = TrunkShape(num_parameters=12 * 256**2 * 4, num_layers=4, width=256)

    def ranking(prompt, completion, num):
        return EncodedRanking(
            [[*range(prompt), *[1000 + at] * completion] for at in range(num)], list(range(num))
        )

    assert choose_layout(ranking(200, 24, 9), shape) == "tree"
    assert choose_layout(ranking(12, 24, 4), shape) == "tree"
    assert choose_layout(ranking(20, 500, 9), shape) == "rows"


# ---------------------------------------------------------------- batches


def test_rankings_of_the_same_completions_are_one_element_whoever_gave_them(tokenizer):
    others = [{"role": "user", "content": "green"}]
    tiers = [["sun"], ["moon"], ["cat"]]
    rows = [
        ranking_row(0, PROMPT, tiers, "train"),
        ranking_row(1, others, tiers, "train"),  # of another prompt
        ranking_row(2, PROMPT, tiers[::-1], "train", annotator="bob"),
        ranking_row(3, PROMPT, tiers[:2], "train"),  # fewer were shown
        ranking_row(4, PROMPT, tiers, "train", annotator="carol"),
    ]
    rows[4]["tiers"] = rows[4]["tiers"][:2]  # one was shown and left unranked
    rankings, counts = encode(tokenizer, rows)
    elements = batch_elements(rankings)
    assert counts["num_rankings"] == 5 and [len(own.rankings) for own in elements] == [3, 1, 1]
    assert [len(own.sequences) for own in elements] == [3, 3, 2]
    assert rankings[0].sequences[0] is rankings[2].sequences[2]  # held in memory once
    assert which_completions(elements).tolist() == [0, 1, 2, 2, 1, 0, 0, 1, 3, 4, 5, 6, 7]


def ranking_of(length, layout="rows", num=2):
    return EncodedRanking([[1] * (length - 1) + [at] for at in range(num)], list(range(num)), layout=layout)


def test_micro_batches_keep_to_the_budget_and_to_one_layout():
    rankings = [ranking_of(length) for length in (10, 30, 12, 28, 100)]
    rankings += [ranking_of(20, "tree"), ranking_of(22, "tree")]
    batches = list(micro_batches(rankings, max_tokens=120))
    assert [[row_length(encoded) for encoded in batch] for batch in batches] == [
        [100],  # alone above the budget
        [30, 28],
        [12, 10],
        [23, 21],
    ]
    assert len(list(micro_batches(rankings, max_tokens=0))) == 2


def test_a_batch_in_parts_holds_every_completion_once():
    elements = batch_elements(ranking_of(length) for length in (10, 30, 12))
    batch = collate(elements, pad_id=0, max_tokens=60)
    assert batch["num_rankings"] == 3
    assert sum(len(part["ends"]) for part in batch["micro_batches"]) == 6


def test_an_epoch_holds_every_ranking_once_in_another_order_each_time():
    lengths = [at % 37 for at in range(301)]
    epochs = [steps_of_epoch(lengths, 38, seed=0, epoch=epoch) for epoch in range(2)]
    for steps in epochs:
        assert sorted(index for step in steps for index in step) == list(range(301))
        assert {len(step) for step in steps} == {7, 8}
    assert epochs[0] != epochs[1]
    assert epochs[0] == steps_of_epoch(lengths, 38, seed=0, epoch=0)


def test_a_step_holds_similar_lengths_and_steps_come_in_no_order_of_length():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(10, 400, (800,), generator=generator).tolist()
    steps = [[lengths[index] for index in step] for step in steps_of_epoch(lengths, 100, seed=1, epoch=0)]
    padding = sum(max(step) * len(step) - sum(step) for step in steps) / sum(lengths)
    assert padding < 0.15  # random steps of 8 pad by three quarters
    means = torch.tensor([sum(step) / len(step) for step in steps])
    drift = torch.corrcoef(torch.stack([means, torch.arange(100.0)]))[0, 1]
    assert abs(float(drift)) < 0.2
    halves = means[:50].mean(), means[50:].mean()
    assert abs(float(halves[0] - halves[1])) < 0.1 * float(means.mean())


@pytest.mark.parametrize(("num_rankings", "per_share", "accumulation"), [(41, 4, 1), (41, 2, 2), (3, 1, 1)])
def test_one_process_and_two_take_the_same_steps(num_rankings, per_share, accumulation):
    lengths = [at * 7 % 31 for at in range(num_rankings)]
    alone = StepSampler(lengths, 2 * per_share, accumulation, rank=0, world=1, seed=0)
    pair = [StepSampler(lengths, per_share, accumulation, rank, world=2, seed=0) for rank in (0, 1)]
    per_step = [list(sampler) for sampler in pair]
    assert len(per_step[0]) == len(per_step[1]) == len(pair[0])

    def steps(batches):
        joined = [batches[at : at + accumulation] for at in range(0, len(batches), accumulation)]
        return [sorted(index for batch in step for index in batch) for step in joined]

    both = [sorted(a + b) for a, b in zip(steps(per_step[0]), steps(per_step[1]), strict=True)]
    assert both == steps(list(alone))
    assert all(batch for batches in per_step for batch in batches)  # nobody waits for a process without work


def test_fewer_rankings_than_shares_are_refused():
    with pytest.raises(RunError, match="3 examples cannot be shared among 2 processes with 2 forward passes"):
        StepSampler([1, 2, 3], 4, 2, rank=0, world=2, seed=0)


def test_flops_of_a_ranking_by_hand():
    """Prompt 2, completions of 1 and 2: rows hold 3 + 4 tokens that see 6 + 10, the tree 5 that see 3 + 3 + 7."""
    shape = TrunkShape(num_parameters=10, num_layers=1, width=1)
    encoded = EncodedRanking([[7, 8, 1], [7, 8, 2, 3]], [0, 1])
    assert trained_flops(shape, encoded) == 6 * 10 * 7 + 12 * 16
    encoded.layout = "tree"
    assert trained_flops(shape, encoded) == 6 * 10 * 5 + 12 * 13
