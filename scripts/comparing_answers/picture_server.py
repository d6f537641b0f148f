"""Serves the pictures to both sides under the same addresses, and what is not a picture, for the refusals.

To the backend it is Label Studio as well: what lies under /data/ wants the token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
PRIVATE = "/data/"


@dataclass(frozen=True)
class Page:
    """What is answered at an address."""

    data: bytes = b""
    content_type: str = "image/png"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up in the middle of a picture that is too large means to."""


class PictureServer:
    """A context: within, the pages are served.

    Args:
        find: The page at a path, "/pictures/a.png"; None where there is none.
        port: 0 for a free one.
    """

    def __init__(self, find: Callable[[str], Page | None], port: int = 0) -> None:
        self._find_page = find
        self._server = _Server((LOOPBACK, port), self._handler())

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> PictureServer:
        threading.Thread(target=self._server.serve_forever, name="pictures", daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _find(self, address: str, token: str | None) -> Page:
        path = urlsplit(address).path
        if path.startswith(PRIVATE) and token != f"Token {TOKEN}":
            return Page(status=401)
        return self._find_page(path) or Page(b"Not here.", "text/plain", 404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        find = self._find

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                page = find(self.path, self.headers.get("Authorization"))
                time.sleep(page.delay_seconds)
                self.send_response(page.status)
                for name, value in {"Content-Type": page.content_type, **page.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(page.data)))
                self.end_headers()
                self.wfile.write(page.data)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        return Handler
