"""Recorded Label Studio JSON, and a small HTTP server that answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backend.label_studio.config import LabelingConfig, parse_labeling_config

PAYLOADS = Path(__file__).parent.parent / "payloads"


def load_payload(name: str) -> Any:
    """A recorded document; of a recorded request its JSON body."""
    document = json.loads((PAYLOADS / f"{name}.json").read_text())
    return document["json"] if isinstance(document, dict) and "json" in document else document


@pytest.fixture
def config() -> LabelingConfig:
    """Of the project that the payloads were recorded in."""
    return parse_labeling_config(load_payload("setup")["schema"])


@dataclass(frozen=True)
class Seen:
    """A request as it reached the server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str], bytes]
Responder = Callable[[Seen, BaseHTTPRequestHandler], Answer | None]


@dataclass
class LocalServer:
    """Answers every request with `respond(seen, handler)`; None means that it has written the answer itself."""

    url: str
    respond: Responder
    seen: list[Seen] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [request.path for request in self.seen]


def _start(servers: list[ThreadingHTTPServer]) -> LocalServer:
    local = LocalServer("", lambda seen, handler: (404, {}, b""))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            local.seen.append(seen)
            answer = local.respond(seen, self)
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    servers.append(server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    local.url = f"http://127.0.0.1:{server.server_address[1]}"
    return local


@pytest.fixture
def start_server() -> Iterator[Callable[[], LocalServer]]:
    """Starts servers on free ports of 127.0.0.1 and stops them after the test."""
    servers: list[ThreadingHTTPServer] = []
    yield lambda: _start(servers)
    for server in servers:
        server.shutdown()
        server.server_close()
