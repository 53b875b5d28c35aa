"""PPO against a reward model: the policy writes completions, the reward model scores them, the policy learns.

    python -m trainer.ppo --snapshot DIR --init-model SFT_RUN --reward-model REWARD_RUN --run-dir DIR

Read from top to bottom: configuration, the job (`train`). Beside it: ppo_models.py (the networks, adapters),
rollouts.py (completions, scores, what the networks say of them), ppo_update.py (what is learned from them),
ppo_ptx.py (the mix of texts), ppo_saving.py (checkpoints, which policy is kept), rl_math.py (the formulas).
The algorithm is that of InstructGPT (Ouyang et al. 2022) with the details that reproductions found to matter
(Huang et al. 2024, "The N+ Implementation Details of RLHF with PPO"); docs/trainer.md names each.

One batch of episodes = sample a completion for each prompt, score it, then several epochs of minibatch steps
on it. Several processes (torchrun) share each batch; each holds all models, or a part of every weight
(sharding.py); statistics are global.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from trainer.flops import Meter, forward_flops
from trainer.generation import seed_of
from trainer.jobs import PRECISIONS, Outcome, input_entry, is_out_of_memory, option, run_job
from trainer.modeling import context_length
from trainer.ppo_models import Models, ScoreFunction, load_models, read_mlp
from trainer.ppo_ptx import PtxText, load_ptx_texts
from trainer.ppo_saving import (
    KeptWeights,
    choose_weights,
    copy_of,
    keep_if_best,
    learning_weights,
    load_checkpoint,
    put_weights,
    read_best,
    save_checkpoint,
    save_policy,
)
from trainer.ppo_update import Progress, measure, sum_over_processes, update
from trainer.rl_math import KL_ESTIMATORS
from trainer.rollouts import (
    Prompt,
    Rollouts,
    episodes_of_batch,
    in_shuffled_passes,
    load_prompts,
    normalize_scores,
    roll_out,
)
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.vllm_generation import VllmWriter, check_vllm

log = logging.getLogger("trainer")
SHARDERS = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")  # what accelerate launch sets

# ---------------------------------------------------------------- configuration


@dataclass
class PPOConfig:
    """Flat; defaults are for a model of a billion parameters or so, and were not tuned for yours."""

    snapshot: str = option("Snapshot directory; its train prompts are rolled out.")
    init_model: str = option("Policy to start from: an sft run, a model directory or a hub id.")
    run_dir: str = option("Run directory to write; the same command on it continues.")
    reward_model: str = option("Finished reward run (or its model directory).", "")
    ref_model: str = option("Reference policy of the KL term; empty: the policy as it starts.", "")
    num_episodes: int = option("Completions to sample and learn from, all together.", 10_000, at_least=1)
    batch_size: int = option("Episodes between two rounds of updates, over all processes.", 64, at_least=1)
    max_new_tokens: int = option("Longest completion, in tokens.", 256, at_least=1)
    temperature: float = option("Sampling temperature; it enters every log-probability too.", 1.0)
    missing_eos_penalty: float = option("Subtracted from the score of a completion that never ended.", 1.0)
    missing_eos_score: float | None = option(
        "Instead, the score such a completion gets, whatever it says.", None
    )
    normalize_scores: int = option(
        "Completions of the reference policy on which scores are brought to mean 0 and variance 1 before the "
        "run; 0: as the reward model normalises them.",
        0,
        at_least=0,
    )
    score_clip: float = option("Scores are kept within plus and minus this; 0: as they are.", 0.0, at_least=0)
    whiten_rewards: bool = option("Scale each batch's rewards to variance 1, keeping their mean.", False)
    kl_estimator: str = option("Estimate of the KL in the reward: k1, k2 or k3.", "k1", one_of=KL_ESTIMATORS)
    kl_coef: float = option(
        "Weight of the KL in the reward (the first one, where it adapts).", 0.05, at_least=0
    )
    kl_target: float = option(
        "Adapt the weight so that a completion's KL nears this; 0: fixed weight.", 0.0, at_least=0
    )
    kl_horizon: int = option("Episodes over which the weight adapts.", 10_000, at_least=1)
    max_kl: float = option(
        "End the run when a batch's KL to the reference exceeds this, with the policy before that; 0: never.",
        0.0,
        at_least=0,
    )
    max_update_kl: float = option(
        "Leave a batch when the policy moved this far (KL per token); 0: never.", 0.0, at_least=0
    )
    gamma: float = option("Discount of later rewards.", 1.0, at_least=0, at_most=1)
    lam: float = option("Lambda of generalized advantage estimation.", 0.95, at_least=0, at_most=1)
    num_ppo_epochs: int = option("Passes over each batch.", 4, at_least=1)
    num_mini_batches: int = option(
        "Optimizer steps in a pass, each on its own share of the batch.", 1, at_least=1
    )
    micro_batch_tokens: int = option(
        "Most tokens in one forward and backward, padding included.", 8192, at_least=0
    )
    rollout_batch_size: int = option(
        "Completions written at once in a process; 0: all of a batch.", 0, at_least=0
    )
    vllm: bool = option("vLLM, in this process, writes the completions; it needs a GPU.", False)
    vllm_memory: float = option("Share of the GPU's memory that vLLM takes while it writes.", 0.3)
    importance_cap: float = option(
        "Most that a token counts for being likelier here than where vLLM wrote it; 0: all count the same.",
        2.0,
        at_least=0,
    )
    learning_rate: float = option("Of the policy; Adam with epsilon 1e-5.", 3e-6, at_least=0)
    value_learning_rate: float = option("Of a separate value model; 0: that of the policy.", 0.0, at_least=0)
    lr_end_share: float = option(
        "Share of the learning rate left at the end of the linear decay.", 0.0, at_least=0, at_most=1
    )
    num_warmup_steps: int = option("Optimizer steps of linear warm-up.", 0, at_least=0)
    policy_loss: str = option(
        "clip, or kl_penalty: the other form of the PPO paper.", "clip", one_of=("clip", "kl_penalty")
    )
    penalty_coef: float = option("First weight of that penalty; it doubles and halves.", 1.0, at_least=0)
    penalty_target: float = option("KL per token that an update should move the policy by.", 0.01, above=0)
    clip_range: float = option("How far the probability ratio may pay off, from 1.", 0.2, at_least=0)
    value_clip_range: float = option("How far a value may move from its rollout value.", 0.2, at_least=0)
    value_coef: float = option("Weight of the value loss beside the policy loss.", 0.1, at_least=0)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0, above=0)
    shared_trunk: bool = option(
        "Value head on the policy's own trunk: faster, half the memory; the values no longer start from the "
        "reward model and their gradients reach the policy.",
        False,
    )
    ptx_coef: float = option(
        "PPO-ptx: weight of the loss on texts, mixed into every step; 0: none.", 0.0, at_least=0
    )
    ptx_data: str = option("Its texts, JSON lines with text or messages; empty: the demonstrations.", "")
    ptx_batch_size: int = option(
        "Texts in a step, all processes together; 0: as many as episodes.", 0, at_least=0
    )
    lora_rank: int = option("Learn adapters of this rank on one frozen base; 0: all weights.", 0, at_least=0)
    lora_alpha: int = option("Scale of the adapters, divided by their rank.", 32, above=0)
    lora_target: str = option("Layers that get one, by the ends of their names, with commas.", "all-linear")
    gradient_checkpointing: bool = option("Recompute activations in the backward pass to save memory.", False)
    shard_weights: bool = option(
        "Cut all weights, their gradients and optimizer states over the processes (FSDP2).", False
    )
    precision: str = option(
        "bf16, no (float32), or auto: bf16 on a GPU that has it.", "auto", one_of=PRECISIONS
    )
    eval_every: int = option("Batches between two looks at validation prompts; 0: none.", 10, at_least=0)
    num_eval_prompts: int = option("Validation prompts in such a look.", 64, at_least=0)
    eval_temperature: float = option(
        "Of the completions written then, always of one seed; 0: greedy.", 0.0, at_least=0
    )
    keep: str = option(
        "Which policy the run ends with: best (by score on validation prompts), last, or ema: the moving "
        "average of its weights.",
        "best",
        one_of=("best", "last", "ema"),
    )
    ema_decay: float = option("Share of that average which stays at a step.", 0.992, at_least=0, at_most=1)
    checkpoint_every: int = option("Batches between two checkpoints.", 10, at_least=1)
    sample_every: int = option("Batches between two looks at completions in samples.jsonl.", 5, at_least=1)
    num_samples: int = option("Completions in such a look.", 4, at_least=0)
    seed: int = option(
        "Seed of the sampling and of the order of the prompts.", 0, at_least=0, at_most=0xFFFF_FFFF
    )

    @property
    def num_batches(self) -> int:
        """Batches of episodes in the whole run; the last one is full too."""
        return math.ceil(self.num_episodes / self.batch_size)

    @property
    def steps_per_batch(self) -> int:
        """Optimizer steps that each batch is allowed."""
        return self.num_ppo_epochs * self.num_mini_batches

    @property
    def num_steps(self) -> int:
        """Optimizer steps in the whole run."""
        return self.num_batches * self.steps_per_batch


def check_config(config: PPOConfig, num_processes: int, score_function: ScoreFunction | None) -> None:
    """Refuse what cannot work before anything is loaded."""
    if config.temperature <= 0:
        raise RunError("--temperature must be above 0: PPO learns from sampled completions.")
    if config.batch_size % (num_processes * config.num_mini_batches):
        raise RunError(
            f"--batch-size {config.batch_size} cannot be divided over {num_processes} processes and "
            f"{config.num_mini_batches} minibatches; choose a multiple of their product."
        )
    if config.vllm:
        check_vllm([config.temperature, config.eval_temperature], config.vllm_memory)
    if config.shard_weights and config.lora_rank:
        raise RunError(
            "--shard-weights cuts models apart that --lora-rank lets share one base; leave one of the two out."
        )
    if config.shard_weights and config.ptx_batch_size % num_processes:
        raise RunError(
            f"With --shard-weights every process learns from as many texts: --ptx-batch-size "
            f"{config.ptx_batch_size} cannot be divided over {num_processes} processes."
        )
    if not config.reward_model and score_function is None:
        raise RunError("PPO needs a score: name a finished reward run as --reward-model.")


# ---------------------------------------------------------------- the job


@dataclass
class Training:
    """What the steps of a run work with."""

    config: PPOConfig
    run: RunDir
    accelerator: Accelerator
    models: Models
    prompts: list[Prompt]
    eval_prompts: list[Prompt]  # of the validation split; none where nothing is evaluated
    ptx_texts: list[PtxText]
    progress: Progress
    kept: KeptWeights
    meters: dict[str, Meter] = field(default_factory=dict)  # of the whole, /rollout and /update

    def __post_init__(self) -> None:
        dtype = torch.bfloat16 if self.accelerator.mixed_precision == "bf16" else torch.float32
        parts = ("", "/rollout", "/update")
        self.meters = {part: Meter(self.accelerator.device, dtype) for part in parts}

    @property
    def policy(self) -> Any:
        """The network that is being trained."""
        return self.accelerator.unwrap_model(self.models.learner).policy


def train(config: PPOConfig, run: RunDir, score: ScoreFunction | None = None) -> Outcome:
    """Rollouts and updates until the episodes are used up, the KL is too large, or somebody says stop.

    From Python, `score` may stand in for the reward model: called with the prompts (messages), completions
    (texts) and the completions' tokens of a batch, it gives a number for each. See docs/trainers/ppo.md.
    """
    accelerator = new_accelerator(config)
    check_config(config, accelerator.num_processes, score)
    models = load_models(config, accelerator, score)
    context = context_length(accelerator.unwrap_model(models.learner).policy)
    reader = models.reward_model if models.same_tokens else None
    longest = min(context, context_length(reader) if reader else context) - config.max_new_tokens
    prompts = load_prompts(config, models.tokenizer, longest)
    progress, kept = load_checkpoint(run, models, accelerator, prompts)
    training = Training(
        config=config,
        run=run,
        accelerator=accelerator,
        models=models,
        prompts=prompts,
        eval_prompts=choose_eval_prompts(config, models.tokenizer, longest),
        ptx_texts=load_ptx_texts(config, models.tokenizer, context),
        progress=progress,
        kept=kept,
    )
    if config.vllm:
        models.vllm = new_vllm(training)
    log.info("%d prompts, %d batches of %d episodes", len(prompts), config.num_batches, config.batch_size)
    if config.normalize_scores and progress.step == 0:
        normalize_scores(config, models, accelerator, prompts)
    run.progress(progress.step, config.num_steps)
    try:
        strayed = learn(training)
        return end(training, strayed)
    except Exception as error:
        save_what_was_learned(training, error)
        if is_out_of_memory(error):
            raise RunError(
                f"The memory was full at step {progress.step}; repeat the command with a smaller "
                "--micro-batch-tokens or --rollout-batch-size: it continues from its last checkpoint."
            ) from error
        raise


def new_vllm(training: Training) -> VllmWriter:
    """vLLM with room for this run's prompts and completions."""
    config, models, accelerator = training.config, training.models, training.accelerator
    longest = max(len(prompt.ids) for prompt in training.prompts + training.eval_prompts)
    return VllmWriter(
        training.policy,
        models.tokenizer,
        models.stop_ids,
        longest + config.max_new_tokens,
        config.vllm_memory,
        torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32,
        accelerator.num_processes,
    )


