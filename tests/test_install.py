"""The first thing a bare machine runs: what it makes of the Node that is, or is not, there."""

import importlib.util
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def install():
    spec = importlib.util.spec_from_file_location("install", ROOT / "deploy" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(folder: Path, name: str, says: str) -> None:
    script = folder / name
    script.write_text(f"#!/bin/sh\n{says}\n")
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("says", "is_enough"),
    [
        ("echo v20.19.0", True),
        ("echo v24.1.0-nightly", True),
        ("echo v20.18.3", False),
        ("echo v9.20.0", False),
        ("echo sorry", False),
        ("exit 127", False),
    ],
)
def test_a_machines_node_is_used_when_it_is_new_enough(install, tmp_path, monkeypatch, says, is_enough):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/nowhere")
    assert not install.has_node()
    put(tmp_path, "node", says)
    assert not install.has_node(), "npm is missing, as in a distribution that packs it apart"
    put(tmp_path, "npm", "exit 0")
    assert install.has_node() is is_enough


def names_in(lines: Iterable[str]) -> set[str]:
    return {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in lines if line[:1].isalnum()}


def test_no_image_installs_a_development_tool(install):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    of_images, of_tools = (
        names_in(path.read_text().splitlines()) for path in (install.CONSTRAINTS, install.DEV_CONSTRAINTS)
    )
    assert not of_images & of_tools
    assert names_in(wanted) <= of_tools
    for image in (ROOT / "deploy").glob("*.Containerfile"):
        assert "constraints-dev" not in image.read_text()
