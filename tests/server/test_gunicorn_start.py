"""What gunicorn is started with, and whether it then starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.paths import ROOT
from tests.servers import free_port

OWN = ("BASIC_AUTH_USER", "BASIC_AUTH_PASS", "API_TOKEN", "WEBHOOK_SECRET", "ALLOW_ANONYMOUS")
USER_AND_PASSWORD = {"BASIC_AUTH_USER": "user", "BASIC_AUTH_PASS": "correct-horse"}
pytestmark = pytest.mark.slow


@contextmanager
def gunicorn(log: Path, options: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "gunicorn", *options, "backend.wsgi:app"]
    clean = {name: value for name, value in os.environ.items() if name not in (*OWN, "GUNICORN_CMD_ARGS", "PORT")}
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env={**clean, **environment}, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def wait_for_health(process: subprocess.Popen[bytes], port: int, log: Path) -> requests.Response:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            return requests.get(f"http://127.0.0.1:{port}/health", timeout=60)
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize(
    ("options", "environment", "shown"),
    [
        (["-b", "0.0.0.0:{port}"], {}, "0.0.0.0:{port}"),
        (["-b", "[::]:{port}"], {}, "[::]:{port}"),
        (["-b", "127.0.0.1:{port}", "-b", ":{port}"], {}, ":{port}"),
        ([], {"PORT": "{port}"}, "0.0.0.0:{port}"),
        ([], {"GUNICORN_CMD_ARGS": "-b 0.0.0.0:{port}"}, "0.0.0.0:{port}"),
        (["-b", "0.0.0.0:{port}"], {"ALLOW_ANONYMOUS": "false", "WEBHOOK_SECRET": "x"}, "0.0.0.0:{port}"),
    ],
)
def test_other_machines_are_not_served_without_authentication(
    tmp_path: Path, options: list[str], environment: dict[str, str], shown: str
) -> None:
    port = str(free_port())
    options = [option.format(port=port) for option in options]
    environment = {name: value.format(port=port) for name, value in environment.items()}
    with gunicorn(tmp_path / "log", options, **environment) as process:
        assert process.wait(120) == 1  # at once, so nothing restarts a worker
    log = (tmp_path / "log").read_text()
    assert f"It would serve other machines on {shown.format(port=port)} without authentication." in log
    for remedy in ("Set BASIC_AUTH_USER and BASIC_AUTH_PASS", "127.0.0.1", "ALLOW_ANONYMOUS=true"):
        assert remedy in log
    assert "Traceback" not in log
    assert "Booting worker" not in log


def test_one_half_of_the_credentials_is_refused_without_a_traceback(tmp_path: Path) -> None:
    with gunicorn(tmp_path / "log", ["-b", "127.0.0.1:0"], BASIC_AUTH_USER="user") as process:
        assert process.wait(120) == 1
    log = (tmp_path / "log").read_text()
    assert "Only one of BASIC_AUTH_USER and BASIC_AUTH_PASS is set. Set both, or neither." in log
    assert "Traceback" not in log


@pytest.mark.parametrize("environment", [USER_AND_PASSWORD, {"API_TOKEN": "a-long-token"}, {"ALLOW_ANONYMOUS": "true"}])
def test_other_machines_are_served_with_authentication_or_on_demand(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    port, log = free_port(), tmp_path / "log"
    with gunicorn(log, ["-b", f"0.0.0.0:{port}"], **environment) as process:
        assert wait_for_health(process, port, log).json()["status"] == "UP"
        status = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60).status_code
        assert status == (200 if "ALLOW_ANONYMOUS" in environment else 401)


def test_a_refused_client_gets_the_whole_answer_whatever_it_was_sending(tmp_path: Path) -> None:
    """Label Studio shows the reason phrase; of a connection that is reset it would show something else."""
    port, log = free_port(), tmp_path / "log"
    with gunicorn(log, ["-b", f"127.0.0.1:{port}"], **USER_AND_PASSWORD) as process:
        wait_for_health(process, port, log)
        for size in (100, 100_000, 5_000_000):
            reply = requests.post(
                f"http://127.0.0.1:{port}/setup", json={"schema": "x" * size}, auth=("user", "wrong"), timeout=60
            )
            assert reply.status_code == 401, size
            assert reply.reason.startswith("The user name or the password is wrong: this backend requires")
        assert "correct-horse" not in log.read_text()
