"""Formatters: one line a record, or a line and indented ones for its traceback.

| LOG_FORMAT | a record                                                                              |
|------------|---------------------------------------------------------------------------------------|
| text       | `2026-11-25 21:50:05,123 INFO backend.server.request_log [4f0c…]: project 3, task 7, …` |
| json       | `{"time": "2026-11-25T21:50:05.123Z", "level": "INFO", "logger": …, "message": …, …}`  |

A line of text starts with its time; any other line belongs to a traceback and is indented. A line that starts
otherwise is not of this process's loggers.
"""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

from backend.safe_text import escape_controls, hide_confidential

MAX_MESSAGE_CHARACTERS = 8000
MAX_TRACEBACK_CHARACTERS = 40_000
INDENT = "    "
_MAX_JSON_INTEGER = 2**53  # what every reader of JSON represents exactly


class TextFormatter(logging.Formatter):
    """Formatter for people: `time level logger [request id]: message`."""

    def format(self, record: logging.LogRecord) -> str:
        request_id = getattr(record, "request_id", "")
        where = f"{escape_controls(record.name)} [{request_id}]" if request_id else escape_controls(record.name)
        line = f"{self.formatTime(record)} {record.levelname} {where}: {safe_message(record)}"
        return "\n".join([line, *(INDENT + text for text in self._traceback_lines(record))])

    def _traceback_lines(self, record: logging.LogRecord) -> list[str]:
        texts = [self.formatException(record.exc_info)] if record.exc_info else []
        texts += [self.formatStack(record.stack_info)] if record.stack_info else []
        return [line for text in texts for line in safe_traceback(text).split("\n")]


class JsonFormatter(OrjsonFormatter):
    """Formatter for log collectors: one JSON object a line, a traceback in `exc_info`.

    What the function `fields` of a record's `extra` returns becomes fields of the object; empty ones are left out.
    """

    def __init__(self) -> None:
        renamed = {"levelname": "level", "name": "logger"}
        super().__init__(["time", "levelname", "name", "message"], rename_fields=renamed)

    def format(self, record: logging.LogRecord) -> str:
        copied = logging.makeLogRecord(record.__dict__)
        copied.msg, copied.args, copied.exc_text = safe_message(record), None, None
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        copied.time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return super().format(copied)

    def formatException(self, exc_info: Any) -> str:  # noqa: N802 - logging's name
        return safe_traceback(logging.Formatter.formatException(self, exc_info))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        return safe_traceback(stack_info)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Add the record's fields, safe as its message, and leave out empty ones."""
        build_fields = log_data.pop("fields", None)
        log_data |= build_fields() if callable(build_fields) else {}
        return {name: _safe_value(value) for name, value in log_data.items() if value not in ("", None)}


def safe_message(record: logging.LogRecord) -> str:
    """Return a record's message in one line, without what is confidential; never raises."""
    try:
        message = record.getMessage()
    except Exception as error:  # arguments that do not fit the format; logging itself would print both to stderr
        message = f"A log message that cannot be formatted ({type(error).__name__}): {record.msg}"
    return _bounded(escape_controls(hide_confidential(message[:MAX_MESSAGE_CHARACTERS])), len(message))


def safe_traceback(text: str) -> str:
    """Return a traceback with its own line breaks, each line safe; a long one loses its middle."""
    if len(text) > MAX_TRACEBACK_CHARACTERS:
        half = MAX_TRACEBACK_CHARACTERS // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    return "\n".join(escape_controls(hide_confidential(line)) for line in text.split("\n"))


def _bounded(text: str, original_length: int) -> str:
    return f"{text}…" if original_length > MAX_MESSAGE_CHARACTERS else text


def _safe_value(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > _MAX_JSON_INTEGER:
        return str(value)
    if not isinstance(value, str):
        return value
    return "\n".join(escape_controls(hide_confidential(line)) for line in value.split("\n"))
