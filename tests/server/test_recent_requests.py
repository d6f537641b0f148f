"""Which requests the status page remembers."""

from __future__ import annotations

import pytest

from backend.server.recent_requests import RecentRequests, RequestRecord

CLICK = RequestRecord(1.0, "a", "project 3, task 7, 1 point: 1 mask", 200, 0.1)
FAILED = RequestRecord(2.0, "b", "project 3, task 8, 1 point", 502, 0.2, "a.png is gone.")


def test_predictions_are_kept_newest_first_and_other_requests_are_not() -> None:
    recent = RecentRequests()
    recent.add(CLICK, "predict")
    recent.add(FAILED, "predict")
    recent.add(RequestRecord(3.0, "c", "/versions", 200, 0.1), "versions")
    assert recent.predictions() == [FAILED, CLICK]


def test_requests_with_a_problem_are_kept_as_errors() -> None:
    recent = RecentRequests()
    refused = RequestRecord(3.0, "c", "/setup", 422, 0.1, "clip_threshold is 1.7.")
    partly = RequestRecord(4.0, "d", "project 3, 2 tasks", 200, 0.1, "Task 8 is left out.")
    recent.add(CLICK, "predict")
    recent.add(refused, "setup")
    recent.add(partly, "predict")
    assert recent.errors() == [partly, refused]


def test_failed_probes_are_not_kept() -> None:
    recent = RecentRequests()
    for endpoint in ("health", "ready", "metrics", "favicon"):
        recent.add(RequestRecord(0.0, "probe", f"/{endpoint}", 503, 0.1, "The models are still loading."), endpoint)
    assert recent.errors() == []


def test_a_repeated_error_is_the_last_one_with_a_count() -> None:
    recent = RecentRequests()
    for request_id in ("b", "c", "d"):
        recent.add(RequestRecord(2.0, request_id, FAILED.summary, 502, 0.2, FAILED.problem), "predict")
    assert recent.errors() == [RequestRecord(2.0, "d", FAILED.summary, 502, 0.2, FAILED.problem, count=3)]
    assert [record.count for record in recent.predictions()] == [1, 1, 1]


def test_an_error_with_another_status_or_reason_is_no_repetition() -> None:
    recent = RecentRequests()
    for status, problem in ((502, "x"), (503, "x"), (503, "y"), (502, "x")):
        recent.add(RequestRecord(2.0, "b", FAILED.summary, status, 0.2, problem), "predict")
    assert [(record.status, record.problem, record.count) for record in recent.errors()] == [
        (502, "x", 1),
        (503, "y", 1),
        (503, "x", 1),
        (502, "x", 1),
    ]


def test_twenty_records_of_each_kind_are_kept() -> None:
    recent = RecentRequests()
    for number in range(30):
        recent.add(RequestRecord(float(number), "b", f"task {number}", 502, 0.2, "a.png is gone."), "predict")
    newest = [f"task {number}" for number in range(29, 9, -1)]
    assert [record.summary for record in recent.predictions()] == newest
    assert [record.summary for record in recent.errors()] == newest


def record(problem: str = "", *, status: int = 0, project: str = "3", prompt: str = "click") -> RequestRecord:
    status = status or (502 if problem else 200)
    return RequestRecord(9.0, "x", "1 point", status, 0.1, problem, project=project, task=7, prompt=prompt)


def later_successes(*later: tuple[RequestRecord, str], first: RequestRecord, endpoint: str = "predict") -> int:
    recent = RecentRequests()
    recent.add(first, endpoint)
    for one, its_endpoint in later:
        recent.add(one, its_endpoint)
    return recent.errors()[-1].later_successes


def test_a_failed_click_is_past_once_later_clicks_of_the_project_succeed() -> None:
    failed = record("a.png is gone.")
    assert later_successes(first=failed) == 0
    assert later_successes((record(), "predict"), (record(), "predict"), first=failed) == 2


@pytest.mark.parametrize(
    ("later", "endpoint"),
    [
        (record(project="4"), "predict"),  # of another project
        (record(prompt="none"), "predict"),  # a page was opened, which needs no mask
        (record("b.png is gone."), "predict"),
        (record("Task 8 is skipped.", status=200), "predict"),
        (record(status=404), "predict"),
        (record(), "setup"),
    ],
)
def test_a_failed_click_is_not_past_because_of_something_else(later: RequestRecord, endpoint: str) -> None:
    assert later_successes((later, endpoint), first=record("a.png is gone.")) == 0


def test_a_request_that_could_not_be_parsed_is_past_once_any_prediction_succeeds() -> None:
    unreadable = record("The body is not JSON.", project="", prompt="")
    assert later_successes((record(project="4"), "predict"), first=unreadable) == 1


def test_an_error_that_returns_is_no_longer_past() -> None:
    recent, failed = RecentRequests(), record("a.png is gone.")
    for one in (failed, record(), failed):
        recent.add(one, "predict")
    (error,) = recent.errors()
    assert (error.count, error.later_successes) == (2, 0)


def test_predictions_are_counted_by_minute_and_other_requests_are_not() -> None:
    recent = RecentRequests()
    for one, endpoint in ((record(), "predict"), (record("gone"), "predict"), (record(), "setup")):
        recent.add(one, endpoint)
    last = recent.last_hour(9.0)[-1]
    assert (last.answered, last.failed) == (1, 1)
