"""The pages about jobs name options, defaults, functions and tests that exist; docs/trainer.md names every option."""

import dataclasses
import importlib
import re

import pytest

from tests.trainer.tiny import REPOSITORY
from trainer.dpo import DpoConfig
from trainer.evaluate import EvaluateConfig
from trainer.grpo import GrpoConfig
from trainer.kto import KtoConfig
from trainer.ppo import PPOConfig
from trainer.reward import RewardConfig
from trainer.rloo import RlooConfig
from trainer.sample import SampleConfig
from trainer.sft import SftConfig

# What a job is run on is told by its page; these need no row.
INPUTS = {"snapshot", "init_model", "run_dir", "model", "prompts", "split", "num_prompts", "policy_version"}
INPUTS |= {"reward_model", "model_name"}

JOBS = [
    ("SFT", "sft", SftConfig),
    ("Reward model", "reward", RewardConfig),
    ("PPO", "ppo", PPOConfig),
    ("DPO", "other-algorithms", DpoConfig),
    ("KTO", "other-algorithms", KtoConfig),
    ("RLOO", "other-algorithms", RlooConfig),
    ("GRPO", "other-algorithms", GrpoConfig),
    ("Sampling", "sampling", SampleConfig),
    ("Evaluation", "evaluation", EvaluateConfig),
]
OPTION = re.compile(r"`--([a-z][a-z0-9-]*)(?: [^`]*)?`(?: ([^\s,;|]+))?")


def read(name):
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def section(title):
    """The tables of one job."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", read("trainer.md"), re.MULTILINE | re.DOTALL)
    return found


def shown(default):
    return "none" if default in ("", None) else str(default)


@pytest.mark.parametrize(("title", "page", "config_type"), JOBS)
def test_every_option_has_a_row_with_its_default(title, page, config_type):
    fields = config_type.__dataclass_fields__
    named = set()
    for line in section(title).splitlines():
        if not line.startswith("| "):
            continue
        for name, default in OPTION.findall(line):
            name = name.replace("-", "_")
            assert name in fields, line
            named.add(name)
            if default:
                assert default == shown(fields[name].default), f"--{name} is {fields[name].default!r}"
    assert set(fields) - named <= INPUTS
    with_default = {name.replace("-", "_") for name, default in OPTION.findall(section(title)) if default}
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    assert named - with_default <= required  # each has its default somewhere


@pytest.mark.parametrize("page", sorted({page for _, page, _ in JOBS}))
def test_a_page_for_its_users_names_options_that_exist(page):
    named = {
        name.replace("-", "_") for name in re.findall(r"--([a-z][a-z0-9_-]*)", read(f"trainers/{page}.md"))
    }
    launcher = {"help", "nproc_per_node", "num_processes", "cpu"}
    fields = {
        name for _, own, config_type in JOBS if own == page for name in config_type.__dataclass_fields__
    }
    assert named - launcher <= fields


def test_functions_and_classes_that_the_page_names_exist():
    named = re.findall(r"`(\w+)\.py:([\w.]+)`", read("trainer.md"))
    assert len(named) > 100
    for file, name in named:
        found = importlib.import_module(f"trainer.{file}")
        for part in name.split("."):
            assert hasattr(found, part), f"{file}.py:{name}"
            found = getattr(found, part)


def test_tests_that_the_page_names_exist_and_every_row_has_one():
    tests = "".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("tests/trainer/test_*.py"))
    page = read("trainer.md")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 180
    assert not {name for name in named if f"def {name}(" not in tests}
    rows = [line for line in page.splitlines() if re.match(r"\| (?!---)", line) and " test |" not in line]
    assert len(rows) > 110
    assert [row for row in rows if "`test_" not in row.split("|")[-2]] == []
