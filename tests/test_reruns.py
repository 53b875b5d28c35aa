"""A browser test that hung and passed the second time is not forgotten."""

import os
import subprocess
import sys

import pytest

from tests.site import ROOT

HANGS_ONCE = """
import pathlib, pytest

@pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"])
@pytest.mark.parametrize("number", range(NUM))
def test_hangs_once(number):
    seen = pathlib.Path(__file__).with_name(f"seen{number}")
    if not seen.exists():
        seen.touch()
        raise TimeoutError
"""


@pytest.mark.parametrize(("num", "workers"), [(1, 0), (2, 2)])
def test_one_is_told_and_the_second_fails_the_run(tmp_path, num, workers):
    (tmp_path / "test_it.py").write_text(f"NUM = {num}\n{HANGS_ONCE}")
    plugins = [f"-p{name}" for name in ("pytest_rerunfailures", "xdist", "tests.reruns", "no:cacheprovider")]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, *plugins, "-n", str(workers), str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == (num > 1), ended.stdout
    assert f"{num} passed, " in ended.stdout and f" {num} rerun in " in ended.stdout
    assert ended.stdout.count("asked once more") == 1
    assert ("it fails" in ended.stdout) == (num > 1)
