"""Configuration of Python's logging for a server process, and of gunicorn's own loggers."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Literal

from gunicorn.glogging import Logger as _GunicornLogger

from backend.logs.formatters import JsonFormatter, TextFormatter
from backend.logs.request_id import RequestIdFilter

LogFormat = Literal["text", "json"]

_NETWORK_LIBRARIES = ("httpcore", "httpx", "redis", "requests", "urllib3")
"""At DEBUG and INFO these log every URL and header, tokens and cookies included, and nothing about this backend."""

log = logging.getLogger(__name__)


def build_formatter(log_format: LogFormat) -> logging.Formatter:
    """Build the one formatter of a process."""
    return JsonFormatter() if log_format == "json" else TextFormatter()


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Send everything that is logged to stderr through the formatter; warnings and errors of threads are logged too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(build_formatter(log_format))
    handler.addFilter(RequestIdFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _NETWORK_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a handler's own error would be printed with the record's unsafe arguments
    threading.excepthook = _log_thread_error


def gunicorn_logger(log_format: LogFormat) -> type[_GunicornLogger]:
    """Return a logger class for gunicorn whose error log and access log go through the formatter."""

    class FormattedLogger(_GunicornLogger):  # type: ignore[misc, unused-ignore]
        def setup(self, cfg: object) -> None:
            super().setup(cfg)
            self.error_log.setLevel(max(logging.INFO, self.error_log.level))  # its DEBUG lines quote raw requests
            for logger in (self.error_log, self.access_log):
                for handler in logger.handlers:
                    handler.setFormatter(build_formatter(log_format))
                    handler.addFilter(RequestIdFilter())

    return FormattedLogger


def _log_thread_error(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is SystemExit or failed.exc_value is None:
        return
    name = failed.thread.name if failed.thread else "unknown"
    error = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    log.error("Unhandled exception in thread %s", name, exc_info=error)
