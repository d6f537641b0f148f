"""The client's connection, as far as the server exposes its socket.

gunicorn passes its socket to the application. Other servers do not; every client then counts as connected. That clients
send slowly is no concern of the application: `http_worker` gives it whole requests, and other servers have their own
timeouts.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from typing import Any

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
