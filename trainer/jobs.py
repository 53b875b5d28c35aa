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
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from trainer import run_dir
from trainer.files import why_unreadable
from trainer.model_card import write_model_card
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.snapshot import SnapshotError

log = logging.getLogger("trainer")
Outcome = tuple[dict[str, Any], dict[str, Any]]  # metrics and inputs of the manifest

SCHEDULERS = ("linear", "cosine", "constant", "constant_with_warmup")  # of the learning rate
PRECISIONS = ("auto", "bf16", "no")
EXIT_FINISHED, EXIT_FAULT, EXIT_REFUSED, EXIT_STOPPED = 0, 1, 2, 3


def option(
    help: str,
    default: Any = dataclasses.MISSING,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    unless: float | None = None,
    one_of: Sequence[Any] = (),
) -> Any:
    """A field of a job's configuration with its line of --help; without a default it is required.

    What no job can work with is refused by `check_settings`: numbers below `at_least` (and then over `at_most`) or
    not above `above`, apart from `unless`; what is not `one_of` some. The web side reads these from the source
    (annotate/runs/jobs/settings.py): they are literals, or names of literals.
    """
    limits = {"at_least": at_least, "above": above, "at_most": at_most, "unless": unless, "one_of": one_of}
    return dataclasses.field(default=default, metadata={"help": help, **limits})


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
    # The parser gives argparse all metadata: it gets the lines of help without the limits.
    types = typing.get_type_hints(config_type)
    lines = [
        (
            field.name,
            types[field.name],
            dataclasses.field(default=field.default, metadata={"help": field.metadata["help"]}),
        )
        for field in dataclasses.fields(config_type)
    ]
    on_the_line = dataclasses.make_dataclass(config_type.__name__, lines, kw_only=True)
    parser = HfArgumentParser(on_the_line, allow_abbrev=False)  # type: ignore[arg-type]
    parser.add_argument(
        "--config", metavar="FILE", help="JSON file with the same names; this line wins over it"
    )

    def refuse(message: str) -> NoReturn:
        raise RunError(f"{message}; --help lists the settings.")

    parser.error = refuse  # type: ignore[method-assign]
    settings, _, unknown = parser.parse_args_into_dataclasses(
        arguments, look_for_args_file=False, return_remaining_strings=True
    )
    if unknown:
        refuse(f"This job does not know {' '.join(unknown)}")
    return config_type(**dataclasses.asdict(settings))


def check_settings(config: Any) -> None:
    """Refuse what an option's limits exclude, and numbers that are none, before anything is loaded."""
    for field in dataclasses.fields(config):
        name, value, limits = field.name, getattr(config, field.name), field.metadata
        if limits["one_of"] and value not in limits["one_of"]:
            raise RunError(f"{name} is {value}; give one of {', '.join(map(str, limits['one_of']))}.")
        if isinstance(value, bool) or not isinstance(value, int | float) or value == limits["unless"]:
            continue
        if not math.isfinite(value):
            raise RunError(f"{name} is {value}; give a finite number.")
        least, above, most = limits["at_least"], limits["above"], limits["at_most"]
        if above is not None and value <= above:
            raise RunError(f"{name} is {value}; give a number above {above}.")
        if least is not None and not least <= value <= (math.inf if most is None else most):
            wanted = f"{least} or more" if most is None else f"a number from {least} to {most}"
            others = "" if limits["unless"] is None else f", or {limits['unless']}"
            raise RunError(f"{name} is {value}; give {wanted}{others}.")


def _from_file(config_type: type, path: Path) -> list[str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"The configuration {path} cannot be read: {why_unreadable(error)}.") from None
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
