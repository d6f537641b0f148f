"""What the error of a request says of the host: unknown, out of reach for the moment, or connected to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from backend.fetching import find_wrong_address, never_connected, open_session
from backend.fetching.failed_connections import is_unknown_host, is_without_tls
from tests.servers import LocalServer, free_port


def error_of(url: str) -> requests.RequestException:
    with pytest.raises(requests.RequestException) as caught:
        open_session().get(url, timeout=30)
    return caught.value


@pytest.mark.parametrize(
    ("code", "is_unknown"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False), (socket.EAI_NODATA, False)]
)
def test_only_a_name_that_does_not_exist_is_unknown(
    monkeypatch: pytest.MonkeyPatch, code: int, is_unknown: bool
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "as the test says")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = error_of("http://studio.example/")
    assert (is_unknown_host(error), never_connected(error)) == (is_unknown, True)


def test_a_name_that_cannot_be_one_is_unknown() -> None:
    assert is_unknown_host(error_of(f"http://{'x' * 64}.example/"))  # a label has at most 63 characters


def test_a_closed_port_is_of_a_known_host() -> None:
    error = error_of(f"http://127.0.0.1:{free_port()}/")
    assert (is_unknown_host(error), never_connected(error)) == (False, True)


@pytest.fixture
def answer_once() -> Iterator[Callable[[bytes], int]]:
    """Opens a port whose first connection is answered with these bytes and closed; returns the port."""
    listeners = []

    def listen(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return int(listener.getsockname()[1])

    yield listen
    for listener in listeners:
        listener.close()


def test_a_server_of_plain_http_is_told_from_an_outage(start_server: Callable[[], LocalServer]) -> None:
    url = start_server().url.replace("http://", "https://")
    error = error_of(url)
    assert (is_without_tls(error), is_unknown_host(error)) == (True, False)
    wrong = find_wrong_address(url, error)
    assert wrong is not None
    assert wrong.message == f"Label Studio's URL {url} begins with https://, but the server there does not speak TLS."
    assert url.replace("https://", "http://") in wrong.remedy


def test_another_protocol_is_no_tls_either(answer_once: Callable[[bytes], int]) -> None:
    assert is_without_tls(error_of(f"https://127.0.0.1:{answer_once(b'-ERR unknown command')}/"))


@pytest.mark.parametrize("start", [b"", b"\x16\x03"])
def test_a_handshake_that_is_broken_off_is_an_outage(start: bytes, answer_once: Callable[[bytes], int]) -> None:
    url = f"https://127.0.0.1:{answer_once(start)}"
    assert find_wrong_address(url, error_of(url)) is None
