"""README.md of a finished model: what it was made from and how, in the form of a Hugging Face model card.

Facts of the run directory alone, no praise and no advice. The licence is not ours to know: it is told only where
the base model's own card, in a directory here, tells it. Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.files import finite, utc_now
from trainer.run_dir import installed_versions
from trainer.snapshot import SnapshotError, read_manifest

CARD = "README.md"
METHODS = {
    "sft": "supervised fine-tuning on demonstrations",
    "reward": "a reward model from rankings",
    "ppo": "PPO against a reward model",
    "dpo": "DPO on pairs of ranked completions",
    "kto": "KTO on desirable and undesirable completions",
    "rloo": "RLOO against a reward model",
    "grpo": "GRPO against a reward model",
}
NAMED_VERSIONS = ("python", "torch", "transformers", "trl", "peft")
PLACES = ("run_dir", "snapshot", "init_model", "ref_model", "reward_model", "reference_run")
LICENCE = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)


def write_model_card(
    directory: Path,
    kind: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> None:
    """README.md in the directory of a finished model; nothing where the job made none.

    `config` is the job's, flat; `inputs` are the manifest's: {name: {path, manifest_sha256}}.
    """
    if not directory.is_dir():
        return
    front = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if kind == "reward" else "text-generation",
        "license": licence_of(inputs.get("init_model", {}).get("path", "")) or "unknown",
        "tags": ["parley", kind],
    }
    base = str(config.get("init_model", ""))
    if base and not Path(base).exists() and base.count("/") <= 1:
        front["base_model"] = base  # a hub id; a path of this machine is nobody else's
    parts = [
        "---",
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items()),
        "---",
        "",
        f"# {Path(str(config.get('run_dir', ''))).name or kind}",
        "",
        f"Made by {METHODS.get(kind, kind)} (Parley, run of kind `{kind}`) on {utc_now()[:10]}.",
        f"Licence: {front['license']}.",
        "",
        "## Made from",
        "",
        *table(
            ("input", "name", "sha256 of its manifest"),
            [
                (
                    name,
                    Path(str(entry["path"])).name,
                    entry.get("manifest_sha256") or "none: not a run of ours",
                )
                for name, entry in inputs.items()
            ],
        ),
    ]
    if counts := counts_of(inputs):
        parts += ["", "## Rows of the snapshot", "", *table(("rows", "train", "validation"), counts)]
    settings = [
        (name, value) for name, value in config.items() if name not in PLACES and value not in ("", None)
    ]
    parts += ["", "## Settings", "", *table(("setting", "value"), settings)]
    parts += ["", "## Metrics", "", *table(("metric", "value"), list(metrics.items()))]
    versions = installed_versions()
    named = [(name, versions[name]) for name in NAMED_VERSIONS if name in versions]
    parts += ["", "## Versions", "", *table(("package", "version"), named), ""]
    (directory / CARD).write_text("\n".join(parts), encoding="utf-8")


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    """Lines of a Markdown table; nested values as JSON."""
    lines = [" | ".join(("", *head, "")).strip(), "|" + " --- |" * len(head)]
    return lines + [" | ".join(("", *map(cell, row), "")).strip() for row in rows]


def cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(finite(value), ensure_ascii=False, default=str)
    return text.replace("|", "\\|").replace("\n", " ")


def counts_of(inputs: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """(file, train rows, validation rows) of the snapshot, as its manifest says."""
    path = inputs.get("snapshot", {}).get("path", "")
    try:
        files = read_manifest(path)["files"]
    except SnapshotError:
        return []
    return [
        (name.removesuffix(".jsonl"), entry["splits"]["train"], entry["splits"]["validation"])
        for name, entry in files.items()
        if "splits" in entry
    ]


def licence_of(path: str) -> str:
    """Of the card beside the base model, where there is one that tells it."""
    folder = Path(path)
    for card in (folder / "model" / CARD, folder / CARD):
        if path and card.is_file():
            front = card.read_text(encoding="utf-8", errors="replace").split("---")
            told = LICENCE.search(front[1]) if len(front) > 2 else None
            return told[1].strip("\"'") if told else ""
    return ""
