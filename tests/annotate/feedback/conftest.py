"""A small outside model server for tests of suggestions and chats."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def model_server():
    script = Path(__file__).with_name("model_server.py")
    server = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    yield int(server.stdout.readline())
    server.kill()
    server.wait()
