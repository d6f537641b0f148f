"""PollingWorker: the poller's side of the worker: for which clients it waits, until when, and what they hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from backend.http_worker.client import Client
from backend.http_worker.waiting_clients import WaitingClients
from backend.runtime import TokenBucket


class PollingWorker(ThreadWorker):
    """Threaded worker whose poller can wait for clients in any state, and close them without harm to others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = WaitingClients()
        self._held_bytes = 0  # by all clients
        self._reports = TokenBucket(0.2, 10)  # a flood of refusals must not flood the log

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Exit at once (SIGQUIT, SIGINT).

        gunicorn's own handler waits for a lock of the thread pool, which this thread holds if the signal came while it
        handed over a request; the process then hung until it was killed.
        """
        self.alive = False
        self.cfg.worker_int(self)
        sys.exit(0)

    def _wait(self, client: Client, event: int, step: Callable[[Client], None]) -> None:
        """Call `step` whenever the socket is ready, until the client's deadline."""
        client.step = step
        self.poller.register(client.sock, event, partial(self._continue, client))
        self._waiting.add(client)

    def _continue(self, client: Client, _: Any) -> None:
        if client in self._waiting and client.step:  # it was not closed since the poller saw it
            self._guard(client.step, client)

    def _stop_waiting(self, client: Client) -> None:
        if client in self._waiting:
            self._waiting.remove(client)
            self.poller.unregister(client.sock)
        client.is_sending = False

    def _count_bytes(self, client: Client) -> None:
        """Count what the client holds; while its request is in a thread, the last count stands."""
        held = client.parser.held_bytes + client.sock.unsent_bytes
        self._held_bytes += held - client.held_bytes
        client.held_bytes = held

    def _report(self, text: str, *args: Any) -> None:
        """Log a refusal, at most ten at once and then one in 5 s."""
        if self._reports.take():
            self.log.info(text, *args)

    def _close(self, client: Client) -> None:
        if not client.is_closed:
            client.is_closed = True
            self._stop_waiting(client)
            self._held_bytes -= client.held_bytes
            self.nr_conns -= 1
            client.close()

    def _guard(self, step: Callable[..., None], client: Client, *args: Any) -> None:
        """Run a step for a client; whatever fails costs only its connection, not the poller."""
        try:
            step(client, *args)
        except BlockingIOError:  # the poller saw what an earlier step has already taken
            pass
        except OSError:  # the client has disconnected
            self._close(client)
        except Exception:
            self.log.exception("Closed the connection of %s after an error.", client.peer)
            self._close(client)

    def _close_oldest(self) -> None:
        """Make room for a connection: close the oldest idle one, or else the one that is waited for longest."""
        client = self._waiting.oldest()
        if self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()
        elif client is not None:
            self._close(client)
