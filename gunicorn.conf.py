"""gunicorn settings for `backend.wsgi:app`; gunicorn reads this file when it is started in this folder.

One worker, because the weights are loaded once per device; many threads, because requests mostly wait.
"""

import logging
import os
import sys

from backend.runtime import find_public_addresses
from backend.settings import Settings

workers = 1
worker_class = "gthread"
_max_predictions = Settings.from_environment_or_exit().max_concurrent_predictions
_THREADS_FOR_STATE = 4  # for requests that are not predictions, so that /health answers under any load
threads = _max_predictions + _THREADS_FOR_STATE
timeout = 120
graceful_timeout = 30


def on_starting(server):
    """Refuse to serve other machines without authentication."""
    settings = Settings.from_environment_or_exit()
    is_activated = os.environ.get("LISTEN_PID") == str(os.getpid())  # systemd has opened the sockets, from 3 on
    addresses = range(3, 3 + int(os.environ.get("LISTEN_FDS", "0"))) if is_activated else server.cfg.address
    public = find_public_addresses(addresses)
    if public and not (settings.basic_auth_user or settings.api_token or settings.allow_anonymous):
        sys.exit(
            f"The backend cannot start. It would serve other machines on {', '.join(public)} without authentication. "
            "Set BASIC_AUTH_USER and BASIC_AUTH_PASS, or bind it to 127.0.0.1. "
            "On a network where everyone may use it and see its images, set ALLOW_ANONYMOUS=true."
        )


def post_fork(server, worker):
    """Admit no more predictions than there are threads: `--threads` on the command line overrides this file."""
    has_threads_for = max(worker.cfg.threads - _THREADS_FOR_STATE, 1)
    os.environ["MAX_CONCURRENT_PREDICTIONS"] = str(min(_max_predictions, has_threads_for))


def worker_exit(server, worker):
    """Exit without interpreter shutdown, which would crash if a thread is still inside torch."""
    logging.shutdown()
    os._exit(0)
