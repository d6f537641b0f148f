"""Clients that send or read slowly, against a real gunicorn: they cost others no time."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from backend.http_worker.worker import CHECK_SECONDS
from tests.http_worker.light_app import LARGE_BYTES
from tests.http_worker.light_server import CLIENT_SECONDS, LightServer, ask, post_header, read_all

pytestmark = pytest.mark.slow

PREDICTIONS = "4"  # and four threads more


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightServer]:
    """With generous timeouts: whatever is answered meanwhile is not answered because the slow clients were closed."""
    arguments = {"MAX_CONCURRENT_PREDICTIONS": PREDICTIONS, "GUNICORN_CMD_ARGS": "--keep-alive 30"}
    with LightServer(tmp_path_factory.mktemp("server"), **arguments) as light:
        yield light


def connect_from(address: str, server: LightServer, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=CLIENT_SECONDS, source_address=(address, 0))
    client.sendall(sent)
    return client


def is_open(client: socket.socket) -> bool:
    """Whether the server has neither answered nor closed."""
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    return False


def test_200_unfinished_headers_of_several_addresses_leave_health_alone(server: LightServer) -> None:
    with ExitStack() as opened:
        clients = [
            opened.enter_context(connect_from(f"127.0.0.{2 + number % 4}", server, b"GET /health HTTP/1.1\r\nHost: a"))
            for number in range(200)
        ]
        server.assert_health_is_quick()
        assert all(is_open(client) for client in clients)
        clients[0].setblocking(True)
        clients[0].sendall(b"\r\n\r\n")
        assert clients[0].recv(100).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("route", ["/predict", "/setup"])
def test_40_dripped_bodies_leave_health_alone(server: LightServer, route: str) -> None:
    with ExitStack() as opened:
        clients = [opened.enter_context(server.connect(post_header(route, 10_000) + b"{")) for _ in range(40)]
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.05):
                for client in clients:
                    client.sendall(b" ")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            server.assert_health_is_quick()
        finally:
            stop.set()
            dripping.join()
        assert all(is_open(client) for client in clients)


def test_16_clients_that_do_not_read_a_large_response_leave_health_alone(server: LightServer) -> None:
    with ExitStack() as opened:
        for _ in range(16):
            opened.enter_context(server.connect(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"))
        time.sleep(0.5)  # the threads that would wait for them are waiting now
        server.assert_health_is_quick()


def test_a_client_that_reads_slowly_but_in_time_gets_all_of_a_large_response(server: LightServer) -> None:
    with server.connect(b"GET /large HTTP/1.0\r\n\r\n") as client:
        received = 0
        while part := client.recv(1 << 18):
            received += len(part)
            time.sleep(0.01)
    assert LARGE_BYTES < received < LARGE_BYTES + 1000


def test_an_upload_at_moderate_speed_is_answered(server: LightServer) -> None:
    body = json.dumps({"action": "PING", "padding": "x" * 1_000_000}).encode()
    with server.connect(post_header("/webhook", len(body), "Connection: close")) as client:
        for start in range(0, len(body), 50_000):
            client.sendall(body[start : start + 50_000])
            time.sleep(0.03)
        assert read_all(client).endswith(b'{"status":"ok"}')


def test_the_65th_unfinished_request_of_an_address_closes_the_oldest(server: LightServer) -> None:
    with ExitStack() as opened:
        clients = []
        for _ in range(64):
            clients.append(opened.enter_context(connect_from("127.0.0.9", server, b"GET /health HTTP/1.1\r\n")))
            time.sleep(0.002)
        time.sleep(0.2)
        assert all(is_open(client) for client in clients)
        last = opened.enter_context(connect_from("127.0.0.9", server, b"GET /health HTTP/1.1\r\n"))
        clients[0].setblocking(True)
        answer = read_all(clients[0])
        assert answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"More than 64 requests from 127.0.0.9 have not arrived completely." in answer
        assert all(is_open(client) for client in [*clients[1:], last])


def test_more_than_64_idle_connections_of_one_address_stay_open(server: LightServer) -> None:
    """Label Studio is one address with many connections that are kept alive."""
    with ExitStack() as opened:
        connections = [opened.enter_context(closing(server.keep_connected())) for _ in range(80)]
        assert [ask(connection, "/health")[0] for connection in connections] == [200] * 80
        sockets = [connection.sock for connection in connections]
        assert [ask(connection, "/health")[0] for connection in connections] == [200] * 80
        assert [connection.sock for connection in connections] == sockets


def test_a_server_that_is_full_of_unfinished_requests_accepts_more(tmp_path: Path) -> None:
    """The oldest make room, also where no address has more than its share."""
    arguments = {"MAX_CONCURRENT_PREDICTIONS": PREDICTIONS, "GUNICORN_CMD_ARGS": "--worker-connections 60"}
    with LightServer(tmp_path, **arguments) as server, ExitStack() as opened:
        for number in range(150):
            sent = b"GET /health HTTP/1.1\r\n"
            opened.enter_context(connect_from(f"127.0.0.{2 + number % 5}", server, sent))
        server.assert_health_is_quick()


def test_requests_and_responses_that_take_too_long_are_ended(tmp_path: Path) -> None:
    short = {"REQUEST_TIMEOUT_SECONDS": "1", "RESPONSE_TIMEOUT_SECONDS": "1", "MAX_CONCURRENT_PREDICTIONS": PREDICTIONS}
    with LightServer(tmp_path, **short) as server, ExitStack() as opened:
        silent = opened.enter_context(server.connect())
        deaf = opened.enter_context(server.connect(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"))
        deaf.recv(1, socket.MSG_PEEK)  # its response has begun, so that its time ends with that of the requests
        stalled = opened.enter_context(server.connect(post_header("/predict", 1000) + b"{"))
        dripped = opened.enter_context(server.connect(post_header("/predict", 1000) + b"{"))
        end = time.monotonic() + CLIENT_SECONDS
        while is_open(dripped):
            dripped.setblocking(True)
            dripped.sendall(b" ")
            time.sleep(0.1)
            assert time.monotonic() < end, "a byte now and then keeps the request alive"
        for client in (stalled, dripped):
            client.setblocking(True)
            answer = read_all(client)
            assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            assert b'{"error": "The request did not arrive within 1 s.", "remedy": ' in answer
        assert read_all(silent) == b""
        time.sleep(4 * CHECK_SECONDS)  # the server has looked at the deadline of the response as well
        with suppress(ConnectionResetError):  # the rest of the response was dropped
            assert len(read_all(deaf)) < LARGE_BYTES


def test_large_bodies_that_arrive_at_once_are_refused_beyond_the_limit_of_memory(tmp_path: Path) -> None:
    """Eight bodies of the largest size may be buffered."""
    size = 1 << 20
    with (
        LightServer(tmp_path, MAX_BODY_BYTES=str(size), MAX_CONCURRENT_PREDICTIONS=PREDICTIONS) as server,
        ExitStack() as opened,
    ):
        clients = []
        for _ in range(12):
            client = opened.enter_context(server.connect(post_header("/predict", size)))
            client.sendall(b" " * (size - 1))
            clients.append(client)
        end = time.monotonic() + CLIENT_SECONDS
        while sum(not is_open(client) for client in clients) < 4:
            assert time.monotonic() < end
            time.sleep(0.02)
        refused = [client for client in clients if not is_open(client)]
        assert len(refused) == 4
        refused[0].setblocking(True)
        assert b"503 Service Unavailable" in (answer := read_all(refused[0]))
        assert b"Too many large requests arrive at once." in answer
        server.assert_health_is_quick(3)
