"""How a real gunicorn stops, and how it fails to start."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.http_worker.light_server import LightServer, ask, post_header, read_all, wait_for_file
from tests.paths import ROOT

pytestmark = pytest.mark.slow


WAIT_SECONDS = 60  # a bound for a busy machine
DRAIN_SECONDS = 8


def wait_until_refused(server: LightServer) -> None:
    """Wait until a connection is refused; one that comes while the socket is closed is reset."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass
        assert time.monotonic() < end, "connections are still accepted"
        time.sleep(0.01)


def test_at_sigterm_requests_in_flight_finish_and_everything_else_is_refused(tmp_path: Path) -> None:
    begun, until, answers = tmp_path / "begun", tmp_path / "until", []
    patient = {"GUNICORN_CMD_ARGS": "--keep-alive 30", "LIGHT_APP_LINGER_SECONDS": "30"}  # `kept` may wait for its turn
    with LightServer(tmp_path, **patient) as server, closing(server.keep_connected()) as kept:
        flying = threading.Thread(target=lambda: answers.append(server.get(f"/wait?begun={begun}&until={until}")))
        flying.start()
        wait_for_file(begun)
        half_sent = server.connect(post_header("/predict", 1000) + b"{")
        assert ask(kept, "/ready")[0] == 200
        server.stop()
        wait_until_refused(server)
        status, body = ask(kept, "/ready")
        assert (status, b"The server is shutting down." in body) == (503, True)
        with half_sent:
            answer = read_all(half_sent)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"The server is shutting down." in answer
        assert flying.is_alive()
        until.touch()
        flying.join(WAIT_SECONDS)
        assert answers == [(200, b"waited")]
        assert server.process.wait(WAIT_SECONDS) == 0


def test_while_it_drains_the_server_is_not_ready_but_serves(tmp_path: Path) -> None:
    with LightServer(tmp_path, DRAIN_SECONDS=str(DRAIN_SECONDS)) as server:
        stopped = time.monotonic()
        server.stop()
        while (reply := server.get("/ready"))[0] == 200:  # once the drain is over, connections are refused
            pass
        assert (reply[0], b"The server is shutting down." in reply[1]) == (503, True)
        assert server.get("/health")[0] == 200
        wait_until_refused(server)
        assert time.monotonic() >= stopped + DRAIN_SECONDS
        assert server.process.wait(WAIT_SECONDS) == 0


@pytest.mark.parametrize(
    ("application", "code"), [("tests.http_worker.light_app:app", 3), ("tests.http_worker.no_such_app:app", 3)]
)
def test_an_application_that_cannot_be_loaded_ends_gunicorn(tmp_path: Path, application: str, code: int) -> None:
    server = LightServer(tmp_path, application, LIGHT_APP_FAILS="yes")
    try:
        assert server.process.wait(WAIT_SECONDS) == code
    finally:
        server.process.kill()
    log = server.log.read_text()
    assert log.count("Booting worker") == 1
    assert "The application could not be loaded: the reason stands above." in log
    assert ("The light application fails, as it was told to." in log) or ("no_such_app" in log)


def test_a_setting_that_only_the_application_refuses_ends_gunicorn(tmp_path: Path) -> None:
    """`sys.exit` with a sentence, as the application does for a bad setting, is a failed start too."""
    server = LightServer(tmp_path, "tests.http_worker.light_app:app", LIGHT_APP_EXITS="TOP_K is many.")
    try:
        assert server.process.wait(WAIT_SECONDS) == 3
    finally:
        server.process.kill()
    assert "TOP_K is many." in server.log.read_text()


def test_the_main_process_outlives_a_worker_that_is_already_gone() -> None:
    """gunicorn calls `worker_exit` in its main process too, for a worker that it can no longer signal."""
    code = """
import os, runpy
from types import SimpleNamespace
configuration = runpy.run_path("gunicorn.conf.py")
configuration["worker_exit"](None, SimpleNamespace(pid=os.getpid() + 1, booted=True))
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"


def test_a_certificate_is_refused_rather_than_ignored(tmp_path: Path) -> None:
    server = LightServer(tmp_path, GUNICORN_CMD_ARGS="--certfile LICENSE --keyfile LICENSE")
    try:
        assert server.process.wait(WAIT_SECONDS) not in (0, None)
    finally:
        server.process.kill()
    assert "This worker does not support TLS" in server.log.read_text()
