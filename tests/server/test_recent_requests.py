"""Which requests the status page remembers."""

from __future__ import annotations

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
    for endpoint in ("health", "ready", "metrics"):
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
