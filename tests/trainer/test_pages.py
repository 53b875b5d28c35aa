"""The pages about jobs name every option, and functions and tests that exist."""

import re

import pytest

from tests.trainer.tiny import REPOSITORY
from trainer.evaluate import EvaluateConfig
from trainer.reward import RewardConfig
from trainer.sample import SampleConfig
from trainer.sft import SftConfig

INPUTS = {"snapshot", "init_model", "run_dir", "model", "prompts", "split", "num_prompts", "policy_version"}


PAGES = [
    ("sampling", SampleConfig),
    ("reward", RewardConfig),
    ("sft", SftConfig),
    ("evaluation", EvaluateConfig),
]


@pytest.mark.parametrize(("page", "config_type"), PAGES)
def test_a_page_names_options_functions_and_tests_that_exist(page, config_type):
    text = (REPOSITORY / "docs" / "trainers" / f"{page}.md").read_text(encoding="utf-8")
    options = {name.replace("-", "_") for name in re.findall(r"--([a-z][a-z0-9-]*)(?!\w)", text)} - {"help"}
    fields = set(config_type.__dataclass_fields__)
    assert options <= fields
    assert fields - options <= INPUTS
    for file, name in re.findall(r"`(\w+\.py):(\w+)", text):
        source = (REPOSITORY / "trainer" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {name}\b", source, re.MULTILINE), f"{file}:{name}"
    tests = "".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("tests/trainer/test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 10
    assert not {name for name in named if f"def {name}(" not in tests}
