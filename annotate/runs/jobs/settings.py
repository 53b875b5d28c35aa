"""Which settings a training job has, so that a wrong one is refused when a run is queued and not when it starts.

They are read from the job's source: importing it would bring torch into the web process.
"""

import ast
import difflib
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.runs.models import Run

# What a run's inputs decide; its settings may not say otherwise.
INPUTS = {
    "snapshot", "init_model", "model", "ref_model", "reward_model", "run_dir", "config", "prompts", "policy_version",
    "ptx_data", "server", "model_name", "judge_server", "judge_name", "judge_guidelines",
}  # fmt: skip
# Settings that name a file or a directory of the training machine: a run reads what belongs to it, nothing else.
FILES = {"annotator_weights", "reference_run"}
LIMITS = ("at_least", "above", "at_most", "unless")  # keywords of trainer.jobs.option


class Setting(NamedTuple):
    """What a setting may be: its type, those of LIMITS that it has, and its names where it is one of some."""

    type: str
    limits: dict[str, float] = {}
    one_of: tuple[Any, ...] = ()


# Settings that the web side reads itself; every other one is an option of the job.
WEB_SETTINGS = {
    "sample": {"num_prompts": Setting("int", {"at_least": 0})},
    "evaluate": {"threshold": Setting("float")},
}


@cache
def settings_of(kind: str) -> dict[str, Setting]:
    """{name: setting} of what may stand in the `config` of a run of this kind."""
    fields = _fields_of(kind, f"{kind}config")
    return {name: field for name, field in fields.items() if name not in INPUTS} | WEB_SETTINGS.get(kind, {})


def in_own_order(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """A run's settings as its job lists them, any other at the end by name; the database keeps no order."""
    places = {name: place for place, name in enumerate(settings_of(kind))}
    return {
        name: config[name] for name in sorted(config, key=lambda name: (places.get(name, len(places)), name))
    }


def _fields_of(module: str, name: str) -> dict[str, Setting]:
    """The fields of a dataclass of the trainer, with those of its bases; `name` in any letter case."""
    tree = _source_of(module)
    config = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.lower() == name.lower()
    )
    homes = {
        alias.name: (node.module or "").removeprefix("trainer.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    fields: dict[str, Setting] = {}
    for base in config.bases:
        fields |= _fields_of(homes.get(ast.unparse(base), module), ast.unparse(base))
    return fields | {
        field.target.id: _setting(field, homes)
        for field in config.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


@cache
def _source_of(module: str) -> ast.Module:
    return ast.parse(Path(settings.BASE_DIR, "trainer", f"{module}.py").read_text(encoding="utf-8"))


def _setting(field: ast.AnnAssign, homes: dict[str, str]) -> Setting:
    """What `option(…)` says of a field; a name in it is a literal of the module that it was imported from."""
    keywords = field.value.keywords if isinstance(field.value, ast.Call) else []
    said: dict[str, Any] = {}
    for keyword in keywords:
        if keyword.arg in (*LIMITS, "one_of"):
            value = keyword.value
            if isinstance(value, ast.Name):
                value = next(
                    node.value
                    for node in _source_of(homes[value.id]).body
                    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == value.id
                )
            said[keyword.arg] = ast.literal_eval(value)
    one_of = said.pop("one_of", ())
    return Setting(ast.unparse(field.annotation).removesuffix(" | None"), said, one_of)


def check_settings(kind: str, config: dict[str, Any], path: str = "config") -> None:
    """Each is a setting that the job has, with a value that its command line takes; None leaves one out."""
    known = settings_of(kind)
    for name, value in config.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, cutoff=0.5) or sorted(known)
            reason = _("A run of kind %(kind)s has no such setting. Choose among: %(names)s.") % {
                "kind": kind, "names": ", ".join(near)
            }  # fmt: skip
        elif value is None:
            continue
        elif isinstance(value, dict | list):
            reason = _("A setting is a number, a text, true or false.")
        elif isinstance(value, str) and value.startswith("-"):
            reason = _("A text may not begin with a dash.")
        elif name in FILES:
            reason = "" if place_of(name, str(value)) else WHERE[name]()
        else:
            reason = _misfit(known[name], value)
        if reason:
            raise ValidationError({f"{path}.{name}": [reason]})


WHERE: dict[str, Callable[[], str]] = {
    "annotator_weights": lambda: _("Name a file in the folder `inputs` of the data directory."),
    "reference_run": lambda: _("Name a finished run that sampled completions, for instance sample-12."),
}


def place_of(name: str, value: str) -> str:
    """The path that a setting of FILES may mean; empty where it may not. Nothing is looked for outside of these."""
    if not value:
        return ""
    if name == "reference_run":
        finished = Run.objects.filter(kind=Run.Kind.SAMPLE, state=Run.State.SUCCEEDED)
        found = finished.filter(Q(name=value) | Q(run_dir=value)).first()
        return found.run_dir if found else ""
    inputs = Path(settings.INPUTS_DIR).resolve()
    path = (inputs / value).resolve()
    return str(path) if path.is_relative_to(inputs) and not _is_special(path) else ""


def _is_special(path: Path) -> bool:
    """A device or a pipe, which could be read without end."""
    return path.exists() and not path.is_file()


def _misfit(setting: Setting, value: Any) -> str:
    """Why the job would refuse this value; empty when it would take it."""
    if setting.type == "int" and not _is(int, value):
        return _("This is a whole number.")
    if setting.type == "float" and not _is(float, value):
        return _("This is a number.")
    if setting.type == "bool" and str(value).lower() not in ("true", "false"):
        return _("This is true or false.")
    if setting.one_of and str(value) not in map(str, setting.one_of):
        return _("Give one of %(names)s.") % {"names": ", ".join(map(str, setting.one_of))}
    return _beyond(setting.limits, float(str(value))) if setting.limits else ""


def _beyond(limits: dict[str, float], value: float) -> str:
    """As trainer.jobs.check_settings has it."""
    least, most = limits.get("at_least", -math.inf), limits.get("at_most", math.inf)
    if value == limits.get("unless") or (least <= value <= most and value > limits.get("above", -math.inf)):
        return ""
    if "above" in limits:
        return _("Give a number above %(above)s.") % limits
    if "unless" in limits:
        return _("Give %(at_least)s or more, or %(unless)s.") % limits
    if "at_most" in limits:
        return _("Give a number from %(at_least)s to %(at_most)s.") % limits
    return _("Give %(at_least)s or more.") % limits


def _is(number: Callable[[str], float], value: Any) -> bool:
    try:
        return math.isfinite(number(str(value)))
    except (ValueError, OverflowError):
        return False
