"""GRPO against a reward model: a completion's advantage is its score against the others of its prompt, in deviations.

    python -m trainer.grpo --snapshot DIR --init-model SFT_RUN --reward-model REWARD_RUN --run-dir DIR

Shao et al. 2024 (2402.03300, section 4.1): no value model; every token of a completion gets the same advantage, and
the KL to the reference is a term of the loss (estimate k3), not of the reward. TRL's GRPOTrainer computes advantages
and loss. Prompts, sampling, reward model, its normalisation and the missing-EOS rule are those of trainer.ppo, so
that the two can be compared: see trainer/trl_jobs.py. A batch of episodes makes one step, so no step learns
from another policy's completions.

Refused: fewer than two completions of a prompt, a snapshot without train prompts. Without a validation split
the run goes on, says so, and has no eval_score.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from trainer.jobs import Outcome, option, run_job
from trainer.run_dir import RunDir


@dataclass(kw_only=True)
class GrpoConfig:
    """Improve a policy against a reward model without a value model (GRPO)."""

    snapshot: str = option("Snapshot directory; completions are sampled for its train prompts.")
    init_model: str = option("Policy to start from: an sft run, a model directory or a hub id.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    reward_model: str = option("Finished reward run (or its model directory).")
    ref_model: str = option("Reference policy of the KL; empty: the policy as it starts.", "")
    num_episodes: int = option("Completions to sample and learn from, all together.", 10_000)
    batch_size: int = option("Completions in a step, all processes together.", 64)
    num_completions: int = option("Completions of a prompt, each held against the others; 2 or more.", 4)
    max_new_tokens: int = option("Longest completion, in tokens.", 256)
    temperature: float = option("Sampling temperature; it enters every log-probability too.", 1.0)
    missing_eos_penalty: float = option("Subtracted from the score of a completion that never ended.", 1.0)
    missing_eos_score: float | None = option("Instead, the score such a completion gets.", None)
    kl_coef: float = option("Weight of the KL to the reference in a token's loss.", 0.04)
    loss_type: str = option(
        "Over tokens: grpo (mean of a completion, then of completions), dapo (mean of the step's tokens), dr_grpo "
        "(their sum by a constant) or bnpo (mean of a part's tokens).",
        "grpo",
    )
    scale_rewards: str = option("Advantages in deviations of a group, of the batch, or none.", "group")
    gradient_accumulation_steps: int = option("Parts in which a step goes forward and backward.", 1)
    micro_batch_tokens: int = option("Most tokens in one forward of the reward model.", 8192)
    learning_rate: float = option("Peak learning rate.", 1e-6)
    lr_scheduler: str = option("linear, cosine, constant or constant_with_warmup.", "linear")
    warmup_steps: int = option("Steps of linear warm-up.", 0)
    weight_decay: float = option("AdamW's weight decay.", 0.0)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0)
    lora_rank: int = option("Learn an adapter of this rank; 0: all weights.", 0)
    lora_alpha: int = option("Scale of the adapter, divided by its rank.", 32)
    lora_dropout: float = option("Dropout before the adapter.", 0.0)
    lora_target: str = option("Layers that get one, by the ends of their names, with commas.", "all-linear")
    precision: str = option("bf16, no (float32), or auto: bf16 on a GPU that has it.", "auto")
    gradient_checkpointing: bool = option("Less memory for a slower step.", False)
    eval_steps: int = option("Steps between two looks at validation prompts; 0: only at the end.", 0)
    num_eval_prompts: int = option("Validation prompts in such a look.", 64)
    logging_steps: int = option("Steps between two rows of metrics.", 1)
    save_steps: int = option("Steps between two checkpoints; 0: by save_minutes alone.", 0)
    save_minutes: float = option("Minutes between two checkpoints; 0: by save_steps alone.", 10.0)
    sample_every: int = option("Steps between two looks at completions in samples.jsonl.", 5)
    num_samples: int = option("Completions in such a look.", 4)
    seed: int = option("Seed of the sampling and of the order of the prompts.", 0)


def train(config: GrpoConfig, run: RunDir) -> Outcome:
    from trl import GRPOConfig as TrlGrpoConfig
    from trl import GRPOTrainer

    from trainer.trl_jobs import check_rollouts, refuse, train_on_scores

    check_rollouts(config)
    refuse(
        {
            "loss_type must be grpo, dapo, dr_grpo or bnpo": config.loss_type
            in ("grpo", "dapo", "dr_grpo", "bnpo"),
            "scale_rewards must be group, batch or none": config.scale_rewards in ("group", "batch", "none"),
        }
    )

    def arguments(shared: dict[str, Any]) -> TrlGrpoConfig:
        return TrlGrpoConfig(**shared, loss_type=config.loss_type, scale_rewards=config.scale_rewards)

    return train_on_scores(config, run, GRPOTrainer, arguments, num_readings=0)


def main() -> None:
    sys.exit(run_job("grpo", GrpoConfig, train))


if __name__ == "__main__":
    main()
