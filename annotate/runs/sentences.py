"""What jobs, runs and rounds say of themselves, in the language of who reads it and without places on the server.

A row keeps the English sentence, as a job wrote it, and a line for each where there are several. Here is every
sentence that may stand there (a test goes through the trainer's source): one that is found is told in the language
spoken now; paths become the names of what lies there.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as N_

from annotate.runs.models import Round, Run

OF_THE_WEB_SIDE = [
    N_(
        "The job could not be started (%(reason)s). Correct that on the training machine, then resume the run."
    ),
    N_("The job failed; its log says why."),
    N_("The machine stopped the job; it goes on from its checkpoint."),
    N_("The job's process ended without a word at step %(step)s."),
    N_("The job's process ended before it began its work."),
    N_("It was tried %(count)s times; look at its log, then resume it."),
    N_("The job's result is refused: %(reason)s"),
    N_("%(path)s holds no safetensors file."),
    N_("The manifest names no completions.jsonl."),
    N_(
        "Every prompt of %(campaign)s already waits with completions of %(policy)s; add prompts, or have those "
        "judged first."
    ),
    N_("Cancelled at %(stage)s."),
    N_(
        "None of the snapshot's prompts is held out, so the result could not be evaluated. Add prompts, raise the "
        "campaign's share that is held out, or leave the stage `evaluate` out."
    ),
    N_("%(run)s was cancelled."),
    N_("%(policy)s was promoted."),
    N_("%(policy)s was not promoted: it was not evaluated. In use before: %(stays)s."),
    N_(
        "%(policy)s was not promoted: it wins %(rate).1f %% of the time against its reference, and the lower end of "
        "the interval, %(low).1f %%, does not exceed %(threshold).1f %%. In use before: %(stays)s."
    ),
    N_("%(path)s is a hub id: its files have no hash here, so it is not served."),
    N_("The model server ended: %(words)s"),
    N_("The model server does not answer: %(error)s"),
    N_("The model server at %(url)s does not answer: %(error)s"),
    N_("It serves %(names)s."),
    N_("This job does not know the setting %(name)s."),
    N_("Name a file in the folder `inputs` of the data directory."),
    N_("Name a finished run that sampled completions, for instance sample-12."),
    N_("%(run)s: %(error)s"),
]
OF_JOBS = [
    # how a job ends
    N_("The memory is full; use a smaller batch size or max_length, or a smaller model."),
    N_("The disk is full; free some space, then run the same command again to continue."),
    N_("%(path)s may not be written or read; check its permissions."),
    N_("%(path)s: %(reason)s; check the path."),
    N_("%(kind)s stopped by an unexpected %(what)s (see log.txt)."),
    N_("Another process is already working on %(path)s; wait for it, stop it, or choose another --run-dir."),
    N_(
        "This run directory belongs to another configuration: %(names)s; repeat the original command to continue it, "
        "or choose another --run-dir."
    ),
    N_(
        "The checkpoint belongs to another configuration (%(names)s differs); repeat the original command, or choose "
        "another --run-dir."
    ),
    N_(
        "The checkpoint %(path)s belongs to another configuration (%(names)s differs); repeat the original command, "
        "or choose another --run-dir."
    ),
    N_(
        "The memory was full at step %(step)s; repeat the command with a smaller --micro-batch-tokens or "
        "--rollout-batch-size: it continues from its last checkpoint."
    ),
    N_(
        "%(name)s became %(value)s at step %(step)s; start a new run with a lower learning rate, or continue from the "
        "last checkpoint after mending the data."
    ),
    # settings
    N_("%(name)s is %(value)s; give one of %(names)s."),
    N_("%(name)s is %(value)s; give a finite number."),
    N_("%(name)s is %(value)s; give a number above %(above)s."),
    N_("%(name)s is %(value)s; give %(wanted)s."),
    N_("%(words)s; --help lists the settings."),
    N_("%(rule)s; correct the option."),
    N_("temperature must be 0 or more, top_p above 0 and at most 1, max_new_tokens 1 or more; got %(got)s."),
    N_("A stop string is empty; every text contains it. Leave it out."),
    N_("--stop %(text)s is no JSON list of strings."),
    N_("--lora-target %(target)s: %(reason)s"),
    N_("--temperature must be above 0: PPO learns from sampled completions."),
    N_(
        "--batch-size %(size)s cannot be divided over %(processes)s processes and %(parts)s minibatches; choose a "
        "multiple of their product."
    ),
    N_("--shard-weights cuts models apart that --lora-rank lets share one base; leave one of the two out."),
    N_("--score-every needs whole weights on each device; leave it at 0 under FSDP or DeepSpeed."),
    N_(
        "--score-every needs validation prompts that leave room for %(num)s tokens, and %(path)s has none; lower "
        "max_new_tokens, or leave score_every at 0."
    ),
    N_("--split must be train or validation, not %(split)s."),
    N_("best_of chooses among different candidates; give a temperature above 0."),
    N_("criteria has the weight %(weight)s; write name=number, or names alone."),
    N_("criteria gives a weight to some names only; give one to all, or to none to learn them."),
    N_("dataset_weights has %(part)s; write name=number, with commas between."),
    N_("dataset_weights has %(part)s; write a name and a weight of 0 or more."),
    N_(
        "dataset_weights names %(names)s, and no demonstration is from there; write a source or campaign of the "
        "snapshot."
    ),
    N_("%(path)s is no JSON object of annotators and weights (%(reason)s)."),
    N_("%(path)s holds a weight that is negative or no number; correct it."),
    N_("%(path)s gives every annotator of the train rankings the weight 0."),
    # data
    N_(
        "The snapshot %(path)s has nothing to learn from in its train rankings; make one with rankings of two or more "
        "tiers, or raise max_length."
    ),
    N_(
        "The snapshot %(path)s has no ranking with a pair to train on; make one from a campaign with rankings, or "
        "raise max_length."
    ),
    N_(
        "The snapshot %(path)s has no demonstration to train on; make one from a campaign with demonstrations, or "
        "raise max_length."
    ),
    N_(
        "The snapshot %(path)s has no validation prompts, so nothing can be measured; make a snapshot with a larger "
        "validation share or more prompts."
    ),
    N_(
        "The snapshot %(path)s has no train prompts to roll out; make one of campaigns with prompts, or lower "
        "--max-new-tokens if all are too long."
    ),
    N_(
        "KTO needs desirable and undesirable completions, and the train rankings give %(counts)s; rank more, or "
        "choose the other --labels."
    ),
    N_("No validation prompt fits the model's context beside max_new_tokens; lower max_new_tokens."),
    N_("No prompt fits the model's context beside max_new_tokens; lower max_new_tokens."),
    N_("No train ranking says anything of the criterion %(name)s; rated are: %(names)s."),
    N_("rating_coef asks for ratings and the train rankings have none; leave it at 0."),
    N_("margin ratings needs ratings of the criterion 'overall', and the train rankings have none."),
    N_("%(path)s holds no prompt to sample for; add prompts and retry."),
    N_(
        "%(path)s holds no completions for the prompts of %(snapshot)s; sample from this snapshot's prompts, or leave "
        "--reference-run out."
    ),
    N_("Ranking %(ranking)s ranks %(completion)s, which it does not hold; make the snapshot again."),
    N_(
        "Demonstration %(id)s has the weight %(weight)s, which is no number of 0 or more; correct it and make the "
        "snapshot again."
    ),
    N_(
        "%(num)s examples cannot be shared among %(processes)s processes with %(passes)s forward passes a step; use "
        "fewer processes or a lower gradient_accumulation_steps."
    ),
    N_("%(where)s is not a JSON object; make the snapshot again."),
    N_("%(where)s lacks the column %(names)s; make the snapshot again."),
    N_("%(where)s has a split that is not train or validation."),
    N_("%(where)s is not JSON (%(reason)s); make the snapshot again."),
    N_(
        "%(path)s is not of format version %(version)s, which this trainer reads; make the snapshot again or use the "
        "trainer that belongs to it."
    ),
    N_("%(path)s lists no files; make the snapshot again."),
    N_("%(path)s already exists and a snapshot is never changed; choose another name."),
    N_("%(path)s appeared meanwhile; make the snapshot under another name."),
    N_("%(path)s has no manifest.json, so it is not a finished snapshot; check the path or make it again."),
    N_("%(path)s cannot be read (%(reason)s); make the snapshot again."),
    N_(
        "%(name)s of the snapshot %(path)s has %(rows)s rows where the manifest says %(expected)s; restore the file "
        "or make the snapshot again."
    ),
    N_(
        "%(name)s of the snapshot %(path)s was changed later (its sha256 differs); restore the file or make the "
        "snapshot again."
    ),
    N_(
        "%(name)s of the snapshot %(path)s cannot be read (%(reason)s); restore the file or make the snapshot again."
    ),
    # models
    N_("%(path)s is no directory on this machine; check the path."),
    N_("%(path)s holds no config.json, so it is no model directory."),
    N_(
        "%(path)s holds no .safetensors file; other weight files can run code and are not loaded. Convert them."
    ),
    N_("The files in %(path)s are not the ones that were registered; restore them or register them anew."),
    N_("%(path)s is no ordinary file; take it out of the model's directory."),
    N_("There is no model directory %(path)s; check the path."),
    N_("The run %(run)s is not finished, so its model cannot be used; finish the run first."),
    N_("The run %(run)s made no model; name a run of kind sft, reward or ppo."),
    N_("%(path)s holds %(found)s; convert the model to safetensors (save_pretrained does) and retry."),
    N_(
        "There is no directory %(name)s here and the hub shows no model of that id; check the spelling, or sign in "
        "with `hf auth login` if it is private."
    ),
    N_(
        "There is no directory %(name)s here and the hub cannot be reached; give a model's directory, or check the "
        "connection of the training machine."
    ),
    N_("%(name)s on the hub is no model: it has no config.json; check the id."),
    N_("%(name)s cannot be loaded as %(kind)s: %(reason)s"),
    N_("The tokenizer of %(name)s names no end token; set eos_token in its tokenizer_config.json."),
    N_("The model's chat template refuses a conversation: %(reason)s."),
    N_("%(kind)s has no `score` head; use a decoder model such as Llama, Qwen or GPT."),
    N_("%(name)s has no %(file)s, so it is not a reward model; name a reward run."),
    N_(
        "%(kind)s keeps no key-value cache and cannot be sampled from here; use an attention model such as Llama, "
        "Qwen, Mistral, Gemma or GPT."
    ),
    N_(
        "%(model)s and %(other)s have different tokenizers: no KL joins them; compare a policy with the model it was "
        "trained from."
    ),
    N_("%(model)s and %(other)s have different vocabularies; the KL needs one."),
    N_(
        "The policy's probabilities are no numbers: its weights are damaged or its training diverged; choose another "
        "model."
    ),
    N_(
        "The reward model gives scores that are no numbers; choose another, or train it again with a lower learning "
        "rate."
    ),
    N_(
        "All completions of the reference policy have the same score, so there is no scale to bring to 1; look at the "
        "reward model, or set --normalize-scores 0."
    ),
    # run directories
    N_("%(path)s has no manifest.json: its run is not finished. Run its command again to finish it."),
    N_("%(path)s has an unknown format; repeat the run with this version."),
    N_("%(path)s is missing; check the path of the run directory."),
    N_("%(path)s cannot be read (%(reason)s); restore the file or start a new run."),
    N_("%(path)s is listed in the manifest but missing; restore it or repeat the run."),
    N_("%(path)s was changed after the run (its sha256 differs); repeat the run."),
]
PLACE = re.compile(r"%\((\w+)\)(?:s|\.\df)")
# An absolute path, of which the last part is told; what follows a colon or a word is part of an address.
PATH = re.compile(r"(?<![\w/:.~-])/(?:[^\s/'\"(),;]+/)*([^\s/'\"(),;:]+)")


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Each sentence as what finds it, those with most words of their own first."""
    made = []
    for sentence in [*OF_THE_WEB_SIDE, *OF_JOBS]:
        words = [re.escape(part.replace("%%", "%")) for part in PLACE.split(sentence)[::2]]
        names = PLACE.findall(sentence)
        places = [f"(?P<{name}>.+)" for name in names] + [""]
        pattern = "".join(part for pair in zip(words, places, strict=True) for part in pair)
        made.append((len("".join(words)), re.compile(pattern, re.DOTALL), sentence))
    return [(pattern, sentence) for _size, pattern, sentence in sorted(made, key=lambda one: -one[0])]


