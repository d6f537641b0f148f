"""How the worker ends at once."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from backend.http_worker import BufferingWorker


def test_sigquit_ends_the_worker_without_waiting_for_the_pool_that_its_own_thread_may_hold() -> None:
    worker, told = object.__new__(BufferingWorker), []
    worker.cfg = SimpleNamespace(worker_int=told.append)
    worker.tpool = SimpleNamespace(shutdown=lambda **_: pytest.fail("waits for the pool's lock"))
    with pytest.raises(SystemExit) as ended:
        worker.handle_quit(signal.SIGQUIT, None)
    assert (ended.value.code, told, worker.alive) == (0, [worker], False)
