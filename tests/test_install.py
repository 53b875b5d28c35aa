"""The first thing a bare machine runs: what it makes of the Node that is, or is not, there."""

import importlib.util
import os
import re
import sys
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


def test_uv_goes_where_pip_was_sent(install, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_", "ALL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(install, "PYTHON", Path(sys.executable))
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://global.example/simple\nfind-links = /one /two\n"
        "[install]\nextra-index-url =\n  https://a.example/simple\n  https://b.example/simple\n"
        "[download]\nproxy = http://another.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://own.example/simple")
    monkeypatch.setenv("UV_FIND_LINKS", "/uvs-own")
    install.uv_environment.cache_clear()
    told = install.uv_environment()
    install.uv_environment.cache_clear()
    assert told["UV_DEFAULT_INDEX"] == "https://own.example/simple"
    assert told["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert told["UV_FIND_LINKS"] == "/uvs-own"
    assert "ALL_PROXY" not in told


def test_pip_installs_where_uv_cannot_be_had(install, tmp_path, monkeypatch, capsys):
    """A .venv whose pip cannot fetch uv, on a machine without one."""
    (tmp_path / "bin").mkdir()
    put(tmp_path / "bin", "python", f'case "$*" in *" uv") exit 1;; esac; echo "$@" >> {tmp_path}/asked')
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    install.uv.cache_clear()
    assert install.install("a-package")
    install.uv.cache_clear()
    assert (
        (tmp_path / "asked")
        .read_text()
        .strip()
        .endswith("pip install --quiet --disable-pip-version-check a-package")
    )
    assert "uv could not be had" in capsys.readouterr().out


def test_what_only_developers_need_is_asked_for_by_what_they_run_alone():
    rules = dict(re.findall(r"^([a-z-]+):([^#\n]*)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    of_developers = {name for name, needs in rules.items() if ".installed-dev" in needs}
    assert of_developers == {"install", "test", "test-fast", "lint", "format", "messages", "bench"}
    assert "build" in rules["demo"] and "build" in rules["serve"]
