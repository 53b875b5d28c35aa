"""A process that has imported what is dear to import, and forks for whatever it is asked to run.

`warm.prefix` stands where `python -m` would. The stand-in that it starts hands over its arguments, environment,
directory and standard streams, passes signals on, and ends as the program ends; killed, it takes the program along.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from typing import NoReturn

OF_JOBS = """
import datasets, peft, torch
from transformers import AutoTokenizer, LlamaForCausalLM
from trl import RewardTrainer, SFTTrainer
"""


class Warm:
    """`setup` is Python that runs once, in the process that every program is forked from."""

    def __init__(self, setup: str, env: dict[str, str]) -> None:
        self.env = dict(env)
        self.directory = tempfile.TemporaryDirectory(prefix="warm-")  # a short name: a socket lies in it
        path = os.path.join(self.directory.name, "socket")
        self.prefix = [sys.executable, "-S", "-E", __file__, path]
        line = [sys.executable, __file__, "--serve", path, setup]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, env=self.env, stdin=pipe, stdout=pipe, start_new_session=True)
        assert self.process.stdout and self.process.stdout.readline(), "the warm process ended as it began"

    def run(self, *program: str, **options) -> subprocess.CompletedProcess[str]:
        line = [*self.prefix, *program]
        return subprocess.run(line, env=self.env, capture_output=True, text=True, **options)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


@cache
def warm_jobs() -> Warm:
    """For training jobs: each would take seconds to import torch. It ends with the tests."""
    return Warm(OF_JOBS, os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"})


# ---------------------------------------------------------------- the process that forks


def serve(path: str, setup: str) -> None:
    exec(setup, {"__name__": "setup"})  # noqa: S102 (the tests' own)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:  # else the tests have ended
            connection, _address = listening.accept()
            if not os.fork():
                listening.close()
                return keep(connection)
            connection.close()


def keep(connection: socket.socket) -> None:
    """One program, from its request to its end, or until nobody waits for it any more. Returns as the program."""
    data, streams, _flags, _address = socket.recv_fds(connection, 1 << 16, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 16)
    has_ended, end = socket.socketpair()
    end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # else nothing is written there
    signal.set_wakeup_fd(end.fileno())
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for held in (connection, has_ended, end):
            held.close()
        return run(streams, **json.loads(data[1:]))
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{pid}\n".encode())
    if has_ended not in select.select([has_ended, connection], [], [])[0]:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    with suppress(OSError):
        connection.sendall(f"{os.waitpid(pid, 0)[1]}\n".encode())
    os._exit(0)


def run(streams: list[int], program: list[str], env: dict[str, str], cwd: str) -> None:
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (open(n, "w" if n else "r", closefd=False) for n in range(3))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    name, sys.argv = program[0], program
    if name == "-":
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), {"__name__": "__main__"})  # noqa: S102 (as `python -`)
    elif name.endswith(".py"):
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)


# ---------------------------------------------------------------- who stands in for the program


def stand_in(path: str, *program: str) -> NoReturn:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        asked = {"program": program, "env": dict(os.environ), "cwd": os.getcwd()}
        socket.send_fds(connection, [b"\0"], [0, 1, 2])
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answers = connection.makefile()
        pid = int(answers.readline())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: os.kill(pid, number))
        status = int(answers.readline() or signal.SIGKILL)
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        sys.path[0] = os.getcwd()
        serve(*sys.argv[2:])
    else:
        stand_in(*sys.argv[1:])
