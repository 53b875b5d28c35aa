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
from trainer.trl_options import RolloutOptions


@dataclass(kw_only=True)
class GrpoConfig(RolloutOptions):
    """Improve a policy against a reward model without a value model (GRPO)."""

    kl_coef: float = option("Weight of the KL to the reference in a token's loss.", 0.04, at_least=0)
    loss_type: str = option(
        "Over tokens: grpo (mean of a completion, then of completions), dapo (mean of the step's tokens), dr_grpo "
        "(their sum by a constant) or bnpo (mean of a part's tokens).",
        "grpo",
        one_of=("grpo", "dapo", "dr_grpo", "bnpo"),
    )
    scale_rewards: str = option(
        "Advantages in deviations of a group, of the batch, or none.",
        "group",
        one_of=("group", "batch", "none"),
    )


def train(config: GrpoConfig, run: RunDir) -> Outcome:
    from trl import GRPOConfig as TrlGrpoConfig
    from trl import GRPOTrainer

    from trainer.trl_jobs import check_rollouts, train_on_scores

    check_rollouts(config)

    def arguments(shared: dict[str, Any]) -> TrlGrpoConfig:
        return TrlGrpoConfig(**shared, loss_type=config.loss_type, scale_rewards=config.scale_rewards)

    return train_on_scores(config, run, GRPOTrainer, arguments, num_readings=0, kl_estimator="k3")


def main() -> None:
    sys.exit(run_job("grpo", GrpoConfig, train))


if __name__ == "__main__":
    main()
