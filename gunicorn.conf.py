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
threads = _settings.server_threads
timeout = 120
graceful_timeout = 30


def post_fork(server, worker):
    """Pass the real number of threads to the application: `--threads` on the command line overrides this file."""
    os.environ["SERVER_THREADS"] = str(max(worker.cfg.threads, 8))


def worker_exit(server, worker):
    """Exit without interpreter shutdown, which would crash if a thread is still inside torch."""
    logging.shutdown()
    os._exit(0)
