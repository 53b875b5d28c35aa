"""What PPO keeps on disk and in memory: checkpoints, the best and the last good weights, the result.

Only weights that learn are kept; with adapters those are a few per cent of the model.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.files import fsync_tree, write_json
from trainer.modeling import load_causal_lm, save_model
from trainer.ppo_models import ADAPTER, Models
from trainer.ppo_update import Progress, sum_over_processes
from trainer.rollouts import Prompt, Rollouts
from trainer.run_dir import RunDir, RunError, read_json
from trainer.sharding import cut_all, gather_all, gather_optimizer, load_optimizer, own_part

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig

log = logging.getLogger("trainer")
Weights = dict[str, Tensor]

# ---------------------------------------------------------------- weights


def learning_weights(module: torch.nn.Module) -> Weights:
    """The module's own tensors of what learns, by name; where weights are cut, the parts of this process."""
    return {name: own_part(p.detach()) for name, p in module.named_parameters() if p.requires_grad}


def copy_of(weights: Weights) -> Weights:
    """In memory, on the CPU."""
    return {name: weight.to("cpu", copy=True) for name, weight in weights.items()}


@torch.no_grad()
def put_weights(module: torch.nn.Module, weights: Weights) -> None:
    """Copies weights into what learns; both have to name the same."""
    own = learning_weights(module)
    differing = set(own.keys() ^ weights.keys())
    differing |= {name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape}
    if differing:
        raise RunError(
            f"The checkpoint belongs to another configuration ({min(differing)} differs); "
            "repeat the original command, or choose another --run-dir."
        )
    for name, weight in own.items():
        weight.copy_(weights[name])


@dataclasses.dataclass
class KeptWeights:
    """The policy's weights at moments worth returning to; None where nobody asked for them."""

    good: Weights | None = None  # of the last policy whose KL was within max_kl
    average: Weights | None = None  # exponential moving average over optimizer steps (InstructGPT, C.4)

    def follow(self, config: PPOConfig, policy: torch.nn.Module) -> None:
        """Moves the average after an optimizer step; it begins as a copy of the first weights."""
        if config.keep == "ema":
            weights = learning_weights(policy)
            self.average = self.average or {name: weight.clone() for name, weight in weights.items()}
            for name, weight in weights.items():
                self.average[name].lerp_(weight, 1 - config.ema_decay)


# ---------------------------------------------------------------- checkpoints


def save_checkpoint(
    run: RunDir, models: Models, accelerator: Accelerator, progress: Progress, kept: KeptWeights
) -> None:
    """All that the run is made of. Sampling and order need no random state: see rollouts.py.

    In the middle of a batch its rollouts are part of that, from all processes.
    """
    rows = rollouts_of_all(accelerator, progress.rollouts)
    learner = accelerator.unwrap_model(models.learner)
    weights = gather_all(learner, learning_weights(learner))
    optimizer = gather_optimizer(models.optimizer)
    whole_kept = {
        name: weights and gather_all(learner.policy, weights) for name, weights in vars(kept).items()
    }
    if accelerator.is_main_process:
        with run.checkpoint(progress.step) as folder:
            penalty = models.update_penalty
            state = {
                "progress": dataclasses.asdict(dataclasses.replace(progress, rollouts=None)),
                "rollouts": rows,
                "learner": weights,
                "optimizer": optimizer,
                "kl_coef": models.kl_controller.kl_coef,
                "penalty_coef": penalty.penalty_coef,
                "score_normalization": (models.score_mean, models.score_std),
                "kept": whole_kept,
            }
            torch.save(state, folder / "state.pt")
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()


def load_checkpoint(
    run: RunDir, models: Models, accelerator: Accelerator, prompts: list[Prompt]
) -> tuple[Progress, KeptWeights]:
    """Where the newest checkpoint stands, the models put there; a fresh start where there is none."""
    newest = run.newest_checkpoint()
    run.resume_from(newest[0] if newest else 0)
    if newest is None:
        if run.writes:
            shutil.rmtree(run.checkpoints_dir, ignore_errors=True)  # a best policy of nowhere
        return Progress(), KeptWeights()
    # mapped, for every process looks for its part of it
    state = torch.load(newest[1] / "state.pt", map_location="cpu", weights_only=True, mmap=True)
    learner = accelerator.unwrap_model(models.learner)
    put_weights(learner, cut_all(learner, state["learner"]))
    load_optimizer(models.optimizer, state["optimizer"])
    models.kl_controller.kl_coef = state["kl_coef"]
    models.update_penalty.penalty_coef = state["penalty_coef"]
    models.score_mean, models.score_std = state["score_normalization"]
    progress = Progress(**state["progress"])
    progress.rollouts = own_rollouts(accelerator, state["rollouts"], prompts)
    kept = KeptWeights(
        **{name: weights and cut_all(learner.policy, weights) for name, weights in state["kept"].items()}
    )
    if kept.average is not None:
        kept.average = {name: weight.to(accelerator.device) for name, weight in kept.average.items()}
    log.info("Continuing after batch %d (step %d)", progress.batch, progress.step)
    return progress, kept


