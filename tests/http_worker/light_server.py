"""A real gunicorn with the project's configuration and the light application, and raw clients of it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.paths import ROOT
from tests.servers import free_port

LABEL_STUDIOS_PATIENCE = 1.0
START_SECONDS = CLIENT_SECONDS = 60  # bounds for a busy machine


class LightServer:
    """gunicorn in a process of its own; `GUNICORN_CMD_ARGS="-k gthread"` runs it with gunicorn's own worker."""

    def __init__(self, folder: Path, application: str = "tests.http_worker.light_app:app", **environment: str) -> None:
        self.port, self.log = free_port(), folder / "gunicorn.log"
        command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{self.port}", application]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LABEL_STUDIO", "REDIS"))}
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**clean, **environment}, stdout=file, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> LightServer:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                if self.get("/ready")[0] == 200:
                    return self
            except OSError:
                pass
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=CLIENT_SECONDS)
        client.sendall(sent)
        return client

    def keep_connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=CLIENT_SECONDS)

    def get(self, path: str, timeout: float = CLIENT_SECONDS) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            return ask(connection, path)
        finally:
            connection.close()

    def assert_health_is_quick(self, times: int = 20) -> None:
        """Ask for /health some times, each on a new connection; Label Studio gives up after a second.

        A busy machine may hold up a single answer for longer, but no answer may wait for the slow clients.
        """
        took = []
        for _ in range(times):
            started = time.monotonic()
            assert self.get("/health")[0] == 200
            took.append(time.monotonic() - started)
        assert statistics.median(took) < LABEL_STUDIOS_PATIENCE
        assert max(took) < CLIENT_SECONDS / 4

    def stop(self) -> None:
        self.process.terminate()


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    parts = []
    while part := client.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def post_header(path: str, length: int, *lines: str) -> bytes:
    header = [
        f"POST {path} HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *lines,
    ]
    return "\r\n".join([*header, "", ""]).encode()


def wait_for_file(path: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.01)
