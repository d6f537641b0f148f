"""Client connections: a socket that never blocks a thread, and the refusals that need no thread."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from gunicorn.workers.gthread import TConn

from backend.http_worker.request_buffer import RequestBuffer


class ClientSocket(socket.socket):
    """Socket whose `sendall` does not wait: it keeps what the client does not take at once.

    Attributes:
        unsent_bytes: Number of bytes that are kept.
    """

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self.unsent_bytes = 0
        self._unsent: deque[memoryview] = deque()

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send what the client takes at once and keep the rest.

        Raises:
            OSError: The client has disconnected.
        """
        sent = 0 if self._unsent else self._send_now(data, flags)
        if sent < len(data):
            self._unsent.append(memoryview(bytes(data))[sent:])
            self.unsent_bytes += len(data) - sent

    def flush(self) -> None:
        """Send a part of what was kept.

        Raises:
            OSError: The client has disconnected.
        """
        part = self._unsent.popleft()
        sent = self._send_now(part)
        self.unsent_bytes -= sent
        if sent < len(part):
            self._unsent.appendleft(part[sent:])

    def _send_now(self, data: Any, flags: int = 0) -> int:
        try:
            return self.send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0


class Client(TConn):
    """Connection of one client.

    Attributes:
        peer: Its address without the port; "" for a Unix socket.
        deadline: Monotonic seconds until which the poller waits for it.
        step: Called when the socket is ready.
        is_sending: Whether the poller waits for its request, rather than for it to read or to close.
        keeps_alive: Whether another request may follow the current one.
        held_bytes: Of its request and its response, as far as they were counted.
    """

    def __init__(self, cfg: Any, accepted: socket.socket, address: Any, server: Any, max_body_bytes: int) -> None:
        super().__init__(cfg, ClientSocket(accepted), address, server)
        self.initialized = True  # there is neither TLS nor HTTP/2 to negotiate
        self.parser = RequestBuffer(cfg, address, max_body_bytes)
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        self.deadline = 0.0
        self.step: Callable[[Client], None] | None = None
        self.is_sending = self.keeps_alive = self.is_closed = False
        self.held_bytes = 0


def build_refusal(status: HTTPStatus, error: str, remedy: str) -> bytes:
    """Build a whole response, after which the connection is closed; its body is like the application's own errors."""
    body = json.dumps({"error": error, "remedy": remedy}).encode()
    retry = "Retry-After: 1\r\n" if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS) else ""
    header = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"{retry}Content-Length: {len(body)}\r\n\r\n"
    )
    return header.encode() + body
