"""Sampling from an OpenAI-compatible server: one request each, seeds, greedy servers, faults, and the real thing."""

import json
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from tests.trainer.openai_server import openai_server
from tests.trainer.tiny import REPOSITORY, run_in_process
from trainer import run_dir, sample
from trainer.model_server import MAX_SEED, ModelServer, Request, without_secrets
from trainer.run_dir import RunError


def by_seed(body, number):
    """A server that samples: the text follows from the prompt and the seed."""
    return f"{body['messages'][-1]['content']} {body['seed'] % 7919}"


def write_prompts(path, texts):
    rows = [{"id": f"q{at}", "prompt": [{"role": "user", "content": text}]} for at, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(tmp_path, url, texts=("red", "blue"), name="run", **changes):
    arguments = {
        "server": url,
        "model_name": "m",
        "prompts": write_prompts(tmp_path / "prompts.jsonl", texts),
        "run_dir": tmp_path / name,
        "num_completions": 3,
        "max_new_tokens": 10,
    }
    return run_in_process(sample, sample.SampleConfig, **arguments | changes)


def rows_of(path):
    return [json.loads(line) for line in (path / "completions.jsonl").read_text().splitlines()]


def error_of(tmp_path, url, **changes):
    assert run(tmp_path, url, **changes) == 2
    return run_dir.read_status(tmp_path / "run")["error"]


# ---------------------------------------------------------------- asking


def test_each_completion_is_a_request_of_its_own_with_its_own_seed(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    with openai_server(by_seed) as (url, asked):
        code = run(tmp_path, url, temperature=0.7, top_p=0.9, stop='["###", "\\n\\n"]')
    assert code == 0
    rows = rows_of(tmp_path / "run")
    assert [(row["prompt_id"], row["index"]) for row in rows] == [
        (q, k) for q in ("q0", "q1") for k in range(3)
    ]
    for row in rows:
        (request,) = (
            body
            for body in asked
            if body["seed"] == row["seed"] and body["messages"][0]["content"] in row["text"]
        )
        assert row["text"] == by_seed(request, 0)
        assert (row["finish_reason"], row["num_tokens"]) == ("stop", 3)
        assert row["sampling"]["stop"] == ["###", "\n\n"]
        assert (request["temperature"], request["top_p"], request["max_tokens"]) == (0.7, 0.9, 10)
        assert request["stop"] == ["###", "\n\n"]
        assert request["path"] == "/v1/chat/completions"
        assert request["key"] == "Bearer secret-key"
        assert "n" not in request  # some servers ignore it and give one choice
        assert 0 <= row["seed"] < MAX_SEED
    manifest = run_dir.read_manifest(tmp_path / "run", verify=True)
    assert manifest["inputs"]["server"] == {"url": f"{url}/v1", "model_name": "m"}
    assert "secret-key" not in (tmp_path / "run" / "log.txt").read_text()


def test_the_same_seed_asks_the_same_again(tmp_path):
    with openai_server(by_seed) as (url, _asked):
        assert run(tmp_path, url, name="a") == run(tmp_path, url, name="b") == 0
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_an_answer_that_repeats_another_is_asked_for_again(tmp_path):
    def narrow(body, number):
        return "ab"[body["seed"] % 2]

    with openai_server(narrow) as (url, _asked):
        assert run(tmp_path, url, num_completions=2, max_resamples=20) == 0
    for prompt_id in ("q0", "q1"):
        assert {row["text"] for row in rows_of(tmp_path / "run") if row["prompt_id"] == prompt_id} == {
            "a",
            "b",
        }


# ---------------------------------------------------------------- servers that do not do as asked


def test_a_greedy_server_is_refused_before_the_work(tmp_path):
    with openai_server(lambda body, number: body["messages"][-1]["content"]) as (url, asked):
        error = error_of(tmp_path, url, texts=["red", "blue", "green", "sun"])
    assert "it does not sample" in error and '"do_sample": true' in error
    assert len(asked) == sample.PROBE_PROMPTS * sample.PROBE_SEEDS


def test_a_policy_that_is_sure_of_one_answer_is_not_taken_for_greedy(tmp_path):
    def sure_of_red(body, number):
        return "yes" if body["messages"][-1]["content"] == "red" else by_seed(body, number)

    with openai_server(sure_of_red) as (url, _asked):
        assert run(tmp_path, url) == 0
    assert run_dir.read_manifest(tmp_path / "run")["metrics"]["num_duplicates"] == 2


def test_temperature_0_asks_for_the_likeliest_and_is_not_checked(tmp_path):
    with openai_server(lambda body, number: "yes") as (url, asked):
        assert run(tmp_path, url, temperature=0, num_completions=1) == 0
    assert len(asked) == 2


def test_a_prompt_that_the_server_refuses_is_left_out_and_counted(tmp_path):
    def short_only(body, number):
        if "blue" in body["messages"][-1]["content"]:
            return 400, {"error": {"message": "This model's maximum context length is 5 tokens."}}
        return by_seed(body, number)

    with openai_server(short_only) as (url, _asked):
        assert run(tmp_path, url) == 0
    assert {row["prompt_id"] for row in rows_of(tmp_path / "run")} == {"q0"}
    metrics = run_dir.read_manifest(tmp_path / "run")["metrics"]
    assert (metrics["num_left_out_refused"], metrics["num_prompts"]) == (1, 1)
    assert "maximum context length" in (tmp_path / "run" / "log.txt").read_text()


def test_a_server_that_refuses_every_prompt_is_an_error(tmp_path):
    with openai_server(lambda body, number: (400, {"error": {"message": "no"}})) as (url, _asked):
        assert "refuses every prompt" in error_of(tmp_path, url)


def test_a_server_that_is_busy_is_asked_again(monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)

    def busy_at_first(body, number):
        return (503, {"error": {"message": "loading"}}) if number % 3 else by_seed(body, number)

    with openai_server(busy_at_first) as (url, asked):
        server = ModelServer(url, "m", concurrency=1)
        found = server.answers(Request([{"role": "user", "content": "red"}], seed) for seed in range(3))
    assert [answer.text for answer in found] == ["red 0", "red 1", "red 2"]
    assert len(asked) == 9


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "set OPENAI_API_KEY"), (404, "knows no model m"), (500, "answered 500")],
)
def test_what_the_server_says_becomes_a_sentence(tmp_path, monkeypatch, status, words):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    with openai_server(lambda body, number: (status, {"error": {"message": "no"}})) as (url, _asked):
        assert words in error_of(tmp_path, url)


