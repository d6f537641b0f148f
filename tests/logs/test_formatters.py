"""What is logged, as lines of text and as JSON: no value from outside forges a line or shows a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import datetime, timezone

import pytest

from backend.logs.formatters import JsonFormatter, TextFormatter

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ \S+( \[[A-Za-z0-9._-]{1,64}\])?: \S")
FORGED = "\n2026-11-25 21:50:05,123 CRITICAL backend: forged"
ANSI = "\x1b[2K\x1b[1A"


def record_of(message: str, *args: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("backend.server", logging.WARNING, "a.py", 1, message, args, None)
    record.__dict__.update(extra)
    return record


def record_of_exception(error: Exception, message: str = "Failed") -> logging.LogRecord:
    try:
        try:
            raise ValueError("first" + FORGED)
        except ValueError as first:
            raise error from first
    except Exception:
        return logging.LogRecord("backend", logging.ERROR, "a.py", 1, message, (), sys.exc_info())


@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1e"])
def test_no_line_break_of_an_argument_starts_a_line(break_: str) -> None:
    line = TextFormatter().format(record_of("Task %s", f"7{break_}2026-11-25 21:50:05,123 INFO forged"))
    assert len(line.splitlines()) == 1
    assert LINE.match(line)


def test_terminal_sequences_and_marks_that_reorder_text_are_escaped() -> None:
    line = TextFormatter().format(record_of("Task %s", f"{ANSI}\u202e"))
    assert line.endswith(r"Task \x1b[2K\x1b[1A\u202e")
    assert line.isprintable()


def test_a_traceback_is_readable_and_each_of_its_lines_is_indented() -> None:
    text = TextFormatter().format(record_of_exception(RuntimeError("last" + FORGED + ANSI)))
    first, *others = text.splitlines()
    assert LINE.match(first)
    assert "    Traceback (most recent call last):" in others
    assert others[-2:] == [
        "    RuntimeError: last",
        r"    2026-11-25 21:50:05,123 CRITICAL backend: forged\x1b[2K\x1b[1A",
    ]
    assert [line for line in others if not line.startswith("    ")] == []


def test_the_stack_of_a_record_is_indented_too() -> None:
    record = record_of("Here")
    record.stack_info = "Stack (most recent call last):\n  File"
    assert TextFormatter().format(record).splitlines()[1:] == ["    Stack (most recent call last):", "      File"]


def test_a_url_in_a_message_and_in_a_traceback_loses_its_signature() -> None:
    error = OSError("HTTPConnectionPool: /a.png?X-Amz-Signature=5ec7e7 (http://me:5ec7e7@a.org)")
    record = record_of_exception(error, "GET https://a.org/a.png?X-Amz-Signature=5ec7e7")
    for formatter in (TextFormatter(), JsonFormatter()):
        shown = formatter.format(record)
        assert "5ec7e7" not in shown
        assert "https://a.org/a.png" in shown


def test_arguments_that_do_not_fit_their_message_are_logged_and_not_raised() -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        assert "cannot be formatted (TypeError)" in formatter.format(record_of("%d tasks", "a\nb"))


def test_a_long_message_is_cut() -> None:
    assert len(TextFormatter().format(record_of("%s", "x" * 10**6))) < 9000


def test_a_long_traceback_keeps_its_start_and_its_end() -> None:
    text = TextFormatter().format(record_of_exception(RuntimeError("x" * 10**6 + "the end")))
    assert len(text) < 50_000
    assert "Traceback" in text
    assert text.endswith("the end")


def test_json_has_one_object_a_line_with_the_fields_of_the_request() -> None:
    record = record_of(
        "Task %s",
        f"7{FORGED}{ANSI}",
        request_id="abc",
        fields=lambda: {"route": "predict", "status": 200, "project": "", "stages": {"sam": 1.5}},
    )
    line = JsonFormatter().format(record)
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {
        "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": "WARNING",
        "logger": "backend.server",
        "message": r"Task 7\n2026-11-25 21:50:05,123 CRITICAL backend: forged\x1b[2K\x1b[1A",
        "request_id": "abc",
        "route": "predict",
        "status": 200,
        "stages": {"sam": 1.5},
    }


def test_json_has_a_traceback_as_one_field() -> None:
    line = JsonFormatter().format(record_of_exception(RuntimeError("last" + ANSI)))
    assert len(line.splitlines()) == 1
    lines = json.loads(line)["exc_info"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == r"RuntimeError: last\x1b[2K\x1b[1A"


def test_texts_of_fields_are_made_safe_too() -> None:
    line = JsonFormatter().format(record_of("a", fields=lambda: {"project": f"3{ANSI}", "task": 10**30}, other="\x1b"))
    assert json.loads(line)["project"] == r"3\x1b[2K\x1b[1A"
    assert json.loads(line)["task"] == "1" + "0" * 30
    assert json.loads(line)["other"] == r"\x1b"
