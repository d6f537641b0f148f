"""What a real gunicorn makes of requests: whole, chunked, pipelined, too large, expected and malformed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.http_worker.light_server import LightServer, ask, post_header, read_all

pytestmark = pytest.mark.slow

MAX_BODY = 65_536
OK = b'{"status":"ok"}'
CHUNKED = b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightServer]:
    with LightServer(tmp_path_factory.mktemp("server"), MAX_BODY_BYTES=str(MAX_BODY)) as light:
        yield light


def document_of(answer: bytes) -> dict[str, str]:
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


def test_a_chunked_body_is_read_to_its_end(server: LightServer) -> None:
    body = b'9\r\n{"action"\r\n8;name=value\r\n: "PING"\r\n1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n'
    with server.connect(CHUNKED + b"Connection: close\r\n\r\n" + body) as client:
        assert read_all(client).endswith(OK)


def test_pipelined_requests_are_answered_in_order(server: LightServer) -> None:
    health, chunked = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n"
    missing = b"GET /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with server.connect(health + post_header("/webhook", 2) + b"{}" + chunked + health + missing) as client:
        answers = read_all(client).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"200", b"200", b"404"]
    assert [answer.endswith(OK) for answer in answers] == [False, True, True, False, False]


def test_a_connection_is_used_again_after_a_body_that_no_route_read(server: LightServer) -> None:
    with closing(server.keep_connected()) as connection:
        connection.request("POST", "/missing", b"x" * 60_000)
        response = connection.getresponse()
        response.read()
        before = connection.sock
        assert (response.status, ask(connection, "/health")[0]) == (404, 200)
        assert connection.sock is before is not None


@pytest.mark.parametrize("sent", [post_header("/predict", 100) + b'{"ta', b"GET /health HT"], ids=["body", "header"])
def test_a_request_that_ends_too_early_is_refused_in_words(server: LightServer, sent: bytes) -> None:
    with server.connect(sent) as client:
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert document_of(answer)["error"] == "The request ended before it was complete."


def test_a_body_over_the_limit_is_refused_before_it_is_sent(server: LightServer) -> None:
    with server.connect(post_header("/predict", 10**12)) as client:
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    document = document_of(answer)
    assert document["error"] == f"The request body has {10**12} bytes; the limit is {MAX_BODY}."
    assert document["remedy"] == "Raise MAX_BODY_BYTES, or split the task."


def test_a_client_that_sends_all_of_a_body_over_the_limit_gets_the_reason(server: LightServer) -> None:
    with closing(server.keep_connected()) as connection:
        connection.request("POST", "/predict", b" " * 8_000_000, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.getheader("Connection")) == (413, "close")
        assert json.loads(response.read())["error"].startswith("The request body has 8000000 bytes")


def test_a_chunked_body_over_the_limit_is_refused(server: LightServer) -> None:
    with server.connect(CHUNKED + b"\r\n" + 5 * (b"4000\r\n" + b" " * 0x4000 + b"\r\n")) as client:
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert document_of(answer)["error"] == f"The request body has more than {MAX_BODY} bytes; the limit is {MAX_BODY}."


def test_a_client_that_expects_100_continue_gets_it_before_it_sends_the_body(server: LightServer) -> None:
    with server.connect(post_header("/webhook", 2, "Expect: 100-continue", "Connection: close")) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(OK)


def test_a_client_that_expects_to_send_too_much_is_refused_instead(server: LightServer) -> None:
    with server.connect(post_header("/webhook", MAX_BODY + 1, "Expect: 100-continue")) as client:
        assert read_all(client).startswith(b"HTTP/1.1 413 ")


MALFORMED = {
    "a chunk size that is not a number": CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\n\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than its size": CHUNKED + b"\r\n2\r\n{}}\r\n0\r\n\r\n",
    "a chunk size without an end": CHUNKED + b"\r\n" + b"0" * 9000,
    "very many chunks of one byte": CHUNKED + b"\r\n" + b"1\r\n \r\n" * 5000,
    "a trailer without an end": CHUNKED + b"\r\n0\r\n" + b"A: b\r\n" * 5000,
    "two lengths": post_header("/webhook", 2, "Content-Length: 3") + b"{}",
    "a length and chunks": CHUNKED + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length that is not a number": b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: two\r\n\r\n{}",
    "a negative length": b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}",
    "an unknown transfer coding": b"POST /webhook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: zip\r\n\r\n{}",
    "an unknown expectation": b"POST /webhook HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n",
    "lines that end with LF": b"GET /health HTTP/1.1\nHost: a\n\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header of 100 kB": b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 13_000,
    "a path of 100 kB": b"GET /" + b"a" * 100_000,
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_http_is_refused_in_words(server: LightServer, request_bytes: bytes) -> None:
    with server.connect(request_bytes) as client:
        answer = read_all(client)
    assert answer[:10] == b"HTTP/1.1 4"
    assert set(document_of(answer)) == {"error", "remedy"}


def test_a_client_cannot_name_the_applications_root(server: LightServer) -> None:
    with server.connect(b"GET /health HTTP/1.0\r\nSCRIPT_NAME: /x\r\n\r\n") as client:
        assert read_all(client).startswith(b"HTTP/1.0 200 OK")


def test_a_request_that_arrives_byte_by_byte_is_answered(server: LightServer) -> None:
    with server.connect() as client:
        for byte in CHUNKED + b"Connection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n":
            client.sendall(bytes([byte]))
        assert read_all(client).endswith(OK)


def test_a_disconnected_client_costs_nothing(server: LightServer) -> None:
    for sent in (b"", b"GET /hea", post_header("/predict", 100) + b"{", b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"):
        server.connect(sent).close()
    connection = server.keep_connected()
    assert ask(connection, "/health")[0] == 200
    connection.close()
    assert "Traceback" not in server.log.read_text()
