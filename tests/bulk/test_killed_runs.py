"""Runs in processes of their own that get signals: whatever the moment, no task is lost and none is doubled."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.bulk.toy_run import VERSION, ToyRun, toy_process
from tests.servers import LocalServer

TASKS = 1500
KILLS = 20
SETTLE_SECONDS = 1.2  # the last of `commit_seconds` and as much as a busy machine may take for it


@pytest.fixture
def site() -> FakeLabelStudio:
    site = FakeLabelStudio.with_tasks(TASKS)
    site.commit_seconds = lambda: random.choice((0.0, 0.01, 0.2))  # the last one outlives a killed run
    return site


@pytest.fixture
def server(site: FakeLabelStudio, start_server: Callable[[], LocalServer]) -> LocalServer:
    server = start_server()
    site.serve(server)
    return server


def wait_for_import(site: FakeLabelStudio, process: BaseProcess) -> None:
    deadline, before = time.monotonic() + 60, len(site.imports)
    while len(site.imports) == before:
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_loses_and_doubles_nothing(
    site: FakeLabelStudio, server: LocalServer, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    print(f"seed {seed}")
    for _ in range(KILLS):
        with toy_process(server.url, tmp_path, 0.001, settle_seconds=SETTLE_SECONDS) as process:
            wait_for_import(site, process)
            time.sleep(moments.uniform(0, 0.1))
            assert process.is_alive()  # it was killed at work, not after it
            process.kill()
    assert len(site.imports) >= KILLS
    assert site.counts(VERSION) == {0, 1}
    last = ToyRun(server.url, tmp_path, settle_seconds=SETTLE_SECONDS, chunk=100)
    summary = last.run()
    assert (summary.failed, summary.surplus) == (0, 0)
    assert site.counts(VERSION) == {1}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_a_run_finish_what_is_under_way(
    site: FakeLabelStudio, server: LocalServer, tmp_path: Path, number: int, status: int
) -> None:
    with toy_process(server.url, tmp_path, 0.005) as process:
        wait_for_import(site, process)
        os.kill(process.pid or 0, number)
        process.join(60)
        assert process.exitcode == status
    run = ToyRun(server.url, tmp_path)
    with run.run_folder.open_ledger() as ledger:
        done = {state.value: count for state, count in ledger.counts().items() if count}
    assert sum(len(ids) for ids in site.stored(VERSION).values()) == done["done"]
    assert "sent" not in done and "in_doubt" not in done
    assert site.counts(VERSION) == {0, 1}
