"""gunicorn settings for `backend.wsgi:app`; gunicorn reads this file when it is started in this folder.

One worker, because the weights are loaded once per device; many threads, because requests mostly wait.
"""

import logging
import os
import sys

from backend.http_worker import RequestLimits
from backend.logs import gunicorn_logger
from backend.runtime import find_public_addresses
from backend.safe_text import register_secrets
from backend.settings import Settings

WORKER_BOOT_ERROR, APP_LOAD_ERROR = 3, 4  # exit codes at which gunicorn ends, rather than start another worker

_settings = Settings.from_environment_or_exit()
register_secrets(_settings.secrets)
logger_class = gunicorn_logger(_settings.log_format)
workers = 1
worker_class = "backend.http_worker.BufferingWorker"
_THREADS_FOR_STATE = 4  # for requests that are not predictions, so that /health answers under any load
threads = _settings.max_concurrent_predictions + _THREADS_FOR_STATE
worker_connections = 512  # half of the usual limit of open files; for one more, the oldest is closed
timeout = 120
graceful_timeout = 30 + int(_settings.drain_seconds + 0.999)  # requests in flight have 30 s after the drain
forwarder_headers = ""  # no client may set SCRIPT_NAME: a wrong one would be answered with 500
control_socket_disable = True  # signals control the server; a second way in needs a writable home
sendfile = False  # responses go through the worker's buffer


def on_starting(server):
    """Refuse to serve other machines without authentication."""
    is_activated = os.environ.get("LISTEN_PID") == str(os.getpid())  # systemd has opened the sockets, from 3 on
    addresses = range(3, 3 + int(os.environ.get("LISTEN_FDS", "0"))) if is_activated else server.cfg.address
    public = find_public_addresses(addresses)
    if public and not (_settings.basic_auth_user or _settings.api_token or _settings.allow_anonymous):
        sys.exit(
            f"The backend cannot start. It would serve other machines on {', '.join(public)} without authentication. "
            "Set BASIC_AUTH_USER and BASIC_AUTH_PASS, or bind it to 127.0.0.1. "
            "On a network where everyone may use it and see its images, set ALLOW_ANONYMOUS=true."
        )


def post_fork(server, worker):
    """Pass the limits to the worker, and to the application how many predictions there are threads for.

    `--threads` on the command line overrides this file.
    """
    has_threads_for = max(worker.cfg.threads - _THREADS_FOR_STATE, 1)
    os.environ["MAX_CONCURRENT_PREDICTIONS"] = str(min(_settings.max_concurrent_predictions, has_threads_for))
    worker.limits = RequestLimits(
        max_body_bytes=_settings.max_body_bytes,
        request_timeout_seconds=_settings.request_timeout_seconds,
        response_timeout_seconds=_settings.response_timeout_seconds,
        drain_seconds=_settings.drain_seconds,
    )


def worker_exit(server, worker):
    """Exit without interpreter shutdown, which would crash if a thread is still inside torch.

    A worker that could not load the application ends gunicorn, which would otherwise start it again for ever.
    """
    if worker.pid != os.getpid():  # gunicorn's main process calls this too, for a worker that is already gone
        return
    error = sys.exc_info()[1]
    code = error.code if isinstance(error, SystemExit) else error and 1
    if isinstance(code, str):  # of sys.exit("why")
        server.log.critical(code)
        code = 1
    if code and not worker.booted:
        server.log.critical("The application could not be loaded: the reason stands above.")
        code = code if code == APP_LOAD_ERROR else WORKER_BOOT_ERROR
    logging.shutdown()
    os._exit(code or 0)
