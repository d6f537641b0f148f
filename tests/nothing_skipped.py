"""A pytest plugin for machines that have everything: there, a test that was skipped is a run that failed.

python -m pytest -p tests.nothing_skipped
"""

from __future__ import annotations

import pytest


class SkipsFail:
    """Counts skipped tests and turns a green run with any of them red."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name in self.skipped:
            terminalreporter.write_line(f"SKIPPED WHERE NOTHING MAY BE SKIPPED: {name}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipsFail())
