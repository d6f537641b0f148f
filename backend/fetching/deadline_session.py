"""HTTP sessions with a deadline for the whole request, and with a guard for the addresses they connect to.

The timeout of requests restarts with every byte that arrives. Here a timer shuts down the request's sockets instead,
which wakes up whatever is waiting for them: the TLS handshake, the headers or the body.

A name is looked up once for each new connection. The guard checks the addresses and the connection goes to one that
passed, so a name that changes its address in between (DNS rebinding) gains nothing. TLS and the Host header still use
the name. A pooled connection is used again only for the host and port that it was opened for, the two things that the
guard's verdict depends on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError

from backend.fetching.address_guard import AddressGuard

log = logging.getLogger(__name__)

MIN_TIMEOUT_SECONDS = 0.01
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
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


def open_session(guard: AddressGuard | None = None) -> requests.Session:
    """Return a session that ignores cookies, follows no redirects and reuses its connections. Thread-safe.

    Args:
        guard: Checks the addresses of all hosts that it does not name; None for a session that calls only Label Studio.
            A host that the guard does not name is never reached through a proxy of the environment, which would look
            up the name itself. A request for it raises `AddressForbidden` if none of its addresses passes.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(guard))
    return session


def ignore_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Replace requests' own authentication, which would overwrite the token with a password from ~/.netrc."""
    return request


def _shut_down(duplicate: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the server closed the connection first
        duplicate.shutdown(socket.SHUT_RDWR)


def _watch_socket(connection: Any) -> None:
    watch = getattr(_thread, "watch", None)
    if watch is not None and connection is not None:
        watch.add(connection)


class _WatchedConnection:
    """Mixin that adds sockets to this thread's watch: a new one before the TLS handshake, a reused one before use."""

    guard: AddressGuard | None = None
    sock: Any
    port: int
    timeout: Any
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        sock = self._connect_to_checked_address()
        _watch_socket(sock)
        return sock

    def _connect_to_checked_address(self) -> socket.socket:
        """Connect to one of the host's addresses that the guard allows.

        The remaining time is divided among the remaining addresses, so an unreachable one leaves time for the next;
        urllib3 on its own would give each of them the whole timeout. The name look-up takes as long as the system's
        resolver takes.

        Raises:
            AddressForbidden: The guard allows none of them.
        """
        host, timeout = self._dns_host, self.timeout
        watch: SocketWatch | None = getattr(_thread, "watch", None)
        addresses = self._resolve()
        if self.guard is not None:
            addresses = self.guard.filter_addresses(host, self.port, addresses)
        try:
            for left in range(len(addresses), 1, -1):
                self._set_target(addresses[-left], watch, left)
                try:
                    return self._connect()
                except HTTPError as error:  # the next address may answer
                    log.debug("%s does not answer at %s: %s", host, addresses[-left], error)
            self._set_target(addresses[-1], watch, 1)
            return self._connect()
        finally:
            self._dns_host, self.timeout = host, timeout

    def _resolve(self) -> list[str]:
        """Return the host's addresses in order of preference."""
        host = self._dns_host
        try:
            records = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(host, cast(HTTPConnection, self), reason) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in records))

    def _set_target(self, address: str, watch: SocketWatch | None, left: int) -> None:
        """Let the next connection go to the address, without a look-up, within its share of the remaining time."""
        self._dns_host = address
        if watch is not None:
            self.timeout = max((watch.deadline - time.monotonic()) / left, MIN_TIMEOUT_SECONDS)

    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        return sock

    def request(self, *args: Any, **kwargs: Any) -> Any:
        _watch_socket(self.sock)
        return super().request(*args, **kwargs)  # type: ignore[misc]


def _build_pool_classes(address_guard: AddressGuard | None) -> dict[str, type[HTTPConnectionPool]]:
    """Build the classes of connection pools by scheme; their connections have this guard."""

    class HttpConnection(_WatchedConnection, HTTPConnection):
        guard = address_guard

    class HttpsConnection(_WatchedConnection, HTTPSConnection):
        guard = address_guard

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = HttpConnection

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = HttpsConnection

    return {"http": HttpPool, "https": HttpsPool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: requests prepares the next request, even unasked, and reads the whole body before it."""
        return None


class _Adapter(HTTPAdapter):
    def __init__(self, guard: AddressGuard | None) -> None:
        self._guard = guard
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        if self._guard is not None and not self._guard.is_named(parts.hostname or "", port):
            kwargs["proxies"] = None
        return super().send(request, *args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _build_pool_classes(self._guard)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of a proxy of the environment. They have no guard: the operator chose the proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _build_pool_classes(None)
        return manager