def test_a_server_that_is_not_there_becomes_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    assert "cannot be reached" in error_of(tmp_path, "http://127.0.0.1:9/v1")


def test_a_server_that_speaks_otherwise_becomes_a_sentence(tmp_path):
    with openai_server(lambda body, number: (200, {"hello": 1})) as (url, _asked):
        assert "no OpenAI-compatible server" in error_of(tmp_path, url)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_name": ""}, "Say which model"),
        ({"server": "ftp://host"}, "no http address"),
        ({"model": "m"}, "either --model"),
        ({"stop": "[1]"}, "no JSON list"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, changes, words):
    assert words in error_of(tmp_path, "http://127.0.0.1:9", **changes)


def test_an_address_is_recorded_without_what_is_secret():
    assert without_secrets("https://me:pass@host:1/v1?key=k#x") == "https://host:1/v1"
    with pytest.raises(RunError, match="no http address"):
        ModelServer("host:8000", "m", 1)


def test_what_was_written_is_not_asked_for_again(tmp_path):
    with openai_server(by_seed) as (url, asked):
        assert run(tmp_path, url) == 0
        rows = rows_of(tmp_path / "run")
        (tmp_path / "again").mkdir()
        (tmp_path / "again" / "completions.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows[:4])
        )
        asked.clear()
        assert run(tmp_path, url, name="again") == 0
    assert rows_of(tmp_path / "again") == rows
    assert {body["messages"][-1]["content"] for body in asked} == {"blue"}


# ---------------------------------------------------------------- the real thing


@pytest.fixture(scope="module")
def transformers_serve(tmp_path_factory):
    """`transformers serve`, which loads the model that a request names; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "from transformers.cli.transformers import main; main()"
    line = [sys.executable, "-c", program, "serve", "--device", "cpu", "--port", str(port)]
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with open(log, "w") as output:
        process = subprocess.Popen(line, cwd=REPOSITORY, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except httpx.HTTPError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_transformers_serve_is_refused_while_it_is_greedy_and_sampled_from_when_it_samples(
    tmp_path, transformers_serve, sft_run
):
    from trainer.modeling import load_causal_lm, load_tokenizer

    tokenizer = load_tokenizer(sft_run)
    model = load_causal_lm(sft_run, tokenizer)
    for name, samples in (("greedy", False), ("samples", True)):
        model.generation_config.do_sample = samples
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    settings = {"texts": ["red blue", "sun cat"], "temperature": 2.0}
    greedy = {"model_name": tmp_path / "greedy", "name": "greedy-run"}
    assert run(tmp_path, transformers_serve, **settings, **greedy) == 2
    assert "it does not sample" in run_dir.read_status(tmp_path / "greedy-run")["error"]
    assert run(tmp_path, transformers_serve, **settings, model_name=tmp_path / "samples") == 0
    rows = rows_of(tmp_path / "run")
    assert len(rows) == 6 and len({row["text"] for row in rows}) > 2
    assert all(row["num_tokens"] > 0 for row in rows)
