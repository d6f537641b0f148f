"""How gunicorn serves `backend.wsgi:app`; it reads this file by itself when it is started in this folder.

One worker, for the weights are held once a device, and many threads, for most of a request is waiting.
"""

import logging
import os

from backend.settings import Settings

workers = 1
worker_class = "gthread"
threads = Settings.from_environment_or_exit().server_threads
timeout = 120
graceful_timeout = 30


def post_fork(server, worker):
    """Tell the application how many threads there really are: `--threads` on the command line wins over this file."""
    os.environ["SERVER_THREADS"] = str(max(worker.cfg.threads, 8))


def worker_exit(server, worker):
    """End without tearing the interpreter down: a thread that is still inside torch then would crash it."""
    logging.shutdown()
    os._exit(0)
