"""Ctrl-C while the models work: real processes, which end with their own status and not by an abort in torch."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.fakes import CONFIG, noise_png
from tests.paths import ROOT
from tests.processes import children_of, is_running
from tests.servers import Answer, LocalServer, RedisServer, Seen

TASKS = 60  # less than a page of them
KNOWN = CONFIG.replace('value="cat"', 'value="red"').replace('value="dog"', 'value="blue"')  # to the demo's CLIP
BEGUN = 4  # images fetched, the first for the estimate: the models are at the second of the run, at the latest


@pytest.fixture
def site(start_server: Callable[[], LocalServer]) -> LocalServer:
    """A Label Studio with a project of more tasks than are done before a test stops."""
    server = start_server()
    tasks = {n: {"photo": f"/data/upload/3/0123abcd-{n}.png"} for n in range(1, TASKS + 1)}
    label_studio = FakeLabelStudio(tasks, label_config=KNOWN, labels=("red", "blue"))

    def respond(seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        path = urlsplit(seen.path).path.rstrip("/")
        if image := re.fullmatch(r"/data/upload/3/0123abcd-(\d+)\.png", path):
            return 200, {"Content-Type": "image/png"}, noise_png(320, 240, int(image[1]))
        return label_studio.respond(seen, handler)

    server.respond = respond
    return server


def imports(site: LocalServer) -> int:
    return sum(path.endswith("/import/predictions") for path in site.paths())


def start(command: str, site: LocalServer, *options: str, **environment: str) -> subprocess.Popen[str]:
    """The command at work on the site's project."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LABEL_STUDIO", "REDIS", "SAM_", "CLIP_"))}
    argv = [sys.executable, "-m", f"scripts.{command}", "--project", "3", "--url", site.url, "--api-key", "abcdef"]
    argv += options
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        argv, cwd=ROOT, env={**clean, **environment}, stdout=pipe, stderr=pipe, text=True, preexec_fn=_at_a_terminal
    )
    wait_for(lambda: sum("/data/upload/" in path for path in site.paths()) >= BEGUN, process)
    return process


def _at_a_terminal() -> None:
    """Where the tests run in the background of a shell, Ctrl-C is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not is_so():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"It never came to that: {process.communicate()}")
        time.sleep(0.02)


@pytest.mark.slow
def test_an_interrupted_preannotation_ends_with_its_own_status(site: LocalServer, tmp_path: Path) -> None:
    process = start("preannotate", site, RUNS_DIR=str(tmp_path))
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=240)
    assert (process.returncode, "terminate called" in complaints) == (130, False), complaints
    assert "\nstopping: what is under way is finished and imported" in complaints
    assert "\ninterrupted; completed work is kept, run the same command to continue" in complaints
    assert re.search(r"^created [1-9]\d* .*failed 0$", said, re.MULTILINE)
    assert imports(site) == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_ctrl_c_reaches_workers_too_and_what_they_had_is_imported(
    site: LocalServer, tmp_path: Path, engine: str
) -> None:
    options = ("--workers", "2", "--window", "2", "--engine", engine)
    process = start("preannotate", site, *options, RUNS_DIR=str(tmp_path), RAY_ADDRESS="")
    children = children_of(process.pid)
    assert len(children) >= 2
    for number in (process.pid, *children):  # as a terminal sends it to all of them
        with contextlib.suppress(ProcessLookupError):  # some of Ray's end early
            os.kill(number, signal.SIGINT)
    said, complaints = process.communicate(timeout=240)
    assert process.returncode == 130, complaints
    assert re.search(r"^created [1-9]\d* .*failed 0$", said, re.MULTILINE)
    assert "Traceback" not in complaints
    wait_for_end = time.monotonic() + 60
    while any(is_running(number) for number in children):
        assert time.monotonic() < wait_for_end
        time.sleep(0.02)


@pytest.mark.slow
def test_an_interrupted_precomputation_ends_with_its_own_status(site: LocalServer, redis_server: RedisServer) -> None:
    process = start("precompute", site, REDIS_URL=redis_server.url)
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=240)
    assert (process.returncode, "terminate called" in complaints) == (130, False), complaints
    assert re.search(r"^images: computed [1-9]\d*, .*failed 0$", said, re.MULTILINE)


@pytest.mark.slow
def test_a_second_interruption_does_not_wait_for_label_studio(site: LocalServer, tmp_path: Path) -> None:
    ended, answer = threading.Event(), site.respond

    def hang(seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        if seen.path.endswith("/import/predictions"):
            ended.wait(300)
        return answer(seen, handler)

    site.respond = hang
    process = start("preannotate", site, RUNS_DIR=str(tmp_path))
    process.send_signal(signal.SIGINT)
    wait_for(lambda: imports(site) > 0, process)
    process.send_signal(signal.SIGINT)
    try:
        complaints = process.communicate(timeout=120)[1]
    finally:
        process.kill()
        ended.set()
    assert (process.returncode, "terminate called" in complaints) == (130, False), complaints


ABORTS = """
import sys
from scripts.console import run_and_leave

def main():
    {does}

run_and_leave(main)
"""


@pytest.mark.parametrize(
    ("does", "status", "says"),
    [
        ("print('done'); return 7", 7, ("done\n", "")),
        ("raise ValueError('odd')", 1, ("", "ValueError: odd\n")),
        ("raise KeyboardInterrupt", 130, ("", "")),
        ("sys.exit(2)", 2, ("", "")),
    ],
)
def test_however_a_command_ends_its_status_and_its_words_get_out(does: str, status: int, says: tuple[str, str]) -> None:
    argv = [sys.executable, "-c", ABORTS.format(does=does)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, says[0])
    assert done.stderr.endswith(says[1])
