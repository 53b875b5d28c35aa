"""RLOO against a reward model: REINFORCE whose baseline is the mean score of the prompt's other completions.

    python -m trainer.rloo --snapshot DIR --init-model SFT_RUN --reward-model REWARD_RUN --run-dir DIR

Ahmadian et al. 2024 (2402.14740): no value model, no GAE; a whole completion is one action, whose reward is its
score minus kl_coef times its KL to the reference. TRL's RLOOTrainer computes advantages and loss. Prompts, sampling,
reward model, its normalisation and the missing-EOS rule are those of trainer.ppo, so that the two can be compared:
see trainer/trl_jobs.py. A batch of episodes makes one step, so no step learns from another policy's completions.

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
class RlooConfig:
    """Improve a policy against a reward model without a value model (RLOO)."""

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
    kl_coef: float = option("Weight of a completion's KL to the reference in its reward.", 0.05)
    normalize_advantages: bool = option("Bring a batch's advantages to mean 0 and variance 1.", False)
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


def train(config: RlooConfig, run: RunDir) -> Outcome:
    from trl import RLOOConfig as TrlRlooConfig
    from trl import RLOOTrainer

    from trainer.trl_jobs import check_rollouts, train_on_scores

    check_rollouts(config)

    def arguments(shared: dict[str, Any]) -> TrlRlooConfig:
        return TrlRlooConfig(**shared, normalize_advantages=config.normalize_advantages)

    return train_on_scores(config, run, RLOOTrainer, arguments, num_readings=1)


def main() -> None:
    sys.exit(run_job("rloo", RlooConfig, train))


if __name__ == "__main__":
    main()
