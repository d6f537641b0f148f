"""The client's socket."""

from __future__ import annotations

import socket

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


def test_without_a_socket_the_client_counts_as_connected() -> None:
    assert not Connection({}).has_disconnected()
