"""How processes are started, without Django: the web server's command line, and ending with one's parent."""

import ctypes
import os
import signal
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def web_command(port: int, host: str = "127.0.0.1", workers: int = 1) -> list[str]:
    """granian with annotate/asgi.py; a worker that dies is replaced."""
    return [
        str(BIN / "granian"), "--interface", "asginl", "--http", "1", "--no-ws",
        "--host", host, "--port", str(port), "--workers", str(workers),
        "--respawn-failed-workers", "--workers-kill-timeout", "5", "annotate.asgi:application",
    ]  # fmt: skip


def end_with_parent(parent: int) -> None:
    """Linux kills this process once the one that started it is gone, however that ended; elsewhere it stays."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was quicker
            os._exit(1)
