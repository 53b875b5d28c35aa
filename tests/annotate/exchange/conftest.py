"""The real files lie beside the project where they are present; every test of ours passes without them."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(__file__).resolve().parent / "samples"
REAL = ROOT.parent / "shared" / "data"


@pytest.fixture
def real_data() -> Path:
    if not (REAL / "FACTS.json").exists():
        pytest.skip("the real data is not beside the project")
    return REAL


@pytest.fixture
def import_files():
    """import_files(path, …, campaign=NAME, …) -> the report that the command prints."""

    def run(*paths: Path, campaign: str = "Imported", **options: str) -> dict:
        out = io.StringIO()
        call_command("import_feedback", *map(str, paths), campaign=campaign, json=True, stdout=out, **options)
        return json.loads(out.getvalue())

    return run
