"""KTO on the rankings of a snapshot: a policy from completions that are each desirable or not.

    python -m trainer.kto --snapshot DIR --init-model SFT_RUN --run-dir DIR

Ethayarajh et al. 2024 (2402.01306, section 4.1): a desirable completion's log-ratio to the reference should rise
above, an undesirable one's fall below, a reference point z, which is the KL between the two policies as each batch
estimates it: its prompts, each with the completion of another prompt. TRL's KTOTrainer computes it; rows, tokens,
these mismatched pairs, reference and run directory are ours (trainer/preferences.py, trainer/trl_jobs.py).

Which completions are desirable: what people said outright comes first (a thumb; a flag, or a ranking marked all bad,
is undesirable). Else, with --labels tiers, the best of two or more tiers is desirable and the worst is not; the tiers
between and unranked completions stay out. With --labels ratings, the mean rating `overall` above the middle of its
scale is desirable, below it not. Completions that are empty or too long are left out. All is counted in the metrics.

Refused: a snapshot whose train rankings give no desirable or no undesirable completion (ties alone, without thumbs
or flags). Without a validation split the run goes on, says so, and has no eval figures.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.jobs import Outcome, option, run_job
from trainer.run_dir import RunDir, RunError
from trainer.snapshot import open_snapshot
from trainer.trl_options import FeedbackOptions

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@dataclass(kw_only=True)
class KtoConfig(FeedbackOptions):
    """Learn a policy from desirable and undesirable completions (KTO)."""

    labels: str = option(
        "What makes a completion desirable: tiers or ratings (see above).",
        "tiers",
        one_of=("tiers", "ratings"),
    )
    desirable_weight: float = option("Weight of a desirable completion.", 1.0)
    undesirable_weight: float = option(
        "Weight of an undesirable one; 0: so that both kinds weigh the same all together.", 0.0, at_least=0
    )
    num_epochs: float = option("Passes over the completions, unless max_steps is given.", 1.0, above=0)
    per_device_batch_size: int = option(
        "Completions in one forward and backward on one device; 2 or more.", 16, at_least=1
    )
    seed: int = option("Seed of the order of the completions.", 0, at_least=0, at_most=0xFFFF_FFFF)


def check_config(config: KtoConfig) -> None:
    from trainer.trl_jobs import refuse

    refuse(
        {
            "beta and desirable_weight must be above 0": min(config.beta, config.desirable_weight) > 0,
            "per_device_batch_size must be at least 2: a batch estimates the reference point": (
                config.per_device_batch_size >= 2
            ),
        }
    )


def undesirable_weight(config: KtoConfig, counts: dict[str, int]) -> float:
    """As given, or such that both kinds weigh the same (equation 8 with the quotient 1)."""
    balanced = config.desirable_weight * counts["num_desirable"] / counts["num_undesirable"]
    return config.undesirable_weight or balanced


def train(config: KtoConfig, run: RunDir) -> Outcome:
    from trl import KTOConfig as TrlKtoConfig

    from trainer.preferences import labelled_completions
    from trainer.trl_jobs import LabelTrainer, inputs_of, train_on_feedback

    check_config(config)
    snapshot = open_snapshot(config.snapshot)

    def encode(
        tokenizer: PreTrainedTokenizerBase, split: str, max_length: int
    ) -> tuple[Dataset, dict[str, int]]:
        return labelled_completions(tokenizer, snapshot.rows("rankings", split), max_length, config.labels)

    def make(shared: dict[str, Any], counts: dict[str, int], tokenizer: Any) -> tuple[Any, dict[str, Any]]:
        if not (counts["num_desirable"] and counts["num_undesirable"]):
            raise RunError(
                f"KTO needs desirable and undesirable completions, and the train rankings give {counts}; "
                "rank more, or choose the other --labels."
            )
        arguments = TrlKtoConfig(
            **shared,
            beta=config.beta,
            desirable_weight=config.desirable_weight,
            undesirable_weight=undesirable_weight(config, counts),
            max_length=None,  # already cut, by our rule
        )
        return LabelTrainer, {"args": arguments}

    metrics = train_on_feedback(config, run, encode, make, num_readings=3)
    return metrics, inputs_of(config, "snapshot", "init_model", "ref_model")


def main() -> None:
    sys.exit(run_job("kto", KtoConfig, train))


if __name__ == "__main__":
    main()
