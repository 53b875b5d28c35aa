"""`serve`, as documented behind a proxy: it starts, replaces what dies, is alone, and leaves nothing behind."""

import os
import signal
import socket
import stat
import sys
from contextlib import suppress

import httpx
import psutil
import pytest
from django.core.management import CommandError

from annotate.operating.processes import Processes
from tests.site import Site, free_port

pytestmark = pytest.mark.slow

BEHIND_A_PROXY = {
    "PARLEY_HTTPS": "true",
    "PARLEY_HOSTS": "annotate.example.org",
    "PARLEY_ORIGINS": "https://annotate.example.org",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("serve"), own_postgres=True, **BEHIND_A_PROXY)
    start(site)
    yield site
    site.stop()


def start(site: Site) -> None:
    site._spawn("serve", sys.executable, "manage.py", "serve", "--port", str(site.port))
    site.wait_until(
        lambda: "Parley is at" in (site.data / "serve.log").read_text(), 90, "serve did not start"
    )


def parts(site: Site) -> dict[str, psutil.Process]:
    """What serve has started, by name, and their own children as `web 0`, `worker 0` …"""
    found = {}
    signs = {"granian": "web", " web,train ": "worker", " files ": "files", " beat ": "beat"}
    for process in psutil.Process(site.processes["serve"].pid).children():
        with suppress(psutil.Error):  # it has just ended
            line = " ".join(process.cmdline())
            for name in (name for sign, name in signs.items() if sign in line):
                found[name] = process
                found |= {f"{name} {i}": child for i, child in enumerate(process.children())}
    return found


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(site: Site) -> bool:
    try:
        asked = {"Host": "annotate.example.org", "X-Forwarded-Proto": "https"}
        return httpx.get(f"{site.url}/", headers=asked, timeout=2).status_code in (
            200,
            503,
        )  # 503: no front end here
    except httpx.HTTPError:
        return False


def test_it_starts_under_the_host_name_of_its_proxy_alone(site):
    assert httpx.get(f"{site.url}/healthz").json() == {"status": "ok"}  # a probe on this machine
    assert answers(site)
    assert httpx.get(f"{site.url}/api/me").status_code == 400  # another host name
    plain = httpx.get(f"{site.url}/api/me", headers={"Host": "annotate.example.org"})
    assert plain.headers["Location"] == "https://annotate.example.org/api/me"
    assert {"web", "worker", "files", "beat"} <= set(parts(site))


def test_a_second_one_is_refused_on_another_port_too(site):
    again = site.manage("serve", "--port", str(free_port()), check=False)
    assert again.returncode == 1 and "runs on this data directory already" in again.stderr
    assert str(site.processes["serve"].pid) in again.stderr


def test_a_port_that_is_taken_is_refused(settings, tmp_path):
    settings.PARLEY_DATA = tmp_path
    with socket.create_server(("127.0.0.1", 0)) as listening, open(tmp_path / "lock", "w") as lock:
        port = listening.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} is taken"):
            Processes(port).start(lock)


@pytest.mark.parametrize(
    "names", [["beat", "worker", "files", "web"], ["web 0"]], ids=["parts", "a worker of the web"]
)
def test_parts_that_die_are_started_again(site, names):
    before = parts(site)
    for name in names:
        before[name].kill()

    def are_back() -> bool:
        now = parts(site)
        return all(name in now and now[name].pid != before[name].pid for name in names) and answers(site)

    site.wait_until(are_back, 60, f"{names} were not started again")
    if "web" in names:  # a worker without its main process would go on serving the old code
        assert has_ended(before["web 0"])
        log = (site.data / "serve.log").read_text()
        assert all(f"{name} ended (exit -9): started again" in log for name in names)


def test_what_others_on_this_machine_may_not_read(site):
    for name in ("uploads", "incoming", "runs", "snapshots", "logs"):
        assert stat.S_IMODE((site.data / name).stat().st_mode) == 0o700, name


def test_killed_it_leaves_nothing_behind_and_starts_again_at_once(site):
    left = parts(site)
    os.kill(site.processes["serve"].pid, signal.SIGKILL)
    site.processes.pop("serve").wait()
    site.wait_until(lambda: all(map(has_ended, left.values())), 5, f"{left} were left behind")
    (site.data / "serve.log").write_text("")
    start(site)
    assert answers(site)
