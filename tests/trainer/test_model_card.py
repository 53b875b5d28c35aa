"""The card beside a finished model: facts of its run, in the form that model hubs read."""

import pytest
import yaml

from trainer import run_dir
from trainer.model_card import write_model_card


def front_and_text(path):
    _, front, text = (path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_finished_run_has_a_card_with_its_inputs_counts_settings_metrics_and_versions(
    sft_run, base_model_dir
):
    front, text = front_and_text(sft_run / "model")
    manifest = run_dir.read_manifest(sft_run, verify=True)
    assert "model/README.md" in manifest["files"]
    assert front == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": "unknown",
        "tags": ["parley", "sft"],
    }
    assert f"| snapshot | tiny | {manifest['inputs']['snapshot']['manifest_sha256']} |" in text
    assert "| init_model | base | none: not a run of ours |" in text
    assert "| demonstrations | 48 | 12 |" in text
    assert "| learning_rate | 0.005 |" in text
    assert f"| eval_loss | {manifest['metrics']['eval_loss']:.6g} |" in text
    for package in ("torch", "transformers", "trl"):
        assert f"| {package} | {manifest['versions'][package]} |" in text
    assert str(base_model_dir) not in text, "a path of this machine is nobody else's"


def test_a_reward_models_card_names_the_run_that_it_began_with(reward_run, sft_run):
    front, text = front_and_text(reward_run / "model")
    assert front["pipeline_tag"] == "text-classification"
    sha256 = run_dir.read_manifest(reward_run)["inputs"]["init_model"]["manifest_sha256"]
    assert f"| init_model | sft | {sha256} |" in text


@pytest.mark.parametrize("base", ["some/hub-model", "local"])
def test_a_hub_model_is_named_as_the_base_and_a_licence_is_taken_from_the_bases_card(tmp_path, base):
    model = tmp_path / "model"
    model.mkdir()
    inputs = {"init_model": {"path": base}}
    if base == "local":
        (tmp_path / "base").mkdir()
        (tmp_path / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
        inputs = {"init_model": {"path": str(tmp_path / "base")}}
    config = {"init_model": inputs["init_model"]["path"], "run_dir": "x", "stop": "a|b\nc"}
    write_model_card(model, "dpo", config, {"nan": float("nan"), "groups": {"en": 1}}, inputs)
    front, text = front_and_text(model)
    assert front.get("base_model") == (base if base == "some/hub-model" else None)
    assert front["license"] == ("apache-2.0" if base == "local" else "unknown")
    assert "| stop | a\\|b c |" in text and '| groups | {"en": 1} |' in text


def test_a_job_without_a_model_gets_no_card(tmp_path):
    write_model_card(tmp_path / "model", "evaluate", {}, {}, {})
    assert not (tmp_path / "model").exists()
