"""Connection: the client's end of a request, as far as the server tells of it.

gunicorn hands its socket to the application; under another server nothing is known, and every question is answered as
if the client were there and quick.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator, Mapping
from typing import Any

STALL_SECONDS = 10.0  # a client that sends nothing for so long in the middle of a body is not waited for
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)  # the last one is Linux's


class Connection:
    """Of one request.

    Args:
        environ: WSGI's.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    def has_left(self) -> bool:
        """Whether the client has closed its end.

        Label Studio does when its own patience is over, and a reverse proxy when its client does. A person who leaves
        the page is not seen: Label Studio goes on to wait for the answer.
        """
        if self._socket is None:
            return False
        watch = select.poll()
        watch.register(self._socket, _HUNG_UP)
        return bool(watch.poll(0))

    @contextlib.contextmanager
    def hurried(self) -> Iterator[None]:
        """Within, reading raises one of OSError when the client stalls: it holds a thread that others need."""
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
        """What the client still sends is not wanted; else the server would wait for it before it answers others."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it has closed its end
                self._socket.shutdown(socket.SHUT_RD)
