"""Who may import whom: import-linter's contracts, and a web process without torch."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_imports_run_one_way():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout


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
