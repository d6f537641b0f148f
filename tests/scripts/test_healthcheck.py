"""The container's health check against servers that answer, that hang, and that ignore SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts.healthcheck import main

HANGING = """
import signal, socket, sys
if {ignores_sigterm}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
signal.pause()
"""


@contextmanager
def hanging_server(pid_file: Path, *, ignores_sigterm: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that accepts connections and answers none; its URL."""
    code = HANGING.format(ignores_sigterm=ignores_sigterm)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/health"
        pid_file.write_text(f"{process.pid}\n")
        try:
            yield process, url
        finally:
            process.kill()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def check(url: str, pid_file: Path, seconds: float = 30) -> int:
    return main(["--url", url, "--pid-file", str(pid_file), "--timeout", str(seconds)])


def check_hanging(url: str, pid_file: Path) -> int:
    return check(url, pid_file, 0.2)


def test_a_server_that_hangs_is_terminated_at_the_third_failure(tmp_path: Path) -> None:
    pid_file = tmp_path / "gunicorn.pid"
    with hanging_server(pid_file) as (process, url):
        assert [check_hanging(url, pid_file), check_hanging(url, pid_file)] == [1, 1]
        assert process.poll() is None
        assert check_hanging(url, pid_file) == 1
        assert process.wait(60) == -signal.SIGTERM


def test_a_server_that_ignores_sigterm_is_killed_at_the_fourth(tmp_path: Path) -> None:
    pid_file = tmp_path / "gunicorn.pid"
    with hanging_server(pid_file, ignores_sigterm=True) as (process, url):
        assert [check_hanging(url, pid_file) for _ in range(3)] == [1, 1, 1]
        assert process.poll() is None
        check_hanging(url, pid_file)
        assert process.wait(60) == -signal.SIGKILL


def test_an_answer_ends_the_row_of_failures(tmp_path: Path, answering: str) -> None:
    pid_file = tmp_path / "gunicorn.pid"
    with hanging_server(pid_file) as (process, url):
        for _ in range(3):
            assert [check_hanging(url, pid_file), check_hanging(url, pid_file)] == [1, 1]
            assert check(f"{answering}/health", pid_file) == 0
        assert process.poll() is None


def test_another_status_and_a_closed_port_are_failures_that_are_named(tmp_path: Path, answering: str, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/health"
    assert check(f"{answering}/other", tmp_path / "gunicorn.pid") == 1
    assert check(closed, tmp_path / "gunicorn.pid") == 1
    assert check(closed, tmp_path / "gunicorn.pid") == 1
    printed = capsys.readouterr().err
    assert "503" in printed and "refused" in printed
    assert "The server could not be stopped" in printed and "gunicorn.pid" in printed
