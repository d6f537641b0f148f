"""Servers that a test starts for itself: Redis, and HTTP that answers as the test says."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import redis

START_SECONDS = 60  # a bound for a busy machine
# Below those that the system gives to connections and to servers that ask for any port, so that nobody else gets a port
# between its choice and the start of its server. Each worker of pytest-xdist has ports of its own.
_PORTS = list(range(20_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16, 32_000, 16))
random.Random(os.getpid()).shuffle(_PORTS)
_next_ports = itertools.cycle(_PORTS)


def free_port() -> int:
    """Return an unused port of 127.0.0.1; each call returns another one."""
    for port in itertools.islice(_next_ports, len(_PORTS)):
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("", port))
            return port
    raise RuntimeError("all ports of the tests are in use")


@dataclass
class RedisServer:
    """A real redis-server of this test's own, which can be stopped and started again."""

    folder: Path
    port: int
    options: list[str] = field(default_factory=list)
    password: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        secured = ["--requirepass", self.password] if self.password else []
        self.process = subprocess.Popen([*command, *secured, *self.options], stdout=subprocess.DEVNULL)
        client, end = redis.Redis.from_url(self.url), time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a connection beyond it would wait for a second


def start_local_server(servers: list[ThreadingHTTPServer], address: str = "127.0.0.1", port: int = 0) -> LocalServer:
    local = LocalServer("", lambda seen, handler: (404, {}, b""))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True  # the body would wait 40 ms for the receipt of the headers

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

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = _Server((address, port), Handler)
    servers.append(server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    local.url = f"http://{address}:{server.server_address[1]}"
    return local
