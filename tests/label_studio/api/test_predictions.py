"""The client of stored predictions: what it sends, and what a lost or refused answer means."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import LabelStudioError, LabelStudioUnavailable, NoAnswer
from backend.label_studio.api import PredictionClient, StoredPredictions
from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.recorded import load_payload
from tests.servers import Answer, LocalServer, Seen, free_port
from tests.tokens import LEGACY, PAT, jwt

DOCUMENTS = [b'{"task":1,"result":[]}', b'{"task":2,"result":[]}']
IMPORT = "/api/projects/3/import/predictions"


@pytest.fixture
def server(start_server: Callable[[], LocalServer]) -> LocalServer:
    return start_server()


def client(server: LocalServer, api_key: str = LEGACY, **timeouts: float) -> PredictionClient:
    return PredictionClient(server.url, api_key, **timeouts)


def reply(document: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def test_predictions_go_out_in_one_request_as_they_were_encoded(server: LocalServer) -> None:
    server.respond = lambda seen, handler: reply({"created": 2}, 201)
    assert client(server).import_documents("3", DOCUMENTS) == 2
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", IMPORT)
    assert seen.body == b'[{"task":1,"result":[]},{"task":2,"result":[]}]'
    assert seen.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_an_import_is_never_repeated_and_its_outcome_is_open(server: LocalServer, status: int) -> None:
    server.respond = lambda seen, handler: (status, {"Retry-After": "0"}, b"<h1>Bad Gateway</h1>")
    with pytest.raises(NoAnswer, match=f"could not answer the request for 2 predictions.*HTTP {status}"):
        client(server).import_documents("3", DOCUMENTS)
    assert len(server.seen) == 1


def test_a_dropped_answer_leaves_it_open(server: LocalServer) -> None:
    server.respond = lambda seen, handler: None
    with pytest.raises(NoAnswer, match="did not answer"):
        client(server).import_documents("3", DOCUMENTS)
    assert len(server.seen) == 1


def test_an_answer_that_does_not_end_leaves_it_open_at_the_deadline(server: LocalServer) -> None:
    ended = threading.Event()

    def trickle(seen: Seen, handler: Any) -> None:
        handler.send_response(201)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not ended.wait(0.05):
            handler.wfile.write(b" ")  # each byte restarts the timeout of requests

    server.respond = trickle
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        client(server, import_timeout_seconds=0.4).import_documents("3", DOCUMENTS)
    ended.set()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("content", [b"<h1>Please log in</h1>", b""])
def test_a_page_in_place_of_the_answer_leaves_it_open(server: LocalServer, content: bytes) -> None:
    server.respond = lambda seen, handler: (200, {}, content)
    with pytest.raises(NoAnswer, match="is not Label Studio's"):
        client(server).import_documents("3", DOCUMENTS)


def test_without_a_connection_nothing_was_sent() -> None:
    unreachable = PredictionClient(f"http://127.0.0.1:{free_port()}", LEGACY)
    with pytest.raises(LabelStudioUnavailable, match="did not answer") as away:
        unreachable.import_documents("3", DOCUMENTS)
    assert not isinstance(away.value, NoAnswer)


def test_too_many_requests_were_not_carried_out(server: LocalServer) -> None:
    server.respond = lambda seen, handler: (429, {}, b"")
    with pytest.raises(LabelStudioUnavailable) as away:
        client(server).import_documents("3", DOCUMENTS)
    assert not isinstance(away.value, NoAnswer)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 413])
def test_a_refusal_is_certain(server: LocalServer, status: int) -> None:
    server.respond = lambda seen, handler: (status, {"Location": "/login"}, b"{}")
    with pytest.raises(LabelStudioError, match=f"refused 2 predictions for project 3.*HTTP {status}") as refusal:
        client(server).import_documents("3", DOCUMENTS)
    assert not isinstance(refusal.value, LabelStudioUnavailable)
    assert len(server.seen) == 1


def test_a_prediction_for_a_task_that_is_not_there_is_named_without_its_masks(server: LocalServer) -> None:
    recorded = load_payload("api_import_predictions_unknown_task")
    content = json.dumps(recorded["reply"]).encode()
    long = content.replace(b"'result': []", b"'result': [" + b"0, " * 9999 + b"]")
    assert len(long) > 30_000
    server.respond = lambda seen, handler: (recorded["status"], {"Content-Type": "application/json"}, long)
    with pytest.raises(LabelStudioError, match=r"predictions for project 1 \(HTTP 400: ….*invalid .task.") as refusal:
        client(server).import_documents("1", [b'{"task":999,"result":[]}'])
    assert len(refusal.value.message) < 400


def test_an_expired_access_token_is_renewed_once_and_the_import_sent_again(server: LocalServer) -> None:
    tokens = [jwt(token_type="access", iat=1, exp=8102414444, number=number) for number in (1, 2)]

    def respond(seen: Seen, handler: object) -> Answer:
        if seen.path == "/api/token/refresh/":
            return reply({"access": tokens[server.paths().count(seen.path) - 1]})
        is_valid = seen.headers["authorization"] == f"Bearer {tokens[1]}"
        return reply({"created": 2}, 201) if is_valid else reply({"detail": "Token is expired"}, 401)

    server.respond = respond
    assert client(server, PAT).import_documents("3", DOCUMENTS) == 2
    assert server.paths() == ["/api/token/refresh/", IMPORT, "/api/token/refresh/", IMPORT]


def test_a_token_that_is_refused_for_good_is_no_outage(server: LocalServer) -> None:
    server.respond = lambda seen, handler: reply({"detail": "Token is blacklisted"}, 401)
    for api_key in (PAT, LEGACY):
        with pytest.raises(LabelStudioError, match="HTTP 401") as refusal:
            client(server, api_key).import_documents("3", DOCUMENTS)
        assert not isinstance(refusal.value, LabelStudioUnavailable)


def test_a_proxy_without_label_studio_is_an_outage_for_the_token_too(server: LocalServer) -> None:
    server.respond = lambda seen, handler: (502, {}, b"<h1>Bad Gateway</h1>")
    with pytest.raises(LabelStudioUnavailable, match="did not provide an access token: HTTP 502") as away:
        client(server, PAT).import_documents("3", DOCUMENTS)
    assert not isinstance(away.value, NoAnswer)


@pytest.fixture
def site(server: LocalServer) -> FakeLabelStudio:
    site = FakeLabelStudio.with_tasks(1200)
    site.serve(server)
    return site


def test_one_request_tells_which_of_five_hundred_tasks_have_the_version(
    site: FakeLabelStudio, server: LocalServer
) -> None:
    for task in (1, 2, 501):
        site.store(task, "v1")
    asking = client(server)
    assert asking.tasks_with_version("3", range(1, 501), "v1") == {1, 2}
    assert site.requests.count("GET tasks") == 1
    assert asking.tasks_with_version("3", range(1, 1201), "v1") == {1, 2, 501}
    assert site.requests.count("GET tasks") == 4
    assert site.requests.count("GET projects/3/model-versions") == 1
    assert max(len(path) for path in server.paths()) < 8000  # of a URL, which nginx and gunicorn take


def test_a_version_that_is_a_part_of_another_one_is_told_apart(site: FakeLabelStudio, server: LocalServer) -> None:
    site.store(1, "v1")
    site.store(2, "v1-large")
    site.store(3, "V1")
    assert client(server).tasks_with_version("3", [1, 2, 3, 4], "v1") == {1}


def test_the_predictions_of_a_version_come_with_those_people_worked_on(
    site: FakeLabelStudio, server: LocalServer
) -> None:
    ids = [site.store(task, version) for task, version in ((1, "v1"), (1, "v2"), (1, "v1"), (1, "v1"), (2, "v1"))]
    site.annotations[1] = [None, ids[2]]
    first, second, third = client(server).iterate_stored("3", "v1", [3, 2, 1])
    assert first == StoredPredictions(1, (ids[0], ids[2], ids[3]), frozenset({ids[2]}))
    assert first.surplus == (ids[3],)
    assert (second.ids, second.surplus, third.ids) == ((ids[4],), (), ())


def test_a_prediction_that_somebody_else_deleted_is_no_error(site: FakeLabelStudio, server: LocalServer) -> None:
    number = site.store(1, "v1")
    asking = client(server)
    assert (asking.delete_prediction(number), asking.delete_prediction(number)) == (True, False)


def test_tasks_are_listed_by_id_and_without_what_is_large(site: FakeLabelStudio, server: LocalServer) -> None:
    assert client(server).existing_tasks("3", [5, 7, 5000]) == {5, 7}
    (path,) = server.paths()
    query = parse_qs(urlsplit(path).query)
    assert (query["include"], query["fields"]) == (["id"], ["task_only"])
    assert json.loads(query["query"][0])["filters"]["items"] == [
        {"filter": "filter:tasks:id", "operator": "in_list", "type": "Number", "value": [5, 7, 5000]}
    ]