def learn(training: Training) -> bool:
    """Batch after batch; True where the policy strayed too far from its reference."""
    config, models, accelerator = training.config, training.models, training.accelerator
    progress, run, meters = training.progress, training.run, training.meters
    while progress.batch < config.num_batches:
        began, flops = time.monotonic(), 0.0
        if progress.rollouts is None:
            # 1. completions of this batch of prompts, and what they say of the policy that wrote them
            rollouts = roll_out_batch(training, progress.batch)
            flops = rollout_flops(training, rollouts)
            meters["/rollout"].add(flops, time.monotonic() - began)
            measured = measure(config, models, accelerator, rollouts)
            if is_too_far(config, measured):
                return True
            if config.max_kl:
                training.kept.good = copy_of(learning_weights(training.policy))
            if progress.batch % max(1, config.eval_every) == 0:
                measured |= evaluate(training)
            progress.rollouts, progress.last = rollouts, measured
            progress.first = progress.first or measured

        # 2. learn from them
        rolled_out, num_taken = time.monotonic(), len(progress.statistics)
        learned = update(
            config, models, accelerator, progress, training.ptx_texts, lambda: after_step(training)
        )
        # steps that a process before this one took do not count
        of_update = (len(progress.statistics) - num_taken) * step_flops(training, progress.rollouts)
        meters["/update"].add(of_update, time.monotonic() - rolled_out)
        meters[""].add(flops + of_update, time.monotonic() - began)
        models.kl_controller.update(progress.last["objective/kl"], config.batch_size)
        rollouts, progress.rollouts, progress.statistics = progress.rollouts, None, []
        progress.batch += 1
        progress.step = progress.batch * config.steps_per_batch

        # 3. say so, save so
        run.progress(
            progress.step,
            config.num_steps,
            **progress.last,
            **learned,
            episode=progress.batch * config.batch_size,
            lr=models.optimizer.param_groups[0]["lr"],
            **speed(training, began, rolled_out),
        )
        if progress.batch % config.sample_every == 0 or progress.batch == 1:
            write_samples(config, run, rollouts, progress.step)
        should_stop = stop_requested(run, accelerator)
        if should_stop or progress.batch % config.checkpoint_every == 0:
            save_checkpoint(run, models, accelerator, progress, training.kept)
        if should_stop and progress.batch < config.num_batches:
            raise RunStopped
    return False


