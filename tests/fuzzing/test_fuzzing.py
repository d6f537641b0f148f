"""A short run of the fuzzer, and that it notices what it looks for."""

from __future__ import annotations

import logging
import random
from itertools import islice

import orjson
import pytest

from tests.fuzzing.damaged_requests import BODY_ROUTES, OTHER, ROUTES, FuzzedRequest, generate_requests
from tests.fuzzing.odd_json import damage_text
from tests.fuzzing.trial import Report, build_application, judge, place_of, run_trials, send
from tests.fuzzing.valid_requests import valid_predictions, valid_setups, valid_webhooks

COUNT, SEED = 5000, 9
ERROR = orjson.dumps({"error": "a", "remedy": "b", "request_id": "c"})


@pytest.fixture(scope="module")
def report() -> Report:
    return run_trials(COUNT, SEED)


def test_no_damaged_request_gets_a_wrong_answer(report: Report) -> None:
    assert dict(report.problems) == {}
    assert sum(report.statuses.values()) == COUNT


def test_a_third_of_the_bodies_and_a_twentieth_for_each_route_are_answered(report: Report) -> None:
    """Otherwise the requests would be too damaged to reach what lies behind the first check."""
    assert report.share_answered(BODY_ROUTES) >= 0.3
    assert report.share_answered(("/predict",)) >= 0.3
    for route in ROUTES:
        assert report.count(route, 200) >= COUNT / 20


def test_the_same_seed_gives_the_same_requests() -> None:
    assert list(islice(generate_requests(3), 300)) == list(islice(generate_requests(3), 300))
    assert list(islice(generate_requests(3), 300)) != list(islice(generate_requests(4), 300))


@pytest.mark.parametrize("text", [b"", b'{"a": 1}', b'{"a": "\xff\xfe"}'])
def test_any_text_can_be_damaged(text: bytes) -> None:
    for seed in range(200):
        assert isinstance(damage_text(text, random.Random(seed)), bytes)


def test_every_request_that_is_damaged_was_valid() -> None:
    server = build_application()
    valid = {"/predict": valid_predictions(), "/setup": valid_setups(), "/webhook": valid_webhooks()}
    for route, documents in valid.items():
        for document in documents:
            request = FuzzedRequest(route, route, "POST", orjson.dumps(document))
            status, reason, body = send(server.app, request)
            assert (status, judge(request, status, reason, body)) == (200, [])


def test_a_bug_is_reported_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("backend.server.ml_backend.parse_predict_body", fail)
    report = run_trials(100, 1)
    (problem,) = report.problems
    assert problem.startswith("KeyError at server/ml_backend.py:")
    assert report.problems[problem] == report.count("/predict", 500) > 0
    assert report.examples[problem][0].route == "/predict"
    assert logging.getLogger("backend").propagate  # as before


def test_an_error_outside_the_backend_has_no_place_in_it() -> None:
    try:
        raise ValueError("here")
    except ValueError as error:
        assert place_of(error) == "ValueError outside the backend"


@pytest.mark.parametrize(
    ("status", "reason", "body", "problem"),
    [
        (500, "x", ERROR, "/predict: status 500"),
        (503, "x", ERROR, "/predict: status 503"),
        (422, "x", b"{}", "/predict: status 422 without error, remedy or request_id"),
        (422, "x\ny", ERROR, "/predict: reason phrase 'x\\ny'"),
        (422, "x", b"Traceback (most recent call last)", "/predict: a traceback in the answer"),
        (200, "OK", b"<p>", "/predict: the answer is not JSON"),
        (200, "OK", b'{"results":[[]]}', "/predict: not one entry for each task"),
        (200, "OK", b'{"results":[[],{"result":[]}]}', "/predict: an entry is not a prediction"),
        (
            200,
            "OK",
            b'{"results":[[],{"model_version":"fake-1","result":[{"id":"a","from_name":"b","value":{"x":null}}]}]}',
            "/predict: an entry is not a prediction",
        ),
        (422, "x", ERROR, None),
        (200, "OK", b'{"results":[[],[]]}', None),
    ],
)
def test_wrong_answers_are_noticed(status: int, reason: str, body: bytes, problem: str | None) -> None:
    request = FuzzedRequest("/predict", "/predict", "POST", b'{"tasks": [1, 2]}')
    assert judge(request, status, reason, body) == ([] if problem is None else [problem])


def test_paths_that_are_no_route_are_asked_for_too(report: Report) -> None:
    assert report.count(OTHER, 404) > 0
