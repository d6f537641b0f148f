"""A request ends at its deadline, also while TLS shakes hands; sockets of others and their ends are left alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from backend.fetching.deadline_session import enforce_deadline, open_session
from tests.servers import LocalServer


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Of a server that accepts a connection and then drips bytes that begin a TLS record and never end it."""
    stop = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"\x16\x03\x03\x40\x00")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"\x00")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
        thread.join(5)


def test_a_handshake_that_drips_is_given_up_in_time(silent_port: int) -> None:
    started = time.monotonic()
    with enforce_deadline(started + 0.3) as watch, pytest.raises(requests.RequestException):
        open_session().get(f"https://127.0.0.1:{silent_port}/", timeout=5.0)
    assert watch.has_expired
    assert time.monotonic() - started < 5.0  # the server drips for as long as it is listened to


def test_one_deadline_does_not_end_the_request_of_another_thread(start_server: Callable[[], LocalServer]) -> None:
    server, session, got, one_is_over = start_server(), open_session(), [], threading.Event()

    def respond(seen: object, handler: object) -> tuple[int, dict[str, str], bytes]:
        assert one_is_over.wait(20)
        return 200, {}, b"whole"

    def ask(seconds: float) -> None:
        try:
            with enforce_deadline(time.monotonic() + seconds):
                got.append(session.get(server.url, timeout=30.0).content)
        except requests.RequestException:
            got.append(b"broken off")
        one_is_over.set()

    server.respond = respond
    threads = [threading.Thread(target=ask, args=(seconds,)) for seconds in (0.1, 30.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == [b"broken off", b"whole"]


def test_no_descriptor_is_left_open(start_server: Callable[[], LocalServer]) -> None:
    server, session = start_server(), open_session()
    server.respond = lambda seen, handler: (200, {}, b"")
    duplicates = []
    for _ in range(3):
        with enforce_deadline(time.monotonic() + 5) as watch:
            session.get(server.url, timeout=5.0)
            duplicates += watch._duplicates
    assert len(duplicates) == 3
    assert [duplicate.fileno() for duplicate in duplicates] == [-1] * 3


@pytest.fixture
def dead_addresses() -> Iterator[tuple[list[str], int]]:
    """Four addresses and a port on which a connection is never taken: the queues of their listeners are full."""
    sockets = [socket.socket()]
    sockets[0].bind(("127.0.0.21", 0))
    port = sockets[0].getsockname()[1]
    addresses = [f"127.0.0.{number}" for number in (21, 22, 23, 24)]
    for address in addresses[1:]:
        sockets.append(socket.socket())
        sockets[-1].bind((address, port))
    for listener, address in zip(list(sockets), addresses, strict=True):
        listener.listen(0)
        for _ in range(3):
            sockets.append(socket.socket())
            sockets[-1].setblocking(False)
            sockets[-1].connect_ex((address, port))
    yield addresses, port
    for each in sockets:
        each.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    known = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *arguments: int, **options: int) -> list:
        hosts = addresses if host == "many.example" else [host]
        return [found for each in hosts for found in known(each, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_all_dead_addresses_of_a_host_share_one_deadline(monkeypatch, dead_addresses) -> None:
    addresses, port = dead_addresses
    resolve_to(monkeypatch, addresses)
    started = time.monotonic()
    with enforce_deadline(started + 1.0), pytest.raises(requests.ConnectionError):
        open_session().get(f"http://many.example:{port}/", timeout=1.0)
    assert 0.7 < time.monotonic() - started < 4.0  # four times the whole second without it


def test_a_live_address_behind_dead_ones_is_reached(monkeypatch, dead_addresses) -> None:
    dead, port = dead_addresses
    resolve_to(monkeypatch, [*dead[:2], "127.0.0.30"])
    hosts = []
    with socket.create_server(("127.0.0.30", port)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                hosts.append([line for line in connection.recv(4096).split(b"\r\n") if line.startswith(b"Host")])
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        threading.Thread(target=serve, daemon=True).start()
        with enforce_deadline(time.monotonic() + 3.0):
            assert open_session().get(f"http://many.example:{port}/", timeout=3.0).text == "hi"
    assert hosts == [[f"Host: many.example:{port}".encode()]]


def test_a_name_that_nobody_knows_is_said_as_before() -> None:
    with enforce_deadline(time.monotonic() + 10), pytest.raises(requests.ConnectionError, match="resolve"):
        open_session().get("http://no-such-host.invalid/", timeout=10)