def roll_out_batch(training: Training, batch: int) -> Rollouts:
    """The rollouts of this process's episodes in a batch."""
    config, accelerator = training.config, training.accelerator
    episodes = episodes_of_batch(config, batch, accelerator.process_index, accelerator.num_processes)
    chosen = in_shuffled_passes(training.prompts, episodes, config.seed, "prompts")
    seeds = [seed_of(config.seed, "completion", episode) for episode in episodes]
    return roll_out(config, training.models, accelerator, chosen, seeds)


def is_too_far(config: PPOConfig, measured: dict[str, float]) -> bool:
    """Whether the KL to the reference is above the limit; says so."""
    if not 0 < config.max_kl < measured["objective/kl"]:
        return False
    log.info("The KL to the reference is %.1f, above %.1f: stop", measured["objective/kl"], config.max_kl)
    return True


def choose_eval_prompts(config: PPOConfig, tokenizer: Any, longest: int) -> list[Prompt]:
    """`num_eval_prompts` validation prompts, the same in the whole run; none where nothing is evaluated."""
    if not config.eval_every:
        return []
    prompts = load_prompts(config, tokenizer, longest, "validation")
    if not prompts:
        log.info("The snapshot has no validation prompts: nothing is evaluated, the last policy is kept")
    numbers = range(min(config.num_eval_prompts, len(prompts)))
    return in_shuffled_passes(prompts, list(numbers), config.seed, "eval")


