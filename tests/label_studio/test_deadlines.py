"""A request ends at its deadline, also while TLS shakes hands; sockets of others and their ends are left alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from backend.label_studio.deadlines import hang_up_at, open_session

from .conftest import LocalServer


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
    with hang_up_at(started + 0.3) as watch, pytest.raises(requests.RequestException):
        open_session().get(f"https://127.0.0.1:{silent_port}/", timeout=5.0)
    assert watch.is_over
    assert time.monotonic() - started < 1.5


def test_one_deadline_does_not_end_the_request_of_another_thread(start_server: Callable[[], LocalServer]) -> None:
    server, session, got = start_server(), open_session(), []

    def respond(seen: object, handler: object) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.5)
        return 200, {}, b"whole"

    def ask(seconds: float) -> None:
        try:
            with hang_up_at(time.monotonic() + seconds):
                got.append(session.get(server.url, timeout=5.0).content)
        except requests.RequestException:
            got.append(b"broken off")

    server.respond = respond
    threads = [threading.Thread(target=ask, args=(seconds,)) for seconds in (0.1, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got == [b"broken off", b"whole"]


def test_no_descriptor_is_left_open(start_server: Callable[[], LocalServer]) -> None:
    server, session = start_server(), open_session()
    server.respond = lambda seen, handler: (200, {}, b"")
    twins = []
    for _ in range(3):
        with hang_up_at(time.monotonic() + 5) as watch:
            session.get(server.url, timeout=5.0)
            twins += watch._twins
    assert len(twins) == 3
    assert [twin.fileno() for twin in twins] == [-1] * 3
