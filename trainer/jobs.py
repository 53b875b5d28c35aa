"""What every `python -m trainer.<kind>` shares: its command line, its log, and how it ends.

    exit 0  finished (or had already finished)      exit 2  refused or failed, said in one sentence
    exit 3  stopped on request after a checkpoint   exit 1  a fault of ours; the traceback is in log.txt

torch is not imported before the command line is understood, so `--help` and a wrong option answer at once.
"""

from __future__ import annotations

import dataclasses
import errno
import gc
import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from trainer import run_dir
from trainer.model_card import write_model_card
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.snapshot import SnapshotError

log = logging.getLogger("trainer")
Outcome = tuple[dict[str, Any], dict[str, Any]]  # metrics and inputs of the manifest

# What the settings of these names may be, in whatever job has them; no number may be NaN or infinite.
ONE_OR_MORE = (
    *("logging_steps", "sample_every", "checkpoint_every", "gradient_accumulation_steps", "max_length"),
    *("per_device_batch_size", "batch_size", "num_mini_batches", "kl_horizon", "concurrency", "length_pool"),
    *("num_score_prompts", "ensemble_size", "num_episodes", "max_new_tokens", "num_ppo_epochs"),
    *("num_completions", "best_of", "judge_max_new_tokens"),
)
NOT_NEGATIVE = (
    *("learning_rate", "scalar_learning_rate", "value_learning_rate", "weight_decay", "warmup_steps"),
    *("num_warmup_steps", "eval_steps", "eval_every", "save_steps", "save_minutes", "micro_batch_tokens"),
    *(
        "rollout_batch_size",
        "num_samples",
        "num_eval_prompts",
        "num_prompts",
        "num_rankings",
        "max_resamples",
    ),
    *("kl_coef", "kl_target", "max_kl", "max_update_kl", "score_clip", "normalize_scores", "value_coef"),
    *("ptx_coef", "ptx_batch_size", "lora_rank", "rating_coef", "judgement_coef", "length_coef"),
    *("prior_scale", "eval_temperature", "score_temperature", "score_every", "score_patience"),
    *("neftune_alpha", "clip_range", "value_clip_range", "penalty_coef", "importance_cap", "seed"),
    *("tie_parameter", "pairs_per_ranking", "undesirable_weight"),
)
ABOVE_ZERO = ("num_epochs", "max_grad_norm", "penalty_target", "lora_alpha")
SHARES = ("gamma", "lam", "lr_end_share", "ema_decay", "lora_dropout", "adam_beta2")
SCHEDULERS = ("linear", "cosine", "constant", "constant_with_warmup")

EXIT_FINISHED, EXIT_FAULT, EXIT_REFUSED, EXIT_STOPPED = 0, 1, 2, 3


def option(help: str, default: Any = dataclasses.MISSING) -> Any:
    """A field of a job's configuration with its line of --help; without a default it is required."""
    return dataclasses.field(default=default, metadata={"help": help})


def parse_config(config_type: type, argv: list[str]) -> Any:
    """The job's dataclass from its command line; `--config FILE.json` gives the same names, the line wins."""
    from transformers import HfArgumentParser
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    arguments = list(argv)
    if "--config" in arguments:
        at = arguments.index("--config")
        if at + 1 >= len(arguments):
            raise RunError("--config needs the name of a JSON file.")
        arguments = _from_file(config_type, Path(arguments[at + 1])) + arguments[:at] + arguments[at + 2 :]
    parser = HfArgumentParser(config_type, allow_abbrev=False)  # type: ignore[arg-type]
    parser.add_argument(
        "--config", metavar="FILE", help="JSON file with the same names; this line wins over it"
    )

    def refuse(message: str) -> NoReturn:
        raise RunError(f"{message}; --help lists the settings.")

    parser.error = refuse  # type: ignore[method-assign]
    config, _, unknown = parser.parse_args_into_dataclasses(
        arguments, look_for_args_file=False, return_remaining_strings=True
    )
    if unknown:
        refuse(f"This job does not know {' '.join(unknown)}")
    return config


def check_settings(config: Any) -> None:
    """Refuse a number or a schedule that no job can work with, before anything is loaded."""
    for name, value in dataclasses.asdict(config).items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not math.isfinite(value):
            raise RunError(f"{name} is {value}; give a finite number.")
        for names, holds, wanted in (
            (ONE_OR_MORE, is_number and value >= 1, "1 or more"),
            (NOT_NEGATIVE, is_number and value >= 0, "0 or more"),
            (ABOVE_ZERO, is_number and value > 0, "a number above 0"),
            (SHARES, is_number and 0 <= value <= 1, "a number from 0 to 1"),
            (
                ("max_steps",),
                value == -1 or (is_number and value >= 1),
                "1 or more, or -1 to go by num_epochs",
            ),
            (("seed",), is_number and value < 2**32, "a number below 2**32"),
            (("lr_scheduler",), value in SCHEDULERS, f"one of {', '.join(SCHEDULERS)}"),
        ):
            if name in names and not holds:
                raise RunError(f"{name} is {value}; give {wanted}.")


def _from_file(config_type: type, path: Path) -> list[str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"The configuration {path} cannot be read: {error}.") from None
    if not isinstance(values, dict):
        raise RunError(f"The configuration {path} must hold one JSON object of names and values.")
    values.pop("kind", None)  # a run's own config.json can be given again
    known = {field.name for field in dataclasses.fields(config_type)}
    if unknown := sorted(set(values) - known):
        raise RunError(f"The configuration {path} names what this job does not know: {', '.join(unknown)}.")
    arguments = []
    for name, value in values.items():
        if value is not None:
            arguments += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    return arguments