def evaluate(training: Training) -> dict[str, float]:
    """The present policy on the validation prompts; remembered if it is the best so far."""
    if not training.eval_prompts:
        return {}
    evaluated = evaluate_policy(training.config, training.models, training.accelerator, training.eval_prompts)
    keep_if_best(training.run, training.models, training.accelerator, training.progress, evaluated)
    return evaluated


def evaluate_policy(
    config: PPOConfig, models: Models, accelerator: Accelerator, prompts: list[Prompt]
) -> dict[str, float]:
    """Means over one completion for each prompt, under names eval/*.

    Seeds are the same every time, so two looks differ by the policy alone. At another temperature than the policy's
    own, as greedily, k1 is no estimate of the KL and may fall below 0: eval/kl is then k3, which never does.
    """
    # fewer prompts than processes: all do the same, and the mean is that of one
    own = prompts
    if len(prompts) >= accelerator.num_processes:
        own = prompts[accelerator.process_index :: accelerator.num_processes]
    seeds = [seed_of(config.seed, "eval", prompt.id) for prompt in own]
    rollouts = roll_out(config, models, accelerator, own, seeds, config.eval_temperature)
    measured = measure(config, models, accelerator, rollouts)
    if config.eval_temperature != config.temperature:
        measured["objective/kl"] = measured["objective/kl_k3"]
    names = ("objective/scores", "objective/raw_scores", "objective/kl", "eos_share", "length")
    return {f"eval/{name.removeprefix('objective/')}": measured[name] for name in names}


