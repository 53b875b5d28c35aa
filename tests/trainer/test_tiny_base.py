"""The tiny base model: a complete model directory, made from a file of texts."""

import json
import subprocess
import sys

import pytest
import torch

from tests.trainer.tiny import REPOSITORY
from trainer.modeling import encode_messages, encode_prompt, load_causal_lm, load_tokenizer, stop_token_ids
from trainer.run_dir import RunError
from trainer.tiny_base import TinyBaseConfig, make_tiny_base, read_texts

DIALOGUE = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Où est le port ?"},
    {"role": "assistant", "content": "Là-bas, près de la tour."},
]


def write_texts(path, num_rows=60):
    rows = [{"messages": DIALOGUE[1:]}, {"text": "The harbour is over there, near the tower."}] * (
        num_rows // 2
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def config_for(path, **changes):
    sizes = {
        "vocab_size": 400,
        "hidden_size": 32,
        "num_layers": 1,
        "num_heads": 2,
        "batch_size": 4,
        "block_size": 32,
    }
    return TinyBaseConfig(
        text=str(write_texts(path / "texts.jsonl")),
        out=str(path / "base"),
        **sizes | {"num_steps": 60} | changes,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(directory, what making it reported)"""
    path = tmp_path_factory.mktemp("tiny")
    return path / "base", make_tiny_base(config_for(path))


def test_pretraining_learns_the_texts(made):
    _, result = made
    assert result["step"] == 60
    assert result["loss"] < 3.0  # a guess over the vocabulary of 312 would lose log(312) = 5.7


def test_special_tokens_are_distinct_and_in_the_model(made):
    path, _ = made
    tokenizer = load_tokenizer(path)
    model = load_causal_lm(path, tokenizer)
    ids = {tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}
    assert len(ids) == 3 and None not in ids
    assert stop_token_ids(tokenizer, model) == [tokenizer.eos_token_id]
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings


def test_any_text_survives_the_tokenizer(made):
    tokenizer = load_tokenizer(made[0])
    for text in ("Où est la tour ?", "日本 🙂\n\ttabs", "plain words"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_template_marks_what_the_assistant_wrote(made):
    tokenizer = load_tokenizer(made[0])
    ids, is_assistant = encode_messages(tokenizer, DIALOGUE)
    own = [token for token, mine in zip(ids, is_assistant, strict=True) if mine]
    assert tokenizer.decode(own) == "Là-bas, près de la tour.<|end|>"
    assert ids[: len(encode_prompt(tokenizer, DIALOGUE[:-1]))] == encode_prompt(tokenizer, DIALOGUE[:-1])
    by_markers = tokenizer.apply_chat_template(DIALOGUE, return_assistant_tokens_mask=True, return_dict=True)
    assert by_markers["input_ids"] == ids
    assert by_markers["assistant_masks"] == is_assistant


def test_the_model_samples_where_a_server_obeys_its_generation_config(made):
    path, _ = made
    settings = json.loads((path / "generation_config.json").read_text())
    assert settings["do_sample"] is True
    assert settings["pad_token_id"] != settings["eos_token_id"]
    assert (path / "model.safetensors").is_file()
    assert not list(path.glob("*.bin"))


def test_the_same_seed_makes_the_same_model(tmp_path):
    weights = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        make_tiny_base(config_for(folder, num_steps=3))
        model = load_causal_lm(folder / "base", load_tokenizer(folder / "base"))
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)


def test_a_time_limit_ends_pretraining_early(tmp_path):
    result = make_tiny_base(config_for(tmp_path, num_steps=100_000, max_seconds=0.2))
    assert result["step"] < 100_000


def test_a_directory_that_exists_is_not_overwritten(tmp_path):
    config = config_for(tmp_path)
    (tmp_path / "base").mkdir()
    with pytest.raises(RunError, match="already exists"):
        make_tiny_base(config)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"text": "fine"}\n{"other": 1}\n', "line 2"),
        (b"not json\n", "line 1"),
        (b"\xff\xfe\n", "cannot be read"),
        (b"", "holds no text"),
    ],
)
def test_a_bad_file_of_texts_is_refused_in_a_sentence(tmp_path, content, said):
    (tmp_path / "texts.jsonl").write_bytes(content)
    with pytest.raises(RunError, match=said):
        read_texts(tmp_path / "texts.jsonl")


def test_the_command_line_says_what_is_wrong_and_leaves_with_2(tmp_path):
    command = [
        sys.executable,
        "-m",
        "trainer.tiny_base",
        "--text",
        tmp_path / "none",
        "--out",
        tmp_path / "base",
    ]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "cannot be read" in ended.stderr and "Traceback" not in ended.stderr
