"""The client's connection, as far as the server exposes its socket.

gunicorn passes its socket to the application. Other servers do not; every client then counts as connected and fast.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator, Mapping
from typing import Any

STALL_SECONDS = 10.0  # a client that sends nothing for this long in the middle of a body is dropped
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)  # the last one is Linux's


class Connection:
    """Client connection of one request.

    Args:
        environ: The WSGI environment.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    def has_disconnected(self) -> bool:
        """Return whether the client has closed its end.

        Label Studio does so at its own timeout, and a reverse proxy when its client disconnects. A person who leaves
        the page is not noticed: Label Studio still waits for the answer.
        """
        if self._socket is None:
            return False
        if self._socket.fileno() < 0:  # closed after the reply, while a thread of the models still asks
            return True
        watch = select.poll()
        watch.register(self._socket, _HUNG_UP)
        return bool(watch.poll(0))

    @contextlib.contextmanager
    def stall_timeout(self) -> Iterator[None]:
        """Make reads raise a subclass of OSError when the client stalls, so that it does not block a thread."""
        if self._socket is None:
            yield
            return
        before = self._socket.gettimeout()
        self._socket.settimeout(STALL_SECONDS)
        try:
            yield
        finally:
            self._socket.settimeout(before)

    def stop_reading(self) -> None:
        """Discard what the client still sends; otherwise the server would read it before it serves other requests."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the client has disconnected
                self._socket.shutdown(socket.SHUT_RD)
