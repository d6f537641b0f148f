"""HTTP sessions with a deadline for the whole request, however slowly the server sends its response.

The timeout of requests restarts with every byte that arrives. Here a timer shuts down the request's sockets instead,
which wakes up whatever is waiting for them: the TLS handshake, the headers or the body.
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

MIN_TIMEOUT_SECONDS = 0.01
_thread = threading.local()  # its `watch` is the `SocketWatch` of the request that runs on this thread


class SocketWatch:
    """The sockets of one request, and whether its deadline has passed.

    Args:
        deadline: In monotonic seconds.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.has_expired = False
        self._duplicates: list[socket.socket] = []
        self._lock = threading.Lock()

    def add(self, connection: Any) -> None:
        """Watch a socket through a duplicate, because TLS detaches the descriptor of the socket that it wraps."""
        with self._lock:
            duplicate = socket.socket(fileno=os.dup(connection.fileno()))
            self._duplicates.append(duplicate)
            if self.has_expired:
                _shut_down(duplicate)

    def expire(self) -> None:
        """Shut down the connections, those that are added later included."""
        with self._lock:
            self.has_expired = True
            for duplicate in self._duplicates:
                _shut_down(duplicate)

    def close(self) -> None:
        """Close the duplicates; the connections themselves stay open for the next request."""
        with self._lock:
            for duplicate in self._duplicates:
                duplicate.close()
            self._duplicates.clear()


@contextlib.contextmanager
def enforce_deadline(deadline: float) -> Iterator[SocketWatch]:
    """Abort at `deadline`, in monotonic seconds, the request that this thread sends through an `open_session()`.

    An aborted request raises one of requests' errors or looks like the end of the body; the watch's
    `has_expired` tells.
    """
    watch = _thread.watch = SocketWatch(deadline)
    timer = threading.Timer(max(deadline - time.monotonic(), MIN_TIMEOUT_SECONDS), watch.expire)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        _thread.watch = None
        watch.close()


def open_session() -> requests.Session:
    """Return a session that ignores cookies and reuses its connections. Thread-safe."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def ignore_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Replace requests' own authentication, which would overwrite the token with a password from ~/.netrc."""
    return request


def _resolve(host: str, port: int) -> list[str]:
    """Return a host's addresses in order of preference; [] for an unknown name, which urllib3 then reports."""
    try:
        records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in records))


def _shut_down(duplicate: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the server closed the connection first
        duplicate.shutdown(socket.SHUT_RDWR)


def _watch_socket(connection: Any) -> None:
    watch = getattr(_thread, "watch", None)
    if watch is not None and connection is not None:
        watch.add(connection)


class _WatchedConnection:
    """Mixin that adds sockets to this thread's watch: a new one before the TLS handshake, a reused one before use."""

    sock: Any
    port: int
    timeout: Any
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        sock = self._connect_before_deadline()
        _watch_socket(sock)
        return sock

    def _connect_before_deadline(self) -> socket.socket:
        """Connect to one of the host's addresses; urllib3 on its own would give each of them the whole timeout.

        The remaining time is divided among the remaining addresses, so an unreachable one leaves time for the next. The
        name look-up takes as long as the system's resolver takes.
        """
        host, timeout = self._dns_host, self.timeout
        watch: SocketWatch | None = getattr(_thread, "watch", None)
        addresses = _resolve(host, self.port) if watch else []
        if watch is None or not addresses:
            return self._connect()
        try:
            for left in range(len(addresses), 1, -1):
                self._set_target(addresses[-left], (watch.deadline - time.monotonic()) / left)
                with contextlib.suppress(HTTPError):
                    return self._connect()
            self._set_target(addresses[-1], watch.deadline - time.monotonic())
            return self._connect()
        finally:
            self._dns_host, self.timeout = host, timeout

    def _set_target(self, address: str, seconds: float) -> None:
        self._dns_host, self.timeout = address, max(seconds, MIN_TIMEOUT_SECONDS)

    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        return sock

    def request(self, *args: Any, **kwargs: Any) -> Any:
        _watch_socket(self.sock)
        return super().request(*args, **kwargs)  # type: ignore[misc]


class _HttpConnection(_WatchedConnection, HTTPConnection):
    pass


class _HttpsConnection(_WatchedConnection, HTTPSConnection):
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