def run_job(
    kind: str,
    config_type: type,
    train: Callable[[Any, RunDir], Outcome],
    argv: list[str] | None = None,
    one_process: bool = False,
) -> int:
    """Parse, open the run directory, call `train(config, run) -> (metrics, inputs)`, end in an orderly way.

    `train` raises RunError for what the user can mend, RunStopped once it has saved a checkpoint on request.
    A job that gains nothing from several processes says one_process: under a launcher, rank 0 does it alone.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        config = parse_config(config_type, arguments)
        check_settings(config)
    except RunError as error:
        print(error, file=sys.stderr)
        run_dir.leave_refusal(_named_run_dir(arguments), kind, str(error))
        return EXIT_REFUSED
    if one_process and os.environ.get("RANK", "0") != "0":
        return EXIT_FINISHED
    if run_dir.is_finished(config.run_dir):
        run_dir.settle_finished(config.run_dir)
        print(f"{config.run_dir} is already finished; nothing was done.", file=sys.stderr)
        return EXIT_FINISHED
    try:
        run = run_dir.start(config.run_dir, kind, dataclasses.asdict(config))
    except (RunError, OSError) as error:
        print(sentence_for(error) or error, file=sys.stderr)
        run_dir.leave_refusal(config.run_dir, kind, sentence_for(error) or str(error))
        return EXIT_REFUSED
    undo_logging = _log_to(run)
    try:
        return _run(kind, config, train, run)
    finally:
        run.close()
        undo_logging()


def _named_run_dir(arguments: list[str]) -> str:
    """The run directory of a command line that could not be understood; empty where it names none."""
    for at, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in ("--run-dir", "--run_dir"):
            return value or "".join(arguments[at + 1 : at + 2])
    return ""


def _run(kind: str, config: Any, train: Callable[[Any, RunDir], Outcome], run: RunDir) -> int:
    log.info("%s begins in %s", kind, run.path)
    try:
        metrics, inputs = train(config, run)
        if run.writes:
            write_model_card(run.model_dir, kind, dataclasses.asdict(config), metrics, inputs)
        run.finish(metrics, inputs)
    except RunStopped:
        run.cancelled()
        log.info("%s stopped on request; the same command continues it", kind)
        return EXIT_STOPPED
    except BaseException as error:
        said = sentence_for(error)
        what = f"{type(error).__name__}: {_first_line(error)}"
        sentence = said or f"{kind} stopped by an unexpected {what} (see log.txt)."
        _append_traceback(run)
        log.error(sentence)
        try:
            run.fail(sentence)
        except OSError as disk_error:  # a full disk: the heartbeat that ends will tell
            log.error("The status could not be written: %s", disk_error)
        if not isinstance(error, Exception):
            raise
        return EXIT_REFUSED if said else EXIT_FAULT
    finally:
        gc.collect()  # models of a finished job do not stay beside the next one in the same process
    log.info("%s finished: %s", kind, json.dumps(metrics))
    return EXIT_FINISHED


def sentence_for(error: BaseException) -> str | None:
    """What happened and what to do, for errors that are not a fault of the program."""
    text = str(error)
    if isinstance(error, RunError | SnapshotError):
        return text
    if is_out_of_memory(error):
        return "The memory is full; use a smaller batch size or max_length, or a smaller model."
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text:
        return "The disk is full; free some space, then run the same command again to continue."
    if isinstance(error, PermissionError):
        return f"{error.filename} may not be written or read; check its permissions."
    if isinstance(error, FileNotFoundError | NotADirectoryError | FileExistsError) and error.filename:
        return f"{error.filename}: {error.strerror}; check the path."
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of a device was full; the CPU's allocator says so in words only."""
    said = ("not enough memory", "can't allocate memory")
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(words in str(error) for words in said)
    )


def check_finite(step: int, **values: float) -> None:
    """A loss that is no number never comes back: stop instead of training on."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise RunError(
                f"{name} became {value} at step {step}; start a new run with a lower learning rate, "
                "or continue from the last checkpoint after mending the data."
            )


def input_entry(path: str | Path) -> dict[str, Any]:
    """How the manifest names an input: its path, and the hash of its manifest where it has one."""
    folder = Path(path)
    entry: dict[str, Any] = {"path": str(path)}
    for manifest in (folder / "manifest.json", folder.parent / "manifest.json"):
        if manifest.is_file() and (manifest.parent == folder or folder.name == "model"):
            return entry | {"manifest_sha256": run_dir.describe_file(manifest)["sha256"]}
    return entry


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["without a message"])[0][:200]


def _append_traceback(run: RunDir) -> None:
    if run.writes:
        try:
            with open(run.path / "log.txt", "a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
        except OSError:
            log.debug("The traceback could not be written")


def _log_to(run: RunDir) -> Callable[[], None]:
    """Everything said goes to standard error and log.txt; gives the function that undoes it."""
    root = logging.getLogger()
    places: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if run.writes:
        places.append(logging.FileHandler(run.path / "log.txt", encoding="utf-8"))
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    level, log_level = root.level, log.level
    for place in places:
        place.setFormatter(form)
        root.addHandler(place)
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO if run.writes else logging.WARNING)

    def undo() -> None:
        root.setLevel(level)
        log.setLevel(log_level)
        for place in places:
            root.removeHandler(place)
            place.close()

    return undo
