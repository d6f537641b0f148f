"""gunicorn settings for `backend.wsgi:app`; gunicorn reads this file when it is started in this folder.

One worker, because the weights are loaded once per device; many threads, because requests mostly wait.
"""

import logging
import os

from backend.logs import gunicorn_logger
from backend.safe_text import register_secrets
from backend.settings import Settings

_settings = Settings.from_environment_or_exit()
register_secrets(_settings.secrets)
logger_class = gunicorn_logger(_settings.log_format)
workers = 1
worker_class = "gthread"
_THREADS_FOR_STATE = 4  # for requests that are not predictions, so that /health answers under any load
threads = _settings.max_concurrent_predictions + _THREADS_FOR_STATE
timeout = 120
graceful_timeout = 30


def post_fork(server, worker):
    """Admit no more predictions than there are threads: `--threads` on the command line overrides this file."""
    has_threads_for = max(worker.cfg.threads - _THREADS_FOR_STATE, 1)
    os.environ["MAX_CONCURRENT_PREDICTIONS"] = str(min(_settings.max_concurrent_predictions, has_threads_for))


def worker_exit(server, worker):
    """Exit without interpreter shutdown, which would crash if a thread is still inside torch."""
    logging.shutdown()
    os._exit(0)
