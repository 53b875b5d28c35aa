"""A browser test that was too slow is asked once more (tests/e2e/conftest.py): each is named, and two fail the run."""

from pytest import ExitCode

MAX_RERUNS = 1


def reruns_of(config) -> list[str]:
    """On every worker: their reports are told to the one that prints."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [report.nodeid for report in reporter.stats.get("rerun", [])] if reporter else []


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == ExitCode.OK and len(reruns_of(session.config)) > MAX_RERUNS:
        session.exitstatus = ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if not (names := reruns_of(config)):
        return
    terminalreporter.section("asked once more")
    for report in terminalreporter.stats["rerun"]:
        terminalreporter.line(f"{report.nodeid}\n{report.longreprtext}")
    if len(names) > MAX_RERUNS:
        terminalreporter.line(f"More than {MAX_RERUNS} in one run: it fails. Look for what hangs.", red=True)