def told(text: str, names: Mapping[str, str] | None = None) -> str:
    """What a row keeps, for whoever reads it now. `names`: of what lies at a path."""
    return " ".join(_told(line, names or {}) for line in text.split("\n") if line.strip())


def _told(line: str, names: Mapping[str, str]) -> str:
    for pattern, sentence in _patterns():
        if found := pattern.fullmatch(line):
            said = PLACE.sub(r"%(\1)s", gettext(sentence))
            return said % {name: _value(name, value, names) for name, value in found.groupdict().items()}
    return _without_places(line, names)


def _value(name: str, value: str, names: Mapping[str, str]) -> str:
    if name in ("error", "reason", "words", "rule"):
        return _told(value, names)
    return gettext(value) if name in ("stage", "stays") else _without_places(value, names)


def _without_places(text: str, names: Mapping[str, str]) -> str:
    for path in sorted(names, key=len, reverse=True):
        text = text.replace(path, names[path])
    return PATH.sub(r"\1", text)


def names_of(run: Run) -> dict[str, str]:
    """{path: name} of what a run reads and writes."""
    rows: list[Any] = [run.snapshot, run.policy, run.ref_policy, run.reward_model]
    named = {row.path: row.name for row in rows if row is not None}
    return named | {run.run_dir: run.name} if run.run_dir else named


def error_of_run(run: Run) -> str:
    return told(run.error, names_of(run))


def error_of_round(round: Round) -> str:
    named = {round.snapshot.path: round.snapshot.name} if round.snapshot else {}
    return told(round.error, named)
