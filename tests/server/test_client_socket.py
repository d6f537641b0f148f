"""The client's socket."""

from __future__ import annotations

import socket

import pytest

from backend.server.client_socket import Connection


def test_a_closed_connection_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        connection = Connection({"gunicorn.socket": ours})
        assert not connection.has_disconnected()
        theirs.close()
        assert connection.has_disconnected()


def test_a_socket_that_the_server_has_closed_counts_as_disconnected() -> None:
    ours, theirs = socket.socketpair()
    connection = Connection({"gunicorn.socket": ours})
    with theirs:
        ours.close()
        assert connection.has_disconnected()


def test_reading_from_a_stalled_client_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.server.client_socket.STALL_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(7.0)
        with pytest.raises(TimeoutError), Connection({"gunicorn.socket": ours}).stall_timeout():
            ours.recv(1)
        assert ours.gettimeout() == 7.0  # the server's own timeout is back


def test_after_stop_reading_nothing_is_received_and_a_reply_can_be_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Connection({"gunicorn.socket": ours}).stop_reading()
        assert ours.recv(1) == b""
        ours.sendall(b"413")
        assert theirs.recv(3) == b"413"


def test_without_a_socket_the_client_counts_as_connected() -> None:
    connection = Connection({})
    connection.stop_reading()
    with connection.stall_timeout():
        assert not connection.has_disconnected()
