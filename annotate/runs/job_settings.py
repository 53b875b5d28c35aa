"""Which settings a training job has, so that a wrong one is refused when a run is queued and not when it starts.

They are read from the job's source: importing it would bring torch into the web process.
"""

import ast
import difflib
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

# What a run's inputs decide; its settings may not say otherwise.
INPUTS = {
    "snapshot", "init_model", "model", "ref_model", "reward_model", "run_dir", "config", "prompts", "policy_version",
    "ptx_data", "server", "model_name", "judge_server", "judge_name", "judge_guidelines",
}  # fmt: skip
# Settings that the web side reads itself; every other one is an option of the job.
WEB_SETTINGS = {"sample": {"num_prompts": "int"}, "evaluate": {"threshold": "float"}}


@cache
def settings_of(kind: str) -> dict[str, str]:
    """{name: type} of what may stand in the `config` of a run of this kind."""
    fields = _fields_of(kind, f"{kind}config")
    return {name: type for name, type in fields.items() if name not in INPUTS} | WEB_SETTINGS.get(kind, {})


def _fields_of(module: str, name: str) -> dict[str, str]:
    """{field: type} of a dataclass of the trainer, with those of its bases; `name` in any letter case."""
    tree = ast.parse(Path(settings.BASE_DIR, "trainer", f"{module}.py").read_text(encoding="utf-8"))
    config = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.lower() == name.lower()
    )
    homes = {
        alias.name: (node.module or "").removeprefix("trainer.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    fields: dict[str, str] = {}
    for base in config.bases:
        fields |= _fields_of(homes.get(ast.unparse(base), module), ast.unparse(base))
    return fields | {
        field.target.id: ast.unparse(field.annotation).removesuffix(" | None")
        for field in config.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


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
        else:
            reason = _misfit(known[name], value)
        if reason:
            raise ValidationError({f"{path}.{name}": [reason]})


def _misfit(type: str, value: Any) -> str:
    """Why the job's command line would refuse this value; empty when it would take it."""
    if type == "int":
        return "" if _is(int, value) else _("This is a whole number.")
    if type == "float":
        return "" if _is(float, value) else _("This is a number.")
    if type == "bool":
        return "" if str(value).lower() in ("true", "false") else _("This is true or false.")
    return ""


def _is(number: Callable[[str], float], value: Any) -> bool:
    try:
        return math.isfinite(number(str(value)))
    except (ValueError, OverflowError):
        return False