def after_step(training: Training) -> None:
    """After every optimizer step: the moving average, and whether somebody asked to stop here."""
    config, progress = training.config, training.progress
    training.kept.follow(config, training.policy)
    progress.is_whole = True
    if len(progress.statistics) < config.steps_per_batch and stop_requested(
        training.run, training.accelerator
    ):
        save_checkpoint(training.run, training.models, training.accelerator, progress, training.kept)
        raise RunStopped


def save_what_was_learned(training: Training, error: Exception) -> None:
    """A checkpoint of the last whole optimizer step, before an error ends the run.

    With several processes only where all of them met the error, as they do a loss that is no number.
    """
    newest = training.run.newest_checkpoint()
    is_news = training.progress.step > (newest[0] if newest else 0)
    is_shared = training.accelerator.num_processes == 1 or isinstance(error, RunError)
    if isinstance(error, RunStopped) or not (training.progress.is_whole and is_news and is_shared):
        return
    try:
        save_checkpoint(training.run, training.models, training.accelerator, training.progress, training.kept)
    except (OSError, RuntimeError) as failure:  # the first error is the one to tell
        log.error("No checkpoint could be written: %s", failure)


def new_accelerator(config: PPOConfig) -> Accelerator:
    """Devices and precision; what is not there or cannot work is refused in a sentence."""
    has_gpu = torch.cuda.is_available()
    is_bf16 = config.precision == "bf16" or (
        config.precision == "auto" and has_gpu and torch.cuda.is_bf16_supported()
    )
    if not has_gpu:
        log.info("No GPU was found: the CPU is used, with %d threads", torch.get_num_threads())
    if any(os.environ.get(name, "").lower() == "true" for name in SHARDERS):
        raise RunError(
            "PPO cuts weights over processes by itself, not by accelerate's FSDP or by DeepSpeed: launch it by "
            "torchrun or with deploy/accelerate/bf16.yaml, and add --shard-weights True."
        )
    AcceleratorState._reset_state()  # an earlier run in this process may have had another precision
    return Accelerator(mixed_precision="bf16" if is_bf16 else "no", cpu=not has_gpu)


def speed(training: Training, began: float, rolled_out: float) -> dict[str, float]:
    """Episodes per second of the batch that just ended, where its seconds went, model FLOPs utilisation."""
    now = time.monotonic()
    found = {
        "eps": round(training.config.batch_size / (now - began), 2),
        "seconds/rollout": round(rolled_out - began, 3),
        "seconds/update": round(now - rolled_out, 3),
    }
    for part, meter in training.meters.items():
        found |= meter.row(part)
    return found


def rollout_flops(training: Training, rollouts: Rollouts) -> float:
    """Model FLOPs of writing this process's completions and of what all networks then say of them."""
    models = training.models
    learner = training.accelerator.unwrap_model(models.learner)
    written = forward_flops(learner.policy, *tokens_of(rollouts))
    readers = [learner.policy, learner.value_trunk, models.ref_policy, models.reward_model]
    return written + sum(reading_flops(model, rollouts) for model in readers if model is not None)


