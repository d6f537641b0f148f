"""HTTP sessions whose requests end at a deadline, however slowly the other side drips its answer.

requests' own timeout starts anew with every byte that comes. Here a timer shuts the request's sockets down instead,
which wakes whatever waits for them: the handshake of TLS, the headers or the body.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

LEAST_SECONDS = 0.01
_here = threading.local()


class Watch:
    """The sockets of one request, and whether its time is over.

    Args:
        deadline: When it will be, in monotonic seconds.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.is_over = False
        self._twins: list[socket.socket] = []
        self._lock = threading.Lock()

    def add(self, own: Any) -> None:
        """Watch a connection. By a twin: TLS takes the descriptor away from the socket that it wraps."""
        with self._lock:
            twin = socket.socket(fileno=os.dup(own.fileno()))
            self._twins.append(twin)
            if self.is_over:
                _shut(twin)

    def hang_up(self) -> None:
        with self._lock:
            self.is_over = True
            for twin in self._twins:
                _shut(twin)

    def close(self) -> None:
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()


@contextlib.contextmanager
def hang_up_at(deadline: float) -> Iterator[Watch]:
    """Whatever this thread asks of an `open_session()` within breaks off at `deadline`, in monotonic seconds.

    What broke off raises one of requests' errors, or reads as the end of a body: ask `is_over` of the watch.
    """
    watch = _here.watch = Watch(deadline)
    timer = threading.Timer(max(deadline - time.monotonic(), LEAST_SECONDS), watch.hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        _here.watch = None
        watch.close()


def open_session() -> requests.Session:
    """A session that takes no cookies and keeps its connections open; safe for threads."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands in for requests' own authentication, which would put a password from ~/.netrc over the token."""
    return request


def _addresses_of(host: str, port: int) -> list[str]:
    """A host's addresses in the order of preference; none where the name is not known, which urllib3 then says."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _shut(twin: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was first
        twin.shutdown(socket.SHUT_RDWR)


def _tell_watch(own: Any) -> None:
    watch = getattr(_here, "watch", None)
    if watch is not None and own is not None:
        watch.add(own)


class _Watched:
    """Tells this thread's watch of each socket: of a new one before TLS begins, of a kept one before it is used."""

    sock: Any
    port: int
    timeout: Any
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        sock = self._connect_in_time()
        _tell_watch(sock)
        return sock

    def _connect_in_time(self) -> socket.socket:
        """Connect to one of the host's addresses; urllib3 by itself would give each of them the whole time anew.

        What is left until the deadline is shared by the addresses that are left, so that a dead one leaves the next its
        part. To look the name up takes what the system's resolver takes.
        """
        host, timeout = self._dns_host, self.timeout
        watch: Watch | None = getattr(_here, "watch", None)
        addresses = _addresses_of(host, self.port) if watch else []
        if watch is None or not addresses:
            return self._connect()
        try:
            for left in range(len(addresses), 1, -1):
                self._aim(addresses[-left], (watch.deadline - time.monotonic()) / left)
                with contextlib.suppress(HTTPError):
                    return self._connect()
            self._aim(addresses[-1], watch.deadline - time.monotonic())
            return self._connect()
        finally:
            self._dns_host, self.timeout = host, timeout

    def _aim(self, address: str, seconds: float) -> None:
        self._dns_host, self.timeout = address, max(seconds, LEAST_SECONDS)

    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        return sock

    def request(self, *args: Any, **kwargs: Any) -> Any:
        _tell_watch(self.sock)
        return super().request(*args, **kwargs)  # type: ignore[misc]


class _HttpConnection(_Watched, HTTPConnection):
    pass


class _HttpsConnection(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
