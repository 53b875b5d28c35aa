"""The reward model: its loss by hand and against pairs, what is left out, accuracy, scale, resuming."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.tiny import kill_when, prompt_row, ranking_row, run_in_process, start_process
from trainer import reward, run_dir, sample
from trainer.modeling import load_reward_model, new_reward_model, score
from trainer.reward import EncodedRanking, collate, encode_rankings, measure, reward_loss
from trainer.run_dir import RunError
from trainer.snapshot import SnapshotWriter, open_snapshot

PROMPT = [{"role": "user", "content": "red blue"}]


def sigmoid_loss(gap: float) -> float:
    return math.log(1 + math.exp(-gap))


# ---------------------------------------------------------------- the loss


def test_two_completions_cost_minus_log_sigmoid_of_their_gap():
    loss = reward_loss(torch.tensor([1.5, 0.5]), torch.tensor([0, 1]))
    assert float(loss) == pytest.approx(0.313262, abs=1e-6)  # log(1 + e^-1)


def test_equal_scores_cost_log_two():
    assert float(reward_loss(torch.zeros(4), torch.arange(4))) == pytest.approx(math.log(2), abs=1e-6)


def test_four_completions_cost_the_mean_over_their_six_pairs():
    scores = [2.0, 1.0, 0.5, -1.0]
    # gaps 1, 1.5, 3, .5, 2, 1.5: (.313262 + .201413 + .048587 + .474077 + .126928 + .201413) / 6
    assert float(reward_loss(torch.tensor(scores), torch.arange(4))) == pytest.approx(0.227613, abs=1e-6)


def test_a_tie_makes_no_pair():
    """Tiers [a] > [b, c] > [d]: five pairs, none between b and c."""
    scores = torch.tensor([2.0, 1.0, 0.5, -1.0], requires_grad=True)
    loss = reward_loss(scores, torch.tensor([0, 1, 1, 2]))
    assert loss.item() == pytest.approx(sum(map(sigmoid_loss, [1.0, 1.5, 3.0, 2.0, 1.5])) / 5, abs=1e-6)
    all_tied = reward_loss(torch.tensor([2.0, 1.0], requires_grad=True), torch.tensor([0, 0]))
    assert all_tied.item() == 0.0


def test_the_order_in_which_completions_come_does_not_matter():
    scores, tiers = (
        torch.randn(6, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, 1, 2, 3, 3]),
    )
    shuffled = torch.tensor([4, 2, 0, 5, 1, 3])
    assert torch.isclose(reward_loss(scores, tiers), reward_loss(scores[shuffled], tiers[shuffled]))


def test_every_ranking_weighs_the_same_whatever_its_k():
    """One pair with gap 1, and four completions with gap 0: the mean of the two, not of the seven pairs."""
    scores = torch.tensor([1.0, 0.0, 5.0, 5.0, 5.0, 5.0])
    tiers = torch.tensor([0, 1, 0, 1, 2, 3])
    ranking = torch.tensor([0, 0, 1, 1, 1, 1])
    expected = (sigmoid_loss(1.0) + math.log(2)) / 2
    assert float(reward_loss(scores, tiers, ranking)) == pytest.approx(expected, abs=1e-6)


def test_completions_of_different_rankings_are_never_compared():
    scores = torch.tensor([0.0, -1.0, 100.0, 99.0], requires_grad=True)
    loss = reward_loss(scores, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))
    assert loss.item() == pytest.approx(sigmoid_loss(1.0), abs=1e-6)


@pytest.mark.parametrize("num_completions", [4, 9])
def test_each_completion_once_gives_the_loss_and_gradient_of_expanded_pairs(
    num_completions, base_model_dir, tokenizer
):
    """InstructGPT, section 3.5: the same objective with K forwards instead of K(K-1)."""
    rng = torch.Generator().manual_seed(num_completions)
    tiers = sorted(torch.randint(0, num_completions - 1, (num_completions,), generator=rng).tolist())
    sequences = [torch.randint(6, 260, (5 + at,), generator=rng).tolist() for at in range(num_completions)]
    gradients, losses = [], []
    for is_expanded in (False, True):
        model = new_reward_model(base_model_dir, tokenizer, seed=1)
        inputs = collate([EncodedRanking(sequences, tiers)], tokenizer.pad_token_id)
        tier, ranking = inputs.pop("tiers"), inputs.pop("ranking")
        if is_expanded:
            better, worse = (tier[:, None] < tier[None, :]).nonzero(as_tuple=True)
            both = torch.cat([better, worse])
            values = model(**{name: tensor[both] for name, tensor in inputs.items()}).logits[:, 0]
            chosen, rejected = values.chunk(2)
            loss = -torch.nn.functional.logsigmoid(chosen - rejected).mean()
        else:
            loss = reward_loss(model(**inputs).logits[:, 0], tier, ranking)
        loss.backward()
        losses.append(loss.item())
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    for name, gradient in gradients[1].items():
        assert torch.allclose(gradients[0][name], gradient, atol=1e-5), name


# ---------------------------------------------------------------- what is left out


def encode(tokenizer, rows, max_length=128):
    return encode_rankings(tokenizer, rows, max_length)


def test_tiers_become_places_and_unranked_completions_take_no_part(tokenizer):
    row = ranking_row(0, PROMPT, [["sun"], ["moon", "star"], ["cat"]], "train")
    row["completions"].append({"id": "unranked", "text": "dog"})
    (encoded,), counts = encode(tokenizer, [row])
    assert encoded.tiers == [0, 1, 1, 2]
    assert counts["num_completions"] == 4
    assert counts["num_pairs"] == 5
    assert tokenizer.decode(encoded.sequences[0]).endswith("<|assistant|>sun<|end|>")


def test_rankings_that_teach_nothing_are_dropped_and_counted(tokenizer):
    rankings, counts = encode(
        tokenizer,
        [
            ranking_row(0, PROMPT, [["sun"], ["moon"]], "train", all_bad=True),
            ranking_row(1, PROMPT, [["sun", "moon"]], "train"),
            ranking_row(2, PROMPT, [["sun"]], "train"),
            ranking_row(3, PROMPT, [["sun"], ["moon"]], "train"),
        ],
    )
    assert len(rankings) == 1
    assert (counts["num_left_out_all_bad"], counts["num_left_out_no_pair"]) == (1, 2)


def test_a_completion_that_is_too_long_leaves_its_ranking(tokenizer):
    row = ranking_row(0, PROMPT, [["sun " * 50], ["moon"], ["cat"]], "train")
    (encoded,), counts = encode(tokenizer, [row], max_length=40)
    assert encoded.tiers == [1, 2]
    assert (counts["num_long_completions"], counts["num_pairs"]) == (1, 1)


def test_a_ranking_of_a_completion_it_does_not_hold_is_refused(tokenizer):
    row = ranking_row(7, PROMPT, [["sun"], ["moon"]], "train") | {"tiers": [["c7-0"], ["ghost"]]}
    with pytest.raises(RunError, match="Ranking r7 ranks ghost"):
        encode(tokenizer, [row])


# ---------------------------------------------------------------- accuracy and scale


def test_accuracy_is_the_share_of_pairs_in_the_annotators_order():
    class Fixed(torch.nn.Module):
        """Scores a sequence by its last token's number."""

        device = "cpu"

        def forward(self, input_ids, attention_mask, use_cache):
            last = attention_mask.sum(1) - 1
            values = input_ids.gather(1, last[:, None]).float()
            return type("Output", (), {"logits": values})

    rankings = [
        EncodedRanking([[1, 30], [1, 20], [1, 25]], [0, 1, 2]),  # 2 of 3 right
        EncodedRanking([[1, 5], [1, 5]], [0, 1]),  # equal: half
    ]
    measured = measure(Fixed(), rankings, pad_id=0)
    assert measured["accuracy"] == pytest.approx(2.5 / 4)
    assert measured["accuracy_per_ranking"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_fixture_learned_what_the_annotators_prefer(reward_run):
    metrics = run_dir.read_manifest(reward_run, verify=True)["metrics"]
    assert metrics["accuracy"] > 0.9
    assert metrics["train_accuracy"] > 0.9
    assert (metrics["num_rankings"], metrics["num_pairs"]) == (48, 48 * 5)
    assert (metrics["num_eval_rankings"], metrics["num_eval_pairs"]) == (12, 12 * 5)
    rows = run_dir.read_metrics(reward_run)
    assert [row["step"] for row in rows if "loss" in row] == [4, 8, 12, 16, 20, 24]
    assert any("eval_accuracy" in row for row in rows)


def test_the_scale_says_where_it_comes_from(reward_run):
    scale = json.loads((reward_run / "model" / "score_normalization.json").read_text())
    assert scale["from"] == "train rankings"
    assert scale["num_completions"] == 48 * 4
    assert scale["std"] > 0


def test_the_scale_can_come_from_completions_of_the_reference_policy(tmp_path, snapshot_dir, sft_run):
    code = run_in_process(
        sample,
        sample.SampleConfig,
        model=sft_run,
        snapshot=snapshot_dir,
        run_dir=tmp_path / "sample",
        num_completions=2,
        max_new_tokens=8,
    )
    assert code == 0
    arguments = reward_arguments(tmp_path / "run", snapshot_dir, sft_run, max_steps=4)
    assert run_in_process(reward, reward.RewardConfig, **arguments, reference_run=tmp_path / "sample") == 0
    model, tokenizer = load_reward_model(tmp_path / "run")
    prompts = {row["id"]: row["prompt"] for row in open_snapshot(snapshot_dir).rows("prompts")}
    rows = [json.loads(line) for line in (tmp_path / "sample" / "completions.jsonl").read_text().splitlines()]
    conversations = [
        [*prompts[row["prompt_id"]], {"role": "assistant", "content": row["text"]}] for row in rows
    ]
    scores = score(model, tokenizer, conversations)
    assert len(scores) == 120
    assert abs(float(scores.mean())) < 1e-3
    assert abs(float(scores.std()) - 1) < 1e-3
    assert "reference_run" in run_dir.read_manifest(tmp_path / "run")["inputs"]


# ---------------------------------------------------------------- the run


def reward_arguments(path, snapshot_dir, model, **changes):
    return {
        "snapshot": snapshot_dir,
        "init_model": model,
        "run_dir": path,
        "learning_rate": 1e-3,
        "max_steps": 60,
        "per_device_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 4,
    } | changes


@pytest.mark.slow
def test_killed_in_mid_run_the_same_command_finishes_with_the_same_result(tmp_path, snapshot_dir, sft_run):
    whole = reward_arguments(tmp_path / "whole", snapshot_dir, sft_run)
    assert run_in_process(reward, reward.RewardConfig, **whole) == 0
    arguments = reward_arguments(tmp_path / "run", snapshot_dir, sft_run)
    process = start_process("reward", **arguments)
    kill_when(process, lambda: (tmp_path / "run" / "checkpoints" / "checkpoint-8" / "complete.json").exists())
    assert not run_dir.is_finished(tmp_path / "run")
    assert run_in_process(reward, reward.RewardConfig, **arguments) == 0
    assert "Resuming from the checkpoint at step" in (tmp_path / "run" / "log.txt").read_text()
    curves = [
        [(row["step"], row["loss"]) for row in run_dir.read_metrics(tmp_path / name) if "loss" in row]
        for name in ("run", "whole")
    ]
    assert [step for step, _ in curves[0]] == list(range(1, 61))
    assert [loss for _, loss in curves[0]] == pytest.approx([loss for _, loss in curves[1]], abs=2e-3)
    weights, expected = (load_file(tmp_path / n / "model" / "model.safetensors") for n in ("run", "whole"))
    for name in expected:
        assert torch.allclose(weights[name], expected[name], atol=2e-3), name


def error_of(path, **arguments):
    assert run_in_process(reward, reward.RewardConfig, run_dir=path, **arguments) == 2
    return run_dir.read_status(path)["error"]


def test_a_snapshot_without_a_usable_ranking_is_refused(tmp_path, base_model_dir):
    with SnapshotWriter(tmp_path / "tied") as writer:
        writer.write("prompts", prompt_row(0, "red", "train"))
        writer.write("rankings", ranking_row(0, PROMPT, [["sun", "moon"]], "train"))
        writer.close()
    error = error_of(tmp_path / "run", snapshot=tmp_path / "tied", init_model=base_model_dir)
    assert "no ranking with a pair to train on" in error
    assert "'num_left_out_no_pair': 1" in error


def test_a_reference_run_of_other_prompts_is_refused(tmp_path, snapshot_dir, base_model_dir):
    run = run_dir.start(tmp_path / "other", "sample", {})
    run.completions_path.write_text('{"prompt_id": "elsewhere", "text": "a"}\n')
    run.finish({}, {})
    error = error_of(
        tmp_path / "run",
        snapshot=snapshot_dir,
        init_model=base_model_dir,
        reference_run=tmp_path / "other",
    )
    assert "holds no completions for the prompts of" in error
