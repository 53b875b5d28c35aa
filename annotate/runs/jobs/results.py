"""What a finished run leaves in the database: a policy, a reward model, an evaluation, or completions to judge."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from annotate.runs.jobs.sampling import store_completions
from annotate.runs.models import Evaluation, RewardModel, Run
from annotate.runs.policies.registry import register_made_by
from trainer.run_dir import RunError

WIN_RATE_THRESHOLD = 0.5


def register_result(run: Run, manifest: dict[str, Any]) -> None:
    """Called once, in the transaction that ends the run: it holds the run's row, whose state says whether it was."""
    if run.kind in Run.MAKES_POLICY:
        return register_made_by(run, _model_path(run))
    match run.kind:
        case Run.Kind.REWARD:
            RewardModel.objects.create(
                name=run.name, run=run, parent=run.policy, path=_model_path(run),
                model_sha256=run.manifest_sha256, metrics=run.metrics,
            )  # fmt: skip
        case Run.Kind.EVALUATE:
            _register_evaluation(run)
        case Run.Kind.SAMPLE:
            store_completions(run, _completions(run, manifest))


def _model_path(run: Run) -> str:
    path = Path(run.run_dir) / "model"
    if not list(path.glob("*.safetensors")):
        raise RunError(_("%(path)s holds no safetensors file.") % {"path": path})
    return str(path)


def _register_evaluation(run: Run) -> None:
    assert run.policy and run.ref_policy and run.reward_model  # queue_run refuses an evaluation without them
    threshold = float(run.config.get("threshold", WIN_RATE_THRESHOLD))
    low = run.metrics.get("win_rate_low")
    Evaluation.objects.create(
        run=run,
        policy_version=run.policy,
        reference=run.ref_policy,
        reward_model=run.reward_model,
        metrics=run.metrics,
        threshold=threshold,
        passed=low is not None and low > threshold,
    )


def _completions(run: Run, manifest: dict[str, Any]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(prompt id, its rows) from completions.jsonl, which keeps the rows of one prompt together."""
    if "completions.jsonl" not in manifest["files"]:
        raise RunError(_("The manifest names no completions.jsonl."))
    with open(Path(run.run_dir) / "completions.jsonl", encoding="utf-8") as file:
        rows = (json.loads(line) for line in file)
        for prompt_id, group in groupby(rows, key=lambda row: row["prompt_id"]):
            yield int(prompt_id), list(group)
