"""The client's end of a connection."""

from __future__ import annotations

import socket

import pytest

from backend.server.client_socket import Connection


def test_a_connection_that_the_client_has_closed_is_seen() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        connection = Connection({"gunicorn.socket": ours})
        assert not connection.has_left()
        theirs.close()
        assert connection.has_left()


def test_a_client_that_stalls_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.server.client_socket.STALL_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(7.0)
        with pytest.raises(TimeoutError), Connection({"gunicorn.socket": ours}).hurried():
            ours.recv(1)
        assert ours.gettimeout() == 7.0  # as the server had it


def test_what_is_not_wanted_any_more_is_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Connection({"gunicorn.socket": ours}).stop_reading()
        assert ours.recv(1) == b""
        ours.sendall(b"413")
        assert theirs.recv(3) == b"413"  # an answer still gets out


def test_a_server_that_shows_no_connection_is_taken_to_have_a_client_that_waits() -> None:
    connection = Connection({})
    connection.stop_reading()
    with connection.hurried():
        assert not connection.has_left()
