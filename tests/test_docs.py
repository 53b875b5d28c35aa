"""The documentation is true where a machine can tell."""

import hashlib
import json
import re
import tomllib
from pathlib import Path

from annotate.operating.starting import web_command

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_setting_is_described():
    settings = (ROOT / "annotate" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    described = (ROOT / "docs" / "operators" / "settings.md").read_text()
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in described] == []


def test_every_setting_of_the_example_file_exists():
    settings = (ROOT / "annotate" / "settings.py").read_text()
    names = re.findall(r"^# ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert names and [name for name in names if f'"{name}"' not in settings] == []


def test_every_link_between_pages_leads_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_file_that_a_page_names_exists():
    """Paths in backticks that begin with one of our folders."""
    missing = []
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        pattern = r"`((?:annotate|trainer|frontend|deploy|tests|bench|docs)/[\w./-]+)`"
        for name in re.findall(pattern, page.read_text()):
            if (
                not (ROOT / name).exists()
                and "frontend/node_modules" not in name
                and "frontend/dist" not in name
            ):
                missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert missing == []


def test_a_ranking_and_a_run_are_followed_through_no_more_than_twenty_one_files():
    """The walks of the page on architecture; that no step climbs is test_boundaries.py."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    for walk in ("One ranking, followed", "One run, followed"):
        text = page.split(f"## {walk}\n")[1].split("\n## ")[0]
        files = set(re.findall(r"`((?:annotate|trainer)/[\w/]+\.py)`", text))
        assert 15 < len(files) <= 21, (walk, sorted(files))


def test_the_web_process_is_started_one_way():
    """As `serve` and the tests start it, so do the image and whoever follows the page for operators."""
    line = web_command(8000, "0.0.0.0", 2)[1:]
    image = (ROOT / "deploy" / "web.Containerfile").read_text()
    assert json.dumps(["granian", *line]) in image
    for of_one_machine in (["--host", "0.0.0.0"], ["--port", "8000"]):
        at = line.index(of_one_machine[0])
        del line[at : at + 2]
    assert f"`granian {' '.join(line)}`" in (ROOT / "docs" / "operators" / "deploy.md").read_text()


def test_the_image_of_vllm_is_of_the_version_that_the_extra_installs():
    image = re.search(r"image: vllm/vllm-openai:(\S+)", (ROOT / "deploy" / "compose.yaml").read_text())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert image and extras["vllm"] == [f"vllm~={image[1].removeprefix('v')}"]


def test_every_make_target_named_in_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z][a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets, named - targets


def test_the_licence_is_apache_2_everywhere_it_is_named():
    text = (ROOT / "LICENSE").read_bytes()
    as_published = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert hashlib.sha256(text).hexdigest() == as_published  # www.apache.org/licenses/LICENSE-2.0.txt
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert "Licence: Apache-2.0" in (ROOT / "README.md").read_text()
    for image in (ROOT / "deploy").glob("*.Containerfile"):  # the package cannot be built without it
        assert re.search(r"^COPY pyproject.toml .*\bLICENSE\b", image.read_text(), re.MULTILINE), image.name


def test_every_test_that_a_page_names_exists():
    """`tests/….py::test_name` in backticks."""
    missing = []
    for page in PAGES:
        for name, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text()):
            if not (ROOT / name).exists() or f"def {test}(" not in (ROOT / name).read_text():
                missing.append(f"{page.relative_to(ROOT)}: {name}::{test}")
    assert missing == []
