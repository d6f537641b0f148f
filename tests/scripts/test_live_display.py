"""The progress of a run on a terminal (a pty) and in a pipe, as a person and a log see it."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from backend.bulk import Progress
from scripts.live_display import build_line, format_seconds, measure_memory, show_progress_of
from tests.paths import ROOT

RUN = """
import time
from backend.bulk import Pipeline, PipelineRunner, Progress, Stage
from scripts.live_display import CACHED, COMPUTED, show_progress_of

def fetch(task):
    if task["id"] == 3:
        raise ValueError("gone")
    progress.note(CACHED if task["id"] < 10 else COMPUTED)
    return task

def segment(task):
    time.sleep(0.05)
    return {"result": [], "score": None}

progress = Progress(["fetch", "segment"], total=40)
pipeline = Pipeline([Stage("fetch", fetch), Stage("segment", segment)], progress=progress)
outcomes = PipelineRunner(pipeline)({"id": number} for number in range(40))
with show_progress_of(progress, "pre-annotating", seconds=0.5):
    count = sum(1 for _ in outcomes)
print(count)
"""


def test_a_terminal_shows_rates_per_stage_remaining_time_failures_memory_and_cache_hits() -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, stdout=child, stderr=child, env=environment)
    os.close(child)
    shown = b""
    while True:
        try:
            shown += os.read(parent, 65536)
        except OSError:  # all is read and the process has ended
            break
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"stage +done +failed +per second +busy", text)
    assert re.search(r"fetch +39 +1 +[0-9.]+ +\d+ %", text)
    assert re.search(r"segment +39 +[0-9.]+ +\d+ %", text)
    assert re.search(r"\d+ of 40, [0-9.]+/s, \d+ s left, 1 failed, \d+ % from the cache, \d+ MiB", text)
    assert "\x1b[" in shown.decode(), "it is redrawn in place"
    assert text.rstrip().endswith("40"), "what the command prints comes after it"


def test_a_pipe_gets_plain_lines_and_a_last_one() -> None:
    finished = subprocess.run([sys.executable, "-c", RUN], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = finished.stderr.splitlines()
    assert len(lines) >= 3
    assert "\x1b" not in finished.stderr
    pattern = r"pre-annotating: \d+ of 40, [0-9.]+/s, \d+ s left, [01] failed, \d+ % from the cache, \d+ MiB, "
    assert all(re.match(pattern + "most time in segment$", line) for line in lines[1:])
    assert lines[-1].startswith("pre-annotating: 40 of 40, ")
    assert "0 s left, 1 failed, 23 % from the cache" in lines[-1]
    assert finished.stdout == "40\n"


def test_without_a_total_there_is_no_remaining_time() -> None:
    progress = Progress(["fetch"])
    progress.finish(failed=True)
    line = build_line(progress.snapshot(), "labeling")
    assert re.match(r"labeling: 1 done, [0-9.]+/s, 1 failed", line)
    assert "left" not in line


def test_the_display_ends_with_an_interrupted_run() -> None:
    before, stream = set(threading.enumerate()), io.StringIO()
    with pytest.raises(KeyboardInterrupt), show_progress_of(Progress(), "labeling", stream=stream):
        raise KeyboardInterrupt
    assert set(threading.enumerate()) <= before
    assert stream.getvalue().startswith("labeling: 0 done")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.2, "59 s"), (90, "2 min"), (3540, "59 min"), (11100, "3 h 05 min")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_memory_is_that_of_this_process_and_its_children() -> None:
    code = "import sys, time; ballast = bytes(100_000_000); print(flush=True); sys.stdin.read()"
    before = measure_memory()
    child = subprocess.Popen(
        [sys.executable, "-c", code.replace("bytes(", "bytearray(b'1') * (")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert measure_memory() - before > 90_000_000
    child.communicate(b"")
