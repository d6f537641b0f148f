"""What BufferingWorker relies on inside gunicorn. A new gunicorn that fails here needs the worker to be read again."""

from __future__ import annotations

import inspect
import re
from typing import Any

import gunicorn
import pytest
from gunicorn.config import Config
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    ExpectationFailed,
    InvalidChunkSize,
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from backend.http_worker import BufferingWorker
from backend.http_worker.client import Client
from backend.http_worker.polling_worker import PollingWorker
from tests.paths import ROOT

READ_AGAIN = "gunicorn has changed what backend/http_worker relies on: read its gthread.py and adapt the worker"
SIGNATURES = {
    ThreadWorker.accept: "(self, listener)",
    ThreadWorker.check_config: "(cfg, log)",
    ThreadWorker.enqueue_req: "(self, conn)",
    ThreadWorker.finish_request: "(self, conn, fs)",
    ThreadWorker.handle: "(self, conn)",
    ThreadWorker.handle_exit: "(self, sig, frame)",
    ThreadWorker.load_wsgi: "(self)",
    ThreadWorker.murder_keepalived: "(self, force=False)",
    ThreadWorker.murder_pending: "(self)",
    ThreadWorker.on_client_socket_readable: "(self, conn, client)",
    ThreadWorker.set_accept_enabled: "(self, enabled)",
    TConn.__init__: "(self, cfg, sock, client, server)",
    TConn.set_timeout: "(self)",
    Request.__init__: "(self, cfg, unreader, peer_addr, req_number=1)",
    IterUnreader.__init__: "(self, iterable)",
}
STATEMENTS = {  # what the worker counts on in the methods that it does not override
    ThreadWorker.run: [
        "self.set_accept_enabled(True)",
        "while self.alive:",
        "self.nr_conns < self.worker_connections",
        "self.wait_for_and_dispatch_events(timeout=1.0)",
        "self.murder_pending()",
        "self.set_accept_enabled(False)",
        "while self.nr_conns > 0:",
    ],
    ThreadWorker.enqueue_req: ["self.tpool.submit(self.handle, conn)", "defer(self.finish_request, conn, fut)"],
    ThreadWorker.handle: ["conn.init()", "next(conn.parser)", "self.handle_request(req, conn)"],
    ThreadWorker.handle_request: [
        "wsgi.create(req, conn.sock,",
        "self.wsgi(environ, resp.start_response)",
        "if not self.alive or not self.cfg.keepalive:",
    ],
    ThreadWorker._keepalive_after: ["conn.parser.finish_body(deadline=drain_deadline)"],
    ThreadWorker.murder_keepalived: ["self.keepalived_conns[0]", "self.nr_conns -= 1"],
    TConn.init: ["if self.initialized:\n            return"],
    gunicorn.util.write: ["sock.sendall(data)"],
    gunicorn.http.wsgi.create: ["if req._expected_100_continue:"],
}


def parse(header: bytes) -> Any:
    return Request(Config(), IterUnreader([header]), ("127.0.0.1", 1))


def test_the_installed_gunicorn_is_the_pinned_one() -> None:
    pinned = re.search(r"^gunicorn==(.+)$", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    assert pinned is not None
    assert gunicorn.__version__ == pinned[1], READ_AGAIN


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_signatures_are_those_that_the_worker_calls_and_overrides(function: Any) -> None:
    assert str(inspect.signature(function)) == SIGNATURES[function], READ_AGAIN


@pytest.mark.parametrize("function", STATEMENTS, ids=lambda function: function.__qualname__)
def test_methods_do_what_the_worker_counts_on(function: Any) -> None:
    source = inspect.getsource(function)
    assert [statement for statement in STATEMENTS[function] if statement not in source] == [], READ_AGAIN


def test_every_override_still_overrides_something() -> None:
    """A method that gunicorn renamed would never be called."""
    names = {name for cls in (BufferingWorker, PollingWorker) for name in vars(cls) if not name.startswith("__")}
    public = {name for name in names if not name.startswith("_")}
    assert public - set(dir(ThreadWorker)) == {"limits", "is_draining"}, READ_AGAIN
    assert (names - public) & set(dir(ThreadWorker)) == set(), READ_AGAIN
    added = {"address", "deadline", "held_bytes", "is_closed", "is_sending", "keeps_alive", "peer", "step"}
    source = inspect.getsource(TConn)
    assert [name for name in added if f"self.{name} " in source] == [], READ_AGAIN
    assert inspect.getsource(Client).count("self.initialized = True") == 1


def test_gunicorns_parser_says_how_a_body_is_framed() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\n"
    assert isinstance(parse(post + b"Transfer-Encoding: chunked\r\n\r\n").body.reader, ChunkedReader), READ_AGAIN
    sized = parse(post + b"Content-Length: 7\r\n\r\n").body.reader
    assert (type(sized), sized.length) == (LengthReader, 7), READ_AGAIN
    without = parse(post + b"\r\n").body.reader
    assert (type(without), without.length) == (LengthReader, 0), READ_AGAIN


def test_gunicorns_parser_says_what_the_client_expects_and_whether_it_is_closed() -> None:
    expecting = parse(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
    assert (expecting._expected_100_continue, expecting.must_close, expecting.should_close()) == (True, False, False)
    expecting.force_close()
    assert (expecting.must_close, expecting.should_close()) == (True, True), READ_AGAIN


def test_refusals_of_the_parser_are_of_the_classes_that_the_worker_answers() -> None:
    classes = (
        ChunkMissingTerminator,
        ExpectationFailed,
        InvalidChunkSize,
        InvalidHeader,
        LimitRequestHeaders,
        LimitRequestLine,
        UnsupportedTransferCoding,
    )
    assert [cls for cls in classes if not issubclass(cls, ParseException)] == [], READ_AGAIN
    with pytest.raises(ParseException):
        parse(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert 0 < STOP_KEEPALIVE_LINGER < 10
