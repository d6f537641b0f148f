"""What the error of a request says of the host: unknown, out of reach for the moment, or connected to."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests

from backend.fetching import is_unknown_host, never_connected, open_session
from tests.servers import free_port


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
