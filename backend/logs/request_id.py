"""The id of the current request, in a context variable, so that every log line of the request can carry it."""

from __future__ import annotations

import logging
import re
import uuid
from contextvars import ContextVar

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def choose_request_id(incoming: str) -> str:
    """Return the id that a proxy has given the request, or a new one if that is missing or not a plain short word.

    Args:
        incoming: Value of the X-Request-ID header; "" without one.
    """
    return incoming if _ACCEPTED.fullmatch(incoming) else uuid.uuid4().hex[:12]


def set_request_id(request_id: str) -> None:
    """Make this the id of what is logged in this context from now on; "" after the request."""
    _request_id.set(request_id)


class RequestIdFilter(logging.Filter):
    """Filter that lets every record pass and gives it the attribute `request_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = _request_id.get()
        return True
