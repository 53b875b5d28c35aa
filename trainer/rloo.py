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
from trainer.trl_options import RolloutOptions


@dataclass(kw_only=True)
class RlooConfig(RolloutOptions):
    """Improve a policy against a reward model without a value model (RLOO)."""

    kl_coef: float = option("Weight of a completion's KL to the reference in its reward.", 0.05, at_least=0)
    normalize_advantages: bool = option("Bring a batch's advantages to mean 0 and variance 1.", False)


def train(config: RlooConfig, run: RunDir) -> Outcome:
    from trl import RLOOConfig as TrlRlooConfig
    from trl import RLOOTrainer

    from trainer.trl_jobs import check_rollouts, train_on_scores

    check_rollouts(config)

    def arguments(shared: dict[str, Any]) -> TrlRlooConfig:
        return TrlRlooConfig(**shared, normalize_advantages=config.normalize_advantages)

    return train_on_scores(config, run, RLOOTrainer, arguments, num_readings=1, kl_estimator="k1")


def main() -> None:
    sys.exit(run_job("rloo", RlooConfig, train))


if __name__ == "__main__":
    main()
