"""What went wrong with a run is told in the reader's language, says what to do, and names no place on the server."""

import ast
import re
from pathlib import Path

import pytest
from django.utils import translation

from annotate.runs.jobs.queueing import queue_run
from annotate.runs.sentences import OF_JOBS, OF_THE_WEB_SIDE, PLACE, _patterns, told
from tests.annotate.runs.moves import job_of, look_until, running

ROOT = Path(__file__).resolve().parents[3]
# What only somebody at a shell can come to read: no run of the web side has these options.
OF_THE_SHELL = {"judge", "model_card", "model_server", "ppo_ptx", "serve", "tiny_base", "vllm_generation"}
OPTIONS_OF_THE_SHELL = re.compile(
    r"--(config|server|vllm|prompts|ptx|best-of|model|reward-model|shard)|configuration \{path|judge_guidelines"
    r"|config\.server|JSON lines|\{id, prompt|earlier prompt|bitsandbytes|launch|This job does not know|list of strings \("
)


def sentences_of_the_trainer() -> list[str]:
    """Every refusal in the source, with `{…}` for what it fills in."""
    found = []
    for path in sorted((ROOT / "trainer").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            is_refusal = isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "RunError",
                "SnapshotError",
            )
            if is_refusal and node.args and path.stem not in OF_THE_SHELL:
                text = words_of(node.args[0])
                if text and not OPTIONS_OF_THE_SHELL.search(text):
                    found.append(text)
    return found


def words_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
            for part in node.values
        )
    return ""


def test_every_sentence_of_a_job_is_known():
    unknown = [
        text
        for text in sentences_of_the_trainer()
        if not any(pattern.fullmatch(re.sub(r"\{[^{}]*\}", "x", text)) for pattern, _ in _patterns()[:-1])
    ]
    assert not unknown


def test_every_sentence_that_the_web_side_keeps_is_known():
    """Those given to gettext in the modules that write on rows; what is answered to a request is told at once."""
    source = "".join(
        (ROOT / "annotate" / "runs" / "jobs" / f"{name}.py").read_text()
        for name in ("advancing", "launchers", "results")
    )
    kept = {
        node.args[0].value
        for node in ast.walk(ast.parse(source.replace("from __future__", "#")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_"
    }
    assert kept <= set(OF_THE_WEB_SIDE)


@pytest.mark.parametrize("sentence", [*OF_JOBS, *OF_THE_WEB_SIDE])
def test_it_is_there_in_french_with_the_same_places(sentence):
    with translation.override("fr"):
        french = translation.gettext(sentence)
    assert french != sentence or sentence.startswith(("%(run)s: %(error)s", "--lora-target"))
    assert sorted(PLACE.findall(french)) == sorted(PLACE.findall(sentence))


def test_a_failure_is_told_in_the_readers_language_without_places(tom_client, base, snapshot):
    snapshot.name = "of June"  # not what its folder is called
    snapshot.save()
    run = running(queue_run(kind="dpo", policy=base, snapshot=snapshot))
    job_of(run).fail(
        f"The snapshot {snapshot.path} has nothing to learn from in its train rankings; make one with rankings of two "
        "or more tiers, or raise max_length."
    )
    look_until(run, lambda run: run.state == "failed")
    answers = [
        tom_client.get(f"/api/runs/{run.pk}", headers={"accept-language": tongue}).json()["error"]
        for tongue in ("en", "fr")
    ]
    assert answers[0].startswith(f"The snapshot {snapshot.name} has nothing to learn from")
    assert answers[1].startswith(f"L’instantané {snapshot.name} n’a rien")
    assert not any("/" in answer for answer in answers)


def test_sentences_within_sentences_and_one_after_the_other_are_told_too():
    kept = (
        "sft-3: The job's process ended before it began its work.\nNo module named x in /srv/parley/lib/a.py"
    )
    with translation.override("fr"):
        assert told(kept).startswith("sft-3\u00a0: Le processus d’entraînement s’est terminé")
    assert told(kept).endswith("No module named x in a.py")
    assert told("It serves http://host:8000/v1/models.") == "It serves http://host:8000/v1/models."
