"""The sweep: surplus predictions of exactly one version go; what people worked on, and everything else, stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.bulk.toy_run import VERSION, ToyRun
from tests.servers import LocalServer

TASKS = 10


@pytest.fixture
def site() -> FakeLabelStudio:
    site = FakeLabelStudio.with_tasks(TASKS)
    for task in range(1, 9):
        site.store(task, VERSION)
    return site


@pytest.fixture
def toy(site: FakeLabelStudio, start_server: Callable[[], LocalServer], tmp_path: Path) -> ToyRun:
    server = start_server()
    site.serve(server)
    return ToyRun(server.url, tmp_path)


def deletions(site: FakeLabelStudio) -> int:
    return sum(name.startswith("DELETE ") for name in site.requests)


def test_without_surplus_four_small_requests_tell_so(site: FakeLabelStudio, toy: ToyRun) -> None:
    report = toy.sweep()
    assert str(report) == f"{VERSION}: 8 of 10 tasks have their prediction, 0 duplicates deleted"
    assert sorted(set(site.requests)) == ["GET projects/3/model-versions", "GET tasks"]
    assert len(site.requests) <= 6


def test_the_lowest_id_stays(site: FakeLabelStudio, toy: ToyRun) -> None:
    before = site.stored(VERSION)
    for task in (2, 2, 5):
        site.store(task, VERSION)
    assert toy.sweep().deleted == 3
    assert site.stored(VERSION) == before


def test_predictions_that_annotations_were_made_from_stay(site: FakeLabelStudio, toy: ToyRun) -> None:
    reviewed, surplus = site.store(2, VERSION), site.store(2, VERSION)
    site.annotations[2] = [None, reviewed]
    report = toy.sweep()
    assert (report.deleted, report.kept) == (1, 1)
    assert reviewed in site.predictions and surplus not in site.predictions
    assert str(report).endswith("1 duplicates deleted, 1 more kept because annotations were made from them")
    again = toy.sweep()
    assert (again.deleted, again.kept) == (0, 1)


def test_duplicates_in_a_task_that_somebody_is_labeling_wait_for_the_next_sweep(
    site: FakeLabelStudio, toy: ToyRun
) -> None:
    open_on_a_page, surplus = site.store(2, VERSION), site.store(5, VERSION)
    site.drafts = {2}
    report = toy.sweep()
    assert (report.deleted, report.waiting) == (1, 1)
    assert open_on_a_page in site.predictions and surplus not in site.predictions
    assert str(report).endswith("1 more left in tasks with a draft: run --verify when it is submitted")
    site.drafts = set()
    assert toy.sweep().deleted == 1


@pytest.mark.parametrize("other", ["other-1", f"{VERSION}-b", f"x-{VERSION}", VERSION[:-1], VERSION.upper()])
def test_other_versions_are_left_alone_even_if_their_names_contain_this_one(
    site: FakeLabelStudio, toy: ToyRun, other: str
) -> None:
    others = [site.store(task, other) for task in (1, 1, 2, 9, 9)]
    surplus = site.store(2, VERSION)
    assert toy.sweep().deleted == 1
    assert surplus not in site.predictions
    assert set(others) <= site.predictions.keys()


def test_suspects_are_looked_at_before_the_whole_project(site: FakeLabelStudio, toy: ToyRun) -> None:
    for task in range(1, 9):
        site.store(task, "other-1")  # so that every task has several predictions
    site.store(2, VERSION)
    assert toy.sweep([2, 3]).deleted == 1
    looked_at = [name for name in site.requests if name == "GET tasks"]
    assert len(looked_at) == 6  # the suspects, their drafts, and counts; not the list of tasks with several predictions


def test_two_sweeps_at_once_keep_the_same_prediction(site: FakeLabelStudio, toy: ToyRun, tmp_path: Path) -> None:
    before = site.stored(VERSION)
    for task in range(1, 9):
        site.store(task, VERSION)
        site.store(task, VERSION)
    other = ToyRun(toy.url, tmp_path)
    deleted: list[int] = []
    threads = [threading.Thread(target=lambda run=run: deleted.append(run.sweep().deleted)) for run in (toy, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.stored(VERSION) == before
    assert sum(deleted) == 16
    assert deletions(site) >= 16


def test_an_outage_in_mid_sweep_is_waited_out(site: FakeLabelStudio, toy: ToyRun) -> None:
    before = site.stored(VERSION)
    for task in range(1, 9):
        site.store(task, VERSION)
    site.at_request = lambda name: setattr(site, "is_down", name.startswith("DELETE") and not toy.said)
    assert toy.sweep().deleted == 8
    assert site.stored(VERSION) == before
    assert toy.said
