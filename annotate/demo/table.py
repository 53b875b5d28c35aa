"""The demo's table: base, SFT and PPO on the same held-out prompts, from what the evaluations kept."""

from typing import Any

from annotate.demo import scripted_annotator as preference
from annotate.runs.models import Run
from trainer.run_dir import read_samples

COLUMNS = [
    ("policy", "policy", "{}"),
    ("score", "score", "{:+.2f}"),
    ("preferred", "preferred style", "{:.0%}"),
    ("true", "true", "{:.0%}"),
    ("kl", "KL to SFT", "{:.2f}"),
    ("length", "length", "{:.1f}"),
    ("win_rate", "win rate vs SFT (95 %)", "{}"),
]


def shares(rows: list[dict[str, Any]], text_field: str) -> dict[str, float]:
    """How many completions are in the preferred style, and how many are true."""
    texts = [(row["prompt"], row[text_field]) for row in rows]
    return {
        "preferred": sum(preference.preferred(prompt, text) for prompt, text in texts) / len(texts),
        "true": sum(preference.is_true(prompt, text) for prompt, text in texts) / len(texts),
    }


def rows_of(base_run: Run, ppo_run: Run) -> list[dict[str, Any]]:
    base_samples, ppo_samples = read_samples(base_run.run_dir), read_samples(ppo_run.run_dir)
    return [
        {"policy": "base", **_judged(base_run), **shares(base_samples, "completion")},
        {
            "policy": "SFT",
            "score": ppo_run.metrics["ref_score"],
            "kl": 0.0,
            "length": ppo_run.metrics["ref_length"],
            "win_rate": None,
            **shares(ppo_samples, "ref_completion"),
        },
        {"policy": "PPO", **_judged(ppo_run), **shares(ppo_samples, "completion")},
    ]


def _judged(run: Run) -> dict[str, Any]:
    metrics = run.metrics
    return {
        "score": metrics["score"],
        "kl": metrics["kl"],
        "length": metrics["length"],
        "win_rate": [metrics["win_rate"], metrics["win_rate_low"], metrics["win_rate_high"]],
    }


def drawn(rows: list[dict[str, Any]]) -> str:
    cells = [[title for _field, title, _form in COLUMNS]]
    for row in rows:
        shown = dict(row)
        won = row["win_rate"]
        shown["win_rate"] = "{:.0%} ({:.0%} to {:.0%})".format(*won) if won else "is the reference"
        cells.append([form.format(shown[field]) for field, _title, form in COLUMNS])
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells
    )
