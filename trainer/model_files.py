"""A model directory that is registered: which of its files loading reads, and whether they are still the same.

Standard library only: the web side registers by these functions, and `trainer.serve` serves by them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainer.files import describe_file
from trainer.run_dir import RunError, is_finished, read_manifest

LOADED_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


def directory_sha256(directory: Path) -> str:
    """One hash over the names and contents of the files that loading the model reads."""
    digest = hashlib.sha256()
    paths = sorted({path for pattern in LOADED_FILES for path in directory.glob(pattern)})
    for path in paths:
        digest.update(f"{path.name} {describe_file(path)['sha256']}\n".encode())
    return digest.hexdigest()


def manifest_sha256(run_dir: Path) -> str:
    return describe_file(run_dir / "manifest.json")["sha256"]


def check_loadable(directory: Path) -> None:
    """A model directory of ordinary files: a device or a pipe could be read without end."""
    if not directory.is_dir():
        raise RunError(f"{directory} is no directory on this machine; check the path.")
    if not (directory / "config.json").exists():
        raise RunError(f"{directory} holds no config.json, so it is no model directory.")
    if not list(directory.glob("*.safetensors")):
        raise RunError(
            f"{directory} holds no .safetensors file; other weight files can run code and are not loaded. "
            "Convert them."
        )
    for pattern in LOADED_FILES:
        for path in directory.glob(pattern):
            if not path.is_file():
                raise RunError(f"{path} is no ordinary file; take it out of the model's directory.")


def verify_model(directory: Path, model_sha256: str) -> None:
    """Raise RunError unless the model directory is what was registered."""
    if is_finished(directory.parent) and directory.name == "model":
        read_manifest(directory.parent, verify=True)
        found = manifest_sha256(directory.parent)
    else:
        check_loadable(directory)
        found = directory_sha256(directory)
    if found != model_sha256:
        raise RunError(
            f"The files in {directory} are not the ones that were registered; restore them or register them anew."
        )
