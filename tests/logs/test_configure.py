"""Logging of a process: everything goes through the formatter, and the network libraries keep silent."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.paths import ROOT


def log_of(code: str, level: str = "DEBUG", log_format: str = "text") -> list[str]:
    """Run code in a process that has configured its logging; return the lines that it logged."""
    program = f"""
import logging, threading, warnings
from backend.logs import configure_logging, set_request_id
configure_logging({level!r}, {log_format!r})
{code}
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_line_carries_the_id_of_its_request() -> None:
    lines = log_of("set_request_id('abc'); logging.getLogger('x').info('a'); set_request_id(''); logging.info('b')")
    assert [line.split("INFO ")[1] for line in lines] == ["x [abc]: a", "root: b"]


def test_the_network_libraries_log_no_urls_and_headers_at_any_level() -> None:
    code = """
for name in ("urllib3.connectionpool", "httpx", "httpcore.http11", "redis.connection", "requests"):
    logging.getLogger(name).debug("secret")
    logging.getLogger(name).info("secret")
    logging.getLogger(name).warning("kept")
"""
    assert [line.split(": ")[-1] for line in log_of(code)] == ["kept"] * 5
    assert log_of(code, level="ERROR") == []


def test_an_exception_that_ends_a_thread_is_logged_with_its_traceback_indented() -> None:
    code = r"""
def fail():
    raise ValueError("a\n2026-01-01 forged")
thread = threading.Thread(target=fail, name="late")
thread.start(); thread.join()
"""
    first, *others = log_of(code)
    assert re.fullmatch(r"\S+ \S+ ERROR backend\.logs\.configure: Unhandled exception in thread late", first)
    assert others[-2:] == ["    ValueError: a", "    2026-01-01 forged"]
    assert all(line.startswith("    ") for line in others)


def test_a_warning_of_python_is_one_line_of_the_log() -> None:
    (line,) = log_of(r"warnings.warn('a\nb')", level="INFO")
    assert re.search(r"WARNING py\.warnings: .*UserWarning: a\\nb", line)
