"""Who may import whom, a web process without torch, and which worker does what."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings

from annotate.celery import app

ROOT = Path(__file__).resolve().parent.parent


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_imports_run_one_way():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout


FLOORS = ["accounts", "campaigns", "feedback", "quality", "exchange", "snapshots", "runs"]


def names_in(source: str) -> Iterator[tuple[int, str]]:
    """Attributes, and the parts of lookups: `campaign.units`, `Count("units__open_slots")`, `filter(units__in=…)`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield from ((node.value.lineno, part) for part in node.arg.split("__"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "__" in node.value:
            yield from ((node.lineno, part) for part in re.findall(r"[a-z]+(?:_[a-z]+)*", node.value))


def test_no_lower_floor_climbs_by_the_name_of_a_relation():
    """A table of an upper app points down; its name on the lower row (`campaign.units`) is for the upper ones alone."""
    upper: dict[str, set[str]] = {}
    for model in apps.get_models():
        below = model._meta.app_label
        for relation in model._meta.related_objects if below in FLOORS else []:
            above = relation.related_model._meta.app_label
            if above in FLOORS[FLOORS.index(below) + 1 :]:
                for name in {relation.name, relation.get_accessor_name()} - {None}:
                    upper.setdefault(name, set()).add(above)
    assert {"tallies", "assignments", "runs", "promotions"} <= set(upper)
    climbs = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for floor, app in enumerate(FLOORS)
        for path in (ROOT / "annotate" / app).rglob("*.py")
        if "migrations" not in path.parts
        for line, name in names_in(path.read_text())
        if upper.get(name, set()) & set(FLOORS[floor + 1 :])
    ]
    assert climbs == []


def test_the_web_process_holds_no_torch():
    result = run_python(
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'annotate.settings'\n"
        "import django; django.setup()\n"
        "import annotate.urls, annotate.asgi, annotate.celery\n"
        "annotate.celery.app.loader.import_default_modules()\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_the_two_file_formats_need_the_standard_library_only():
    result = run_python(
        "import sys; before = set(sys.modules); import trainer.snapshot, trainer.run_dir\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - {'trainer'}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_every_queue_has_a_worker_wherever_parley_is_started():
    """Work in a queue that nobody listens to would wait for ever, without a word."""
    routes = [route["queue"] for route in settings.CELERY_TASK_ROUTES.values()]
    for place in (
        "annotate/operating/processes.py",
        "deploy/compose.yaml",
        "docs/operators/deploy.md",
        "tests/site.py",
    ):
        text = (ROOT / place).read_text()
        named = re.findall(r'(?:--queues", "|-Q", "|-Q |queues: str = ")([a-z,]+)', text)
        assert {*routes, settings.CELERY_TASK_DEFAULT_QUEUE} <= set(",".join(named).split(",")), place


def test_what_lasts_long_never_stands_before_what_people_wait_for():
    """A lease that runs out, or agreement, is not kept waiting by an import or a snapshot."""
    app.loader.import_default_modules()
    queues = {
        name: app.amqp.router.route({}, name)["queue"].name
        for name in app.tasks
        if name.startswith("annotate.")
    }
    assert {name for name, queue in queues.items() if queue == "files"} == {
        "annotate.exchange.tasks.advance_imports",
        "annotate.snapshots.tasks.advance_snapshots",
    }
    assert queues["annotate.feedback.tasks.expire_leases"] == "web"