def rollouts_of_all(accelerator: Accelerator, rollouts: Rollouts | None) -> list[dict[str, Any]]:
    """One entry an episode, in their order over all processes; the prompt by its id, tensors cut to length."""
    if rollouts is None:
        return []
    rows = []
    for i, completion in enumerate(rollouts.completions):
        row: dict[str, Any] = {"prompt": rollouts.prompts[i].id}
        row["completion"], row["text"] = completion, rollouts.texts[i]
        for name in Rollouts.PER_EPISODE:
            row[name] = getattr(rollouts, name)[i].cpu()
        for name in Rollouts.PER_TOKEN:
            row[name] = getattr(rollouts, name)[i, : len(completion)].cpu()
        rows.append(row)
    return gather_object(rows) if accelerator.num_processes > 1 else rows


def own_rollouts(
    accelerator: Accelerator, rows: list[dict[str, Any]], prompts: list[Prompt]
) -> Rollouts | None:
    """This process's share of `rollouts_of_all`, as it was; another number of processes shares it anew."""
    if not rows:
        return None
    share = len(rows) // accelerator.num_processes
    rows = rows[accelerator.process_index * share :][:share]
    by_id = {prompt.id: prompt for prompt in prompts}
    width = max(len(row["completion"]) for row in rows)

    def padded(name: str) -> Tensor:
        whole = torch.zeros(share, width, dtype=rows[0][name].dtype)
        for i, row in enumerate(rows):
            whole[i, : len(row[name])] = row[name]
        return whole.to(accelerator.device)

    return Rollouts(
        prompts=[by_id[row["prompt"]] for row in rows],
        completions=[row["completion"] for row in rows],
        texts=[row["text"] for row in rows],
        **{
            name: torch.stack([row[name] for row in rows]).to(accelerator.device)
            for name in Rollouts.PER_EPISODE
        },
        **{name: padded(name) for name in Rollouts.PER_TOKEN},
    )


# ---------------------------------------------------------------- the best policy so far


def keep_if_best(
    run: RunDir,
    models: Models,
    accelerator: Accelerator,
    progress: Progress,
    evaluated: dict[str, float],
) -> None:
    """Writes the policy beside the checkpoints if its held-out score is above that of the best so far.

    Weights and score lie in one folder that appears in one step, so that they always belong together.
    """
    best = read_best(run)
    is_best = best is None or evaluated["eval/scores"] > best["eval/scores"]
    # the first process decides: the others may look at the disk when it has written already
    told = torch.tensor(float(is_best and accelerator.is_main_process), device=accelerator.device)
    if not sum_over_processes(accelerator, told):
        return
    policy = accelerator.unwrap_model(models.learner).policy
    weights = gather_all(policy, learning_weights(policy))
    if accelerator.is_main_process:
        final = run.checkpoints_dir / f"best-{progress.step}"
        temporary = final.with_suffix(".tmp")
        for folder in (temporary, final):  # of a process that died after a look at this very step
            shutil.rmtree(folder, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file(copy_of(weights), temporary / "policy.safetensors")
        write_json(temporary / "best.json", {"step": progress.step, **evaluated})
        fsync_tree(temporary)
        temporary.rename(final)
        for other in run.checkpoints_dir.glob("best-*"):
            if other != final:
                shutil.rmtree(other, ignore_errors=True)
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()


def read_best(run: RunDir) -> dict[str, float] | None:
    """The step and the held-out figures of the best policy so far."""
    found = [read_json(file) for file in run.checkpoints_dir.glob("best-*[0-9]/best.json")]
    return max(found, key=lambda best: best["eval/scores"], default=None)


def choose_weights(
    config: PPOConfig, run: RunDir, models: Models, accelerator: Accelerator, kept: KeptWeights, strayed: bool
) -> tuple[str, int | None]:
    """Puts into the policy what is to be saved; gives its name and, of a best one, its step."""
    policy = accelerator.unwrap_model(models.learner).policy
    best = read_best(run)
    if config.keep == "best" and best is not None:
        step = int(best["step"])
        weights = load_file(run.checkpoints_dir / f"best-{step}" / "policy.safetensors")
        put_weights(policy, cut_all(policy, weights))
        return "best", step
    if strayed and kept.good is not None:
        put_weights(policy, kept.good)
        return "last_good", None
    if config.keep == "ema" and kept.average is not None:
        put_weights(policy, kept.average)
        return "ema", None
    return "last", None


# ---------------------------------------------------------------- the result


def save_policy(config: PPOConfig, run: RunDir, models: Models, accelerator: Accelerator) -> None:
    """The policy into model/, as every other job reads it.

    An adapter is saved by itself too (model/adapter), and the model is the base as it lies on disk with
    the adapter added to its weights: what was rounded for training is whole again.
    """
    policy = accelerator.unwrap_model(models.learner).policy
    weights = gather_all(policy, learning_weights(policy))
    if accelerator.is_main_process:
        with run.writing_model() as folder:
            if models.adapter is not None:
                from peft import PeftModel

                models.adapter.save_pretrained(folder / ADAPTER)
                base = load_causal_lm(config.init_model, models.tokenizer)
                policy = PeftModel.from_pretrained(base, str(folder / ADAPTER)).merge_and_unload()
            elif config.shard_weights:
                policy = load_causal_lm(config.init_model, models.tokenizer)
                put_weights(policy, weights)
            save_model(folder, policy, models.tokenizer)
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()