def step_flops(training: Training, rollouts: Rollouts) -> float:
    """Model FLOPs of an optimizer step on this process's share of a minibatch, forward and backward."""
    config = training.config
    learner = training.accelerator.unwrap_model(training.models.learner)
    learning = [model for model in (learner.policy, learner.value_trunk) if model is not None]
    flops = sum(reading_flops(model, rollouts) for model in learning)
    # forward, gradients of activations, and of weights, which adapters have next to none of
    return (2 if config.lora_rank else 3) * flops / config.num_mini_batches


def reading_flops(model: Any, rollouts: Rollouts) -> float:
    """Of a forward pass for the completions' tokens; where the last MLP leaves out the prompts, that is no work."""
    flops, mlp = forward_flops(model, *tokens_of(rollouts)), read_mlp(model)
    if mlp is not None:
        num_weights = sum(weight.numel() for weight in mlp.parameters())
        flops -= 2.0 * num_weights * sum(map(len, rollouts.prompt_ids))
    return flops


def tokens_of(rollouts: Rollouts) -> tuple[int, float]:
    """Tokens of prompts and completions, and how many a row has."""
    num_tokens = sum(map(len, rollouts.prompt_ids)) + sum(map(len, rollouts.completions))
    return num_tokens, num_tokens / len(rollouts.completions)


def write_samples(config: PPOConfig, run: RunDir, rollouts: Rollouts, step: int) -> None:
    """A few rollouts to look at: a rising score says little, the texts say what it was paid for."""
    kl = ((rollouts.logprobs - rollouts.ref_logprobs) * rollouts.mask).sum(1).tolist()
    for i in range(min(config.num_samples, len(rollouts.texts))):
        run.sample(
            {
                "step": step,
                "prompt": rollouts.prompts[i].messages,
                "completion": rollouts.texts[i],
                "score": float(rollouts.raw_scores[i]),
                "kl": kl[i],
                "finish_reason": "stop" if bool(rollouts.has_eos[i]) else "length",
            }
        )


def stop_requested(run: RunDir, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop; all get the same answer."""
    asked = torch.tensor(float(run.stop_requested()), device=accelerator.device)
    return bool(sum_over_processes(accelerator, asked) > 0)


def end(training: Training, strayed: bool) -> Outcome:
    """The policy to keep into model/; for the manifest, what the run began with and what that policy is like.

    `score`, `kl` and the like are measured on one more batch of episodes by the very policy that is saved.
    """
    config, models, accelerator = training.config, training.models, training.accelerator
    progress, run = training.progress, training.run
    if training.eval_prompts and not strayed:
        evaluated = evaluate(training)
        progress.last |= evaluated
        run.progress(progress.step, config.num_steps, **evaluated)
    name, best_step = choose_weights(config, run, models, accelerator, training.kept, strayed)
    final = measure(config, models, accelerator, roll_out_batch(training, progress.batch))
    if name in ("last", "ema") and training.kept.good is not None and is_too_far(config, final):
        put_weights(training.policy, training.kept.good)
        final, name, strayed = progress.last, "last_good", True
    save_policy(config, run, models, accelerator)
    first = progress.first or final
    metrics = {
        "score": final["objective/raw_scores"],
        "first_score": first["objective/raw_scores"],
        "kl": final["objective/kl"],
        "eos_share": final["eos_share"],
        "length": final["length"],
        "first_length": first["length"],
        "kl_coef": models.kl_controller.kl_coef,
        "num_episodes": progress.batch * config.batch_size,
        "num_steps": progress.step,
        "stopped_early": strayed,
        "kept": name,
        "num_processes": accelerator.num_processes,
    }
    for part, meter in training.meters.items():
        metrics |= meter.total(part)
    evaluated = (read_best(run) if best_step is not None else progress.last) or {}
    if "eval/scores" in evaluated and name in ("best", "last"):
        metrics |= {"eval_score": evaluated["eval/raw_scores"], "eval_kl": evaluated["eval/kl"]}
    if best_step is not None:
        metrics["best_step"] = best_step
    names = [
        name for name in ("snapshot", "init_model", "reward_model", "ref_model") if getattr(config, name)
    ]
    return metrics, {name: input_entry(getattr(config, name)) for name in names}


def main() -> None:
    sys.exit(run_job("ppo", PPOConfig, train))


if __name__ == "__main__":
    main()
