"""DPO on the rankings of a snapshot: a policy from pairs of completions, without a reward model.

    python -m trainer.dpo --snapshot DIR --init-model SFT_RUN --run-dir DIR

Rafailov et al. 2023 (2305.18290, equation 7): -log sigmoid(beta times (the log-ratio of the chosen completion to the
reference minus that of the rejected one)). TRL's DPOTrainer computes it; rows, tokens, reference and run
directory are ours (trainer/preferences.py, trainer/trl_jobs.py).

Pairs: each completion of a tier against each of the tiers below; ties make none, unranked completions take no part,
rankings marked all bad are left out, and so are completions that are empty or too long (nothing is cut). All is
counted in the metrics.

Refused: a snapshot whose train rankings make no pair (a single completion each, or ties alone). Without a
validation split the run goes on, says so, and has no eval figures.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.jobs import Outcome, option, run_job
from trainer.run_dir import RunDir
from trainer.snapshot import open_snapshot
from trainer.trl_options import FeedbackOptions

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@dataclass(kw_only=True)
class DpoConfig(FeedbackOptions):
    """Learn a policy from the pairs of rankings (DPO)."""

    loss_type: str = option(
        "sigmoid (DPO), ipo (a squared distance to 1 / 2 beta, for pairs that everybody agrees on), hinge, or robust "
        "(with label_smoothing).",
        "sigmoid",
        one_of=("sigmoid", "ipo", "hinge", "robust"),
    )
    label_smoothing: float = option("Share of pairs taken to be the wrong way round, for robust.", 0.0)
    pairs_per_ranking: int = option("Most pairs of one ranking, drawn by the seed; 0: all.", 0, at_least=0)
    num_epochs: float = option("Passes over the pairs, unless max_steps is given.", 1.0, above=0)
    per_device_batch_size: int = option("Pairs in one forward and backward on one device.", 8, at_least=1)
    seed: int = option("Seed of the order of the pairs.", 0, at_least=0, at_most=0xFFFF_FFFF)


def check_config(config: DpoConfig) -> None:
    from trainer.trl_jobs import refuse

    refuse(
        {
            "beta must be above 0": config.beta > 0,
            "label_smoothing is for --loss-type robust, which needs it above 0 and below 0.5": (
                0 < config.label_smoothing < 0.5
                if config.loss_type == "robust"
                else config.label_smoothing == 0
            ),
        }
    )


def train(config: DpoConfig, run: RunDir) -> Outcome:
    from trl import DPOConfig as TrlDpoConfig

    from trainer.preferences import preference_pairs
    from trainer.trl_jobs import PairTrainer, inputs_of, train_on_feedback

    check_config(config)
    snapshot = open_snapshot(config.snapshot)

    def encode(
        tokenizer: PreTrainedTokenizerBase, split: str, max_length: int
    ) -> tuple[Dataset, dict[str, int]]:
        rows = snapshot.rows("rankings", split)
        most_pairs = config.pairs_per_ranking if split == "train" else 0
        return preference_pairs(tokenizer, rows, max_length, most_pairs, config.seed)

    def make(shared: dict[str, Any], counts: dict[str, int], tokenizer: Any) -> tuple[Any, dict[str, Any]]:
        arguments = TrlDpoConfig(
            **shared,
            beta=config.beta,
            loss_type=[config.loss_type],
            label_smoothing=config.label_smoothing,
            max_length=None,  # already cut, by our rule
        )
        return PairTrainer, {"args": arguments}

    metrics = train_on_feedback(config, run, encode, make, num_readings=1)
    return metrics, inputs_of(config, "snapshot", "init_model", "ref_model")


def main() -> None:
    sys.exit(run_job("dpo", DpoConfig, train))


if __name__ == "__main__":
    main()
