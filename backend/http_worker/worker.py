"""BufferingWorker: gunicorn's threaded worker, with all waiting for clients in the poller."""

from __future__ import annotations

import errno
import socket
import sys
import time
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from backend.errors import shorten
from backend.http_worker.client import Client, build_refusal
from backend.http_worker.limits import RequestLimits
from backend.http_worker.polling_worker import PollingWorker
from backend.runtime import IS_DRAINING

RECEIVE_BYTES = 256 << 10  # at once; the poller then turns to the next client
SMALL_BYTES = 64 << 10  # a client that holds no more is not closed to free memory
CLOSING_SECONDS = 2.0  # what the client still sends is discarded, so that the response is not lost to a reset
CHECK_SECONDS = 0.25  # interval between checks of the deadlines
_STATUS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class BufferingWorker(PollingWorker):
    """Threaded worker in which only whole requests get a thread, and responses leave without one.

    gunicorn's own worker gives a thread to a client for as long as it sends or reads, so a few slow clients block every
    route. Here one poller receives all requests and sends what clients did not take at once. tests/http_worker checks
    what this relies on in gunicorn.

    Attributes:
        limits: Set by gunicorn.conf.py after the fork.
        is_draining: Whether the worker was told to stop.
    """

    wsgi: Any
    limits = RequestLimits()
    is_draining = False
    _drain_until = 0.0
    _next_check = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._received = memoryview(bytearray(RECEIVE_BYTES))  # what was received last, from any client

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            sys.exit("The backend cannot start. This worker does not support TLS: put a reverse proxy in front of it.")
        super().check_config(cfg, log)

    def load_wsgi(self) -> None:
        """Load the application; it learns from the environment whether the worker is draining."""
        super().load_wsgi()
        application = self.wsgi

        def call(environ: dict[str, Any], start_response: Any) -> Any:
            environ[IS_DRAINING] = self.is_draining
            return application(environ, start_response)

        self.wsgi = call

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to drain (SIGTERM); a second signal changes nothing, because the group may get it as well."""
        if self.is_draining:
            return
        self.is_draining = True
        self._drain_until = time.monotonic() + self.limits.drain_seconds
        if not self.limits.drain_seconds:
            super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Follow the base class; when the worker stops, close the listening sockets and all unfinished requests."""
        is_stopping = not enabled and not self.alive
        if is_stopping:
            for listener in self.sockets:  # connections that the kernel has already established
                for _ in range(self.cfg.backlog):
                    if not self.accept(listener):
                        break
        super().set_accept_enabled(enabled)
        if is_stopping:
            for listener in self.sockets:
                listener.close()
            for client in self._waiting.all_unfinished():
                self._give_up(client, HTTPStatus.SERVICE_UNAVAILABLE, "The server is shutting down.")

    def accept(self, listener: Any) -> bool:
        """Accept a connection; return whether there was one."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._close_oldest()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return False
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._close_oldest()
        client = Client(self.cfg, accepted, address, listener.getsockname(), self.limits.max_body_bytes)
        self._guard(self._begin_request, client)
        return True

    def on_client_socket_readable(self, conn: Client, client: Any) -> None:
        """Receive the next request of a connection that was kept alive."""
        if conn in self.keepalived_conns:  # it was not closed since the poller saw it
            self.keepalived_conns.remove(conn)
            self.poller.unregister(client)
            self._guard(self._begin_request, conn)

    def finish_request(self, conn: Client, fs: Any) -> None:
        """Send the rest of the response, then keep or close the connection."""
        conn.keeps_alive = not fs.cancelled() and fs.exception() is None and fs.result() is True
        self._guard(self._send_rest, conn)

    def murder_pending(self) -> None:
        """Close the clients whose deadline has passed; gunicorn calls this after each round of events."""
        now = time.monotonic()
        if self.is_draining and now >= self._drain_until:
            self.alive = False
        if now < self._next_check:
            return
        self._next_check = now + CHECK_SECONDS
        for client in self._waiting.expired(now):
            if client.is_sending:
                seconds = self.limits.request_timeout_seconds
                self._give_up(client, HTTPStatus.REQUEST_TIMEOUT, f"The request did not arrive within {seconds:g} s.")
            else:
                self._close(client)

    def _begin_request(self, client: Client) -> None:
        seconds = self.limits.request_timeout_seconds if self.alive else STOP_KEEPALIVE_LINGER
        client.deadline = time.monotonic() + seconds
        client.sock.setblocking(False)
        if client.parser.has_begun:  # pipelined
            self._add(client, b"")
        else:
            self._receive(client)
            if client.is_sending and client.parser.has_begun:  # clients send the body soon after the header
                self._receive(client)

    def _receive(self, client: Client) -> None:
        try:
            count = client.sock.recv_into(self._received)
        except BlockingIOError:
            self._add(client, b"")
            return
        if count:
            self._add(client, bytes(self._received[:count]))
        else:
            self._give_up(client, HTTPStatus.BAD_REQUEST, "The request ended before it was complete.")

    def _add(self, client: Client, data: bytes) -> None:
        try:
            is_whole = client.parser.feed(data)
        except ParseException as error:
            status = next((_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS), HTTPStatus.BAD_REQUEST)
            self._refuse(client, status, f"{error}.", "Send a well-formed HTTP/1.1 request.")
            return
        self._count_bytes(client)
        if is_whole:
            self._stop_waiting(client)
            self.enqueue_req(client)
            return
        if client.parser.take_expectation():
            client.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if client not in self._waiting:
            client.is_sending = True
            self._wait(client, EVENT_READ, self._receive)
            self._limit_peer(client.peer)
        self._limit_memory()

    def _send_rest(self, client: Client) -> None:
        """Wait until the response is sent; then for the next request, or for the client to close the connection."""
        client.sock.setblocking(False)
        self._count_bytes(client)
        if client.sock.unsent_bytes:
            client.deadline = time.monotonic() + self.limits.response_timeout_seconds
            self._wait(client, EVENT_WRITE, self._flush)
            self._limit_memory()
        elif not client.keeps_alive:
            client.sock.shutdown(socket.SHUT_WR)
            client.deadline = time.monotonic() + CLOSING_SECONDS
            self._wait(client, EVENT_READ, self._discard)
        elif client.parser.has_begun:
            self._begin_request(client)
        else:
            client.set_timeout()
            if not self.alive:
                client.timeout = min(client.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.keepalived_conns.append(client)
            self.poller.register(client.sock, EVENT_READ, partial(self.on_client_socket_readable, client))

    def _flush(self, client: Client) -> None:
        client.sock.flush()
        self._count_bytes(client)
        if not client.sock.unsent_bytes:
            self._stop_waiting(client)
            self._send_rest(client)

    def _discard(self, client: Client) -> None:
        if not client.sock.recv_into(self._received):
            self._close(client)

    def _limit_peer(self, peer: str) -> None:
        limit = self.limits.max_unfinished_per_peer
        client = self._waiting.oldest_over(limit, peer)
        if client is not None:
            error = f"More than {limit} requests from {peer} have not arrived completely."
            self._give_up(client, HTTPStatus.TOO_MANY_REQUESTS, error)

    def _limit_memory(self) -> None:
        """Close the clients that hold most, until all hold less than the limit together."""
        while self._held_bytes > self.limits.max_buffered_bytes:
            client = self._waiting.largest()
            if client is None or client.held_bytes <= SMALL_BYTES:
                return
            if client.is_sending:
                self._give_up(client, HTTPStatus.SERVICE_UNAVAILABLE, "Too many large requests arrive at once.")
            else:
                self._close(client)

    def _give_up(self, client: Client, status: HTTPStatus, error: str) -> None:
        """Refuse a request that has not arrived completely; close a connection on which none has begun."""
        if client.parser.has_begun:
            self._refuse(client, status, error, "Send the request again.")
        else:
            self._close(client)

    def _refuse(self, client: Client, status: HTTPStatus, error: str, remedy: str) -> None:
        error = shorten(error)
        self._report("Refused a request from %s with %d: %s", client.peer or "a Unix socket", status, error)
        self._stop_waiting(client)
        client.parser.discard()
        client.keeps_alive = False
        self._guard(self._send_refusal, client, build_refusal(status, error, remedy))

    def _send_refusal(self, client: Client, refusal: bytes) -> None:
        client.sock.sendall(refusal)
        self._send_rest(client)
