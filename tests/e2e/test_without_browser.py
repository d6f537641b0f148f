"""On a machine without Chromium the browser tests are skipped and say so; where nothing may be skipped that is red."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scripts.demo_circle.places import ROOT

A_TEST = "tests/e2e/test_two_people.py"
pytestmark = pytest.mark.slow


def run_without_chromium(*options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", A_TEST, "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PATH": "/nonexistent"}
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.timeout(320)
def test_without_chromium_the_browser_tests_are_skipped_and_say_how_to_get_it() -> None:
    done = run_without_chromium()
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout
    assert "chromium is not installed: `make chromium` installs it where it may" in done.stdout


@pytest.mark.timeout(320)
def test_where_nothing_may_be_skipped_a_missing_chromium_is_red() -> None:
    done = run_without_chromium("-p", "tests.nothing_skipped")
    assert done.returncode == 1, done.stdout
    assert "SKIPPED WHERE NOTHING MAY BE SKIPPED: tests/e2e/test_two_people.py" in done.stdout
