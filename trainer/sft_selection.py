"""Which SFT model is kept: the one whose answers to validation prompts a reward model scores highest.

InstructGPT (Ouyang et al. 2022, section 3.5 and appendix C.1) trains on past the least validation loss and takes
the final model by its score: the loss says how well people's words are foreseen, the score how good the answers
are.
"""

from __future__ import annotations

import logging
import random
import shutil
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback

from trainer.files import fsync_tree, write_json
from trainer.generation import Sampling, completion_text, generate, seed_of
from trainer.modeling import (
    Messages,
    TemplateRefused,
    context_length,
    encode_prompt,
    inference_dtype,
    load_reward_model,
    score,
    stop_token_ids,
)
from trainer.run_dir import RunDir, RunError, read_json
from trainer.snapshot import Snapshot

log = logging.getLogger("trainer")
NUM_AT_ONCE = 32  # completions in a batch


class ScoreSelection(TrainerCallback):
    """Scores the model every `score_every` steps and at the end; keeps the weights that learn of the best.

    They lie beside the checkpoints as best-<step>, weights and score in one folder that appears in one step.
    """

    def __init__(
        self,
        config: Any,
        run: RunDir,
        trainer: Trainer,
        tokenizer: PreTrainedTokenizerBase,
        snapshot: Snapshot,
    ) -> None:
        if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            raise RunError(
                "--score-every needs whole weights on each device; leave it at 0 under FSDP or DeepSpeed."
            )
        self.config, self.run, self.trainer, self.tokenizer = config, run, trainer, tokenizer
        self.prompts = scoring_prompts(config, trainer.model, tokenizer, snapshot)  # type: ignore[arg-type]
        device = trainer.args.device
        self.reward_model, self.reward_tokenizer = load_reward_model(
            config.reward_model, inference_dtype(device)
        )
        self.reward_model.to(device)  # type: ignore[arg-type]  # the library's stub for a decorated method

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.config.score_every and state.global_step < state.max_steps:
            return
        measured = self.measure()
        self.trainer.log(dict(measured))
        log.info("step %d: mean score %.4f", state.global_step, measured["eval/scores"])
        if args.process_index == 0:
            keep_if_best(self.run, self.trainer, state.global_step, measured)
        if self.trainer.args.world_size > 1:
            torch.distributed.barrier()
        best = read_best(self.run)
        since_best = sum(
            "eval/scores" in row and best is not None and row["step"] > best["step"]
            for row in state.log_history
        )
        if self.config.score_patience and since_best >= self.config.score_patience:
            log.info("No better score in %d looks: the training ends", since_best)
            control.should_training_stop = control.should_save = True

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Means over the prompts of one completion each, always of the same seeds; over all processes."""
        config, arguments = self.config, self.trainer.args
        model: Any = self.trainer.accelerator.unwrap_model(self.trainer.model)
        model = model.get_base_model() if hasattr(model, "get_base_model") else model  # adapters stay inside
        own = self.prompts[arguments.process_index :: arguments.world_size]
        sampling = Sampling(config.score_temperature, 1.0, config.max_new_tokens)
        stop_ids, pad_id = stop_token_ids(self.tokenizer, model), self.tokenizer.pad_token_id
        was_training = model.training
        model.eval()
        sums = torch.zeros(4, dtype=torch.float64)
        for start in range(0, len(own), NUM_AT_ONCE):
            group = own[start : start + NUM_AT_ONCE]
            seeds = [seed_of(config.seed, "score", prompt_id) for prompt_id, _, _ in group]
            with self.trainer.accelerator.autocast():
                made = generate(model, [ids for _, _, ids in group], seeds, sampling, stop_ids, pad_id)
            conversations = [
                [*messages, {"role": "assistant", "content": completion_text(self.tokenizer, one)}]
                for (_, messages, _), one in zip(group, made, strict=True)
            ]
            scores = score(self.reward_model, self.reward_tokenizer, conversations)
            ended = sum(one.finish_reason == "stop" for one in made)
            length = sum(len(one.token_ids) for one in made)
            sums += torch.tensor([len(group), float(scores.double().sum()), length, ended])
        model.train(was_training)
        number, scored, length, ended = self.trainer.accelerator.reduce(
            sums.to(arguments.device), "sum"
        ).tolist()
        return {
            "eval/scores": scored / number,
            "eval/length": length / number,
            "eval/eos_share": ended / number,
        }


def scoring_prompts(
    config: Any, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, snapshot: Snapshot
) -> list[tuple[Any, Messages, list[int]]]:
    """(id, messages, tokens) of `num_score_prompts` validation prompts that fit, drawn by the seed."""
    room = context_length(model) - config.max_new_tokens
    found = []
    for row in snapshot.rows("prompts", "validation"):
        try:
            ids = encode_prompt(tokenizer, row["prompt"])
        except TemplateRefused:
            continue
        if len(ids) <= room:
            found.append((row["id"], row["prompt"], ids))
    if not found:
        raise RunError(
            f"--score-every needs validation prompts that leave room for {config.max_new_tokens} tokens, and "
            f"{config.snapshot} has none; lower max_new_tokens, or leave score_every at 0."
        )
    if len(found) > config.num_score_prompts:
        found = random.Random(config.seed).sample(found, config.num_score_prompts)
    return sorted(found, key=lambda prompt: -len(prompt[2]))  # similar lengths waste least


def learning_weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    model = trainer.accelerator.unwrap_model(trainer.model)
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def keep_if_best(run: RunDir, trainer: Trainer, step: int, measured: dict[str, float]) -> None:
    best = read_best(run)
    if best is not None and measured["eval/scores"] <= best["eval/scores"]:
        return
    final = run.checkpoints_dir / f"best-{step}"
    temporary = final.with_suffix(".tmp")
    for folder in (temporary, final):
        shutil.rmtree(folder, ignore_errors=True)
    temporary.mkdir(parents=True)
    weights = {name: weight.cpu().contiguous() for name, weight in learning_weights(trainer).items()}
    save_file(weights, temporary / "policy.safetensors")
    write_json(temporary / "best.json", {"step": step, **measured})
    fsync_tree(temporary)
    temporary.rename(final)
    for other in run.checkpoints_dir.glob("best-*"):
        if other != final:
            shutil.rmtree(other, ignore_errors=True)


def read_best(run: RunDir) -> dict[str, Any] | None:
    """The step and the figures of the best model so far."""
    found = [read_json(file) for file in run.checkpoints_dir.glob("best-*[0-9]/best.json")]
    return max(found, key=lambda best: best["eval/scores"], default=None)


@torch.no_grad()
def put_best(run: RunDir, trainer: Trainer) -> dict[str, Any]:
    """Copies the best weights into the model; gives {best_step, score}."""
    best = read_best(run)
    assert best is not None  # the last step is always scored
    kept = load_file(run.checkpoints_dir / f"best-{best['step']}" / "policy.safetensors")
    for name, weight in learning_weights(trainer).items():
        weight.copy_(kept[name])
    return {"best_step": best["step"], "score": best["eval/scores"]}
