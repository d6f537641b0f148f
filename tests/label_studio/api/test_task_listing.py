"""Listing of large projects against a made-up Label Studio; tests.e2e.test_task_listing asks the real one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import LabelStudioError, LabelStudioUnavailable
from backend.label_studio.api import AnswerOf, LabelStudioClient, TaskFilter, TaskListing
from tests.label_studio.api.generated_project import GeneratedProject, answer
from tests.paths import ROOT
from tests.servers import LocalServer
from tests.tokens import LEGACY

VERSION = "demo-0123-auto-89abcdef"
Listed = Callable[..., TaskListing]


@pytest.fixture
def list_tasks(start_server: Callable[[], LocalServer]) -> Listed:
    def list_tasks(project: GeneratedProject, answer_of: AnswerOf = lambda request: request()) -> TaskListing:
        server = start_server()
        server.respond = project.respond
        return TaskListing(LabelStudioClient(server.url, LEGACY), answer_of)

    return list_tasks


def ids(listing: TaskListing, tasks: TaskFilter = TaskFilter()) -> list[int]:
    return [task["id"] for task in listing.iterate(1, tasks)]


def test_each_task_comes_once_in_ascending_order(list_tasks: Listed) -> None:
    project = GeneratedProject(2500)
    tasks = list(list_tasks(project).iterate(1))
    assert [task["id"] for task in tasks] == list(range(1, 2501))
    assert tasks[6] == {"id": 7, "data": {"image": "/data/upload/1/picture-000007.png"}, "total_predictions": 0}
    assert len(project.queries) == 3


def test_a_page_is_requested_only_when_the_one_before_it_is_used_up(list_tasks: Listed) -> None:
    project = GeneratedProject(2500)
    tasks = list_tasks(project).iterate(1)
    for _ in range(900):
        next(tasks)
    assert len(project.queries) == 1


def test_tasks_that_are_deleted_or_created_meanwhile_shift_no_page(list_tasks: Listed) -> None:
    project = GeneratedProject(2000)
    tasks = list_tasks(project).iterate(1)
    first = next(tasks)["id"]
    project.gone |= {1, 2, 3, 1500}
    project.size = 2100
    assert [first, *(task["id"] for task in tasks)] == [*range(1, 1500), *range(1501, 2101)]


def test_a_server_that_allows_only_small_pages_is_listed_to_the_end(list_tasks: Listed) -> None:
    project = GeneratedProject(23, max_page_size=5, tabs={4: range(1, 24)})
    listing = list_tasks(project)
    assert ids(listing) == list(range(1, 24))
    assert listing.tab_task_ids(1, 4) == list(range(1, 24))


def test_tasks_with_a_prediction_of_the_version_are_left_out(list_tasks: Listed) -> None:
    project = GeneratedProject(6, {2: [VERSION], 3: ["other"], 5: ["other", VERSION]})
    listing = list_tasks(project)
    wanted = TaskFilter(without_version=VERSION)
    assert ids(listing, wanted) == [1, 3, 4, 6]
    assert listing.count(1, wanted) == 4
    assert [task["total_predictions"] for task in listing.iterate(1, wanted)] == [0, 1, 0, 0]


@pytest.mark.parametrize("similar", [f"sam-{VERSION}", f"{VERSION}-2", VERSION.upper()])
def test_a_version_whose_name_contains_ours_hides_no_task(list_tasks: Listed, similar: str) -> None:
    project = GeneratedProject(5, {2: [similar], 3: [similar, VERSION], 4: [VERSION]})
    assert sorted(ids(list_tasks(project), TaskFilter(without_version=VERSION))) == [1, 2, 5]
    assert ids(list_tasks(project), TaskFilter(without_version=VERSION, task_ids=[2, 3, 4])) == [2]


def test_unlabeled_tasks_and_tasks_without_predictions_are_chosen(list_tasks: Listed) -> None:
    project = GeneratedProject(5, {2: ["other"], 4: ["other"]}, annotated=[3, 4])
    listing = list_tasks(project)
    assert ids(listing, TaskFilter(unlabeled=True)) == [1, 2, 5]
    assert ids(listing, TaskFilter(without_predictions=True)) == [1, 3, 5]
    assert ids(listing, TaskFilter(unlabeled=True, without_predictions=True)) == [1, 5]


def test_chosen_tasks_are_asked_for_in_portions_that_fit_a_url(list_tasks: Listed) -> None:
    project = GeneratedProject(100_000, gone={99_002})
    chosen = [*range(99_001, 99_450), 3, 3, 777_777]
    assert ids(list_tasks(project), TaskFilter(task_ids=chosen)) == [3, 99_001, *range(99_003, 99_450)]
    portions = [query["selectedItems"] for query in project.queries if "selectedItems" in query]
    assert [len(portion["included"]) for portion in portions] == [200, 200, 51]
    assert not any(portion["all"] for portion in portions)


def test_most_tasks_of_a_project_are_chosen_from_all_of_them(list_tasks: Listed) -> None:
    project = GeneratedProject(9000, {7: [VERSION]})
    listing, wanted = list_tasks(project), TaskFilter(without_version=VERSION, task_ids=range(2, 8000))
    assert ids(listing, wanted) == [*range(2, 7), *range(8, 8000)]
    assert len(project.queries) == 11  # 40 with the ids in the URL
    project.queries.clear()
    assert listing.count(1, wanted) == 7998  # at most
    assert len(project.queries) == 1
    assert listing.count(1, TaskFilter(without_version=VERSION, task_ids=range(2, 50))) == 47


def test_no_chosen_task_means_none_rather_than_all(list_tasks: Listed) -> None:
    listing = list_tasks(GeneratedProject(5))
    assert ids(listing, TaskFilter(task_ids=[])) == []
    assert listing.count(1, TaskFilter(task_ids=[])) == 0


def test_a_tab_gives_the_ids_of_its_tasks(list_tasks: Listed) -> None:
    project = GeneratedProject(3000, tabs={7: [*range(2900, 900, -1)]})
    assert list_tasks(project).tab_task_ids(1, 7) == list(range(901, 2901))


def test_a_tab_that_the_project_does_not_have_is_refused_with_those_that_it_has(list_tasks: Listed) -> None:
    with pytest.raises(LabelStudioError, match=r"^Project 1 has no tab 99 in the Data Manager\.") as caught:
        list_tasks(GeneratedProject(5, tabs={4: [1], 7: [2]})).tab_task_ids(1, 99)
    assert caught.value.remedy.startswith("It has: 4 (Tab 4), 7 (Tab 7). The id is the number after")
    with pytest.raises(LabelStudioError) as caught:
        list_tasks(GeneratedProject(5, tabs={tab: [1] for tab in range(1, 30)})).tab_task_ids(1, 99)
    assert ", 10 (Tab 10), …. The id" in caught.value.remedy
    with pytest.raises(LabelStudioError) as caught:
        list_tasks(GeneratedProject(5)).tab_task_ids(1, 99)
    assert caught.value.remedy.startswith("It has: none yet.")


def test_a_sample_is_spread_evenly_over_the_tasks(list_tasks: Listed) -> None:
    listing = list_tasks(GeneratedProject(1000, {51: [VERSION]}))
    sample = listing.sample(1, TaskFilter(), 5)
    assert [task["id"] for task in sample] == [101, 301, 501, 701, 901]
    assert "image" in sample[0]["data"]
    chosen = TaskFilter(without_version=VERSION, task_ids=range(50, 60))
    assert [task["id"] for task in listing.sample(1, chosen, 3)] == [52, 55, 58]
    assert [task["id"] for task in list_tasks(GeneratedProject(3)).sample(1, TaskFilter(), 24)] == [1, 2, 3]
    assert list_tasks(GeneratedProject(0)).sample(1, TaskFilter(), 24) == []


def repeat(request: Callable[[], Any]) -> Any:
    """Make a request until Label Studio answers."""
    while True:
        with contextlib.suppress(LabelStudioUnavailable):
            return request()


def test_an_outage_in_the_middle_is_waited_out_and_loses_no_task(list_tasks: Listed) -> None:
    project = GeneratedProject(2500)
    tasks = list_tasks(project, repeat).iterate(1)
    listed = [next(tasks)["id"] for _ in range(1000)]
    project.faults = [answer({"detail": "restarting"}, 503), None, (502, {}, b"<html>Bad Gateway</html>")]
    assert [*listed, *(task["id"] for task in tasks)] == list(range(1, 2501))
    assert project.faults == []


def test_an_outage_that_nobody_waits_out_is_told_from_a_refusal(list_tasks: Listed) -> None:
    with pytest.raises(LabelStudioUnavailable, match="HTTP 503"):
        ids(list_tasks(GeneratedProject(5, faults=[answer({}, 503)])))
    with pytest.raises(LabelStudioError, match=r"project 2 .*HTTP 404.*Check the id") as refusal:
        list(list_tasks(GeneratedProject(5), repeat).iterate(2))
    assert not isinstance(refusal.value, LabelStudioUnavailable)


def test_an_answer_that_is_no_listing_is_named(list_tasks: Listed) -> None:
    with pytest.raises(LabelStudioError, match=r"as \{\"?'?hello.*Check LABEL_STUDIO_URL"):
        ids(list_tasks(GeneratedProject(5, faults=[answer({"hello": 1})])))


MEASURE = """
import json, re, sys, time
from pathlib import Path
from backend.label_studio.api import LabelStudioClient, TaskFilter, TaskListing

def peak():  # MiB; getrusage would count what the parent had used before it started this program
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

listing = TaskListing(LabelStudioClient(sys.argv[1], sys.argv[2]))
before, started, count = peak(), time.monotonic(), 0
for task in listing.iterate(1, TaskFilter(without_version="demo-auto-0")):
    first = first if count else time.monotonic() - started
    count += 1
print(json.dumps({"count": count, "first": first, "seconds": time.monotonic() - started, "grown": peak() - before}))
"""


@pytest.mark.slow
def test_a_project_of_100_000_tasks_starts_within_10_seconds_in_flat_memory(
    start_server: Callable[[], LocalServer],
) -> None:
    server = start_server()
    server.respond = GeneratedProject(100_000).respond
    command = [sys.executable, "-c", MEASURE, server.url, LEGACY]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(run.stdout)
    print(measured)
    assert measured["count"] == 100_000
    assert measured["first"] < 10
    assert measured["grown"] < 300  # MiB
