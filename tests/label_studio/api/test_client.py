"""The SDK's client against recorded answers of Label Studio 1.23.2."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import LabelStudioError, LabelStudioUnavailable
from backend.label_studio.api import LabelStudioClient
from backend.label_studio.api.client import ProjectInfo, Tab
from backend.label_studio.config import ImageConfig, LabelingConfig
from backend.label_studio.results import parse_regions
from tests.recorded import load_payload
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY, PAT, jwt


def recorded(name: str) -> Answer:
    document = load_payload(name)
    return document["status"], {"Content-Type": "application/json"}, json.dumps(document["reply"]).encode()


def reply(document: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@pytest.fixture
def label_studio(start_server: Callable[[], LocalServer]) -> LocalServer:
    """Knows project 1 with three tasks, of which the first has two predictions."""
    server = start_server()

    def respond(seen: Seen, handler: object) -> Answer:
        path, query = urlsplit(seen.path).path, parse_qs(urlsplit(seen.path).query)
        if path == "/api/token/refresh/":
            return reply({"access": jwt(token_type="access", iat=1, exp=8102414444)})
        if seen.headers.get("authorization", "") not in (f"Token {LEGACY}", f"Bearer {access()}"):
            return recorded("api_wrong_token")
        if path == "/api/tasks/" and query["project"] == ["1"]:
            return tasks_page(int(query["page"][0]), int(query["page_size"][0]))
        if path == "/api/projects/1/import/predictions":
            return reply({"created": len(json.loads(seen.body))}, 201)
        return recorded("api_project" if path.rstrip("/") == "/api/projects/1" else "api_project_missing")

    server.respond = respond
    return server


def access() -> str:
    return jwt(token_type="access", iat=1, exp=8102414444)


def tasks_page(page: int, page_size: int) -> Answer:
    document = load_payload("api_tasks")["reply"]
    tasks = document["tasks"][(page - 1) * page_size : page * page_size]
    return reply(document | {"tasks": tasks}) if tasks else recorded("api_tasks_past_the_end")


@pytest.mark.parametrize("api_key", [LEGACY, PAT])
def test_a_project_is_found_with_either_token(label_studio: LocalServer, api_key: str, page: LabelingConfig) -> None:
    project = LabelStudioClient(f"{label_studio.url}/", api_key).project("1")
    assert project == ProjectInfo(1, "test", page.xml)


def test_the_extra_params_of_all_backends_are_read(label_studio: LocalServer) -> None:
    backends = [
        {"id": 1, "project": 1, "url": "http://a", "extra_params": said} for said in ({"a": 1}, '{"b": 2}', None)
    ]
    label_studio.respond = lambda seen, handler: reply(backends)
    assert LabelStudioClient(label_studio.url, LEGACY).extra_params(1) == [{"a": 1}, '{"b": 2}', None]
    assert label_studio.paths() == ["/api/ml/?project=1"]


@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
def test_all_tasks_come_once_whatever_the_page(
    label_studio: LocalServer, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr("backend.label_studio.api.client.PAGE_SIZE", page_size)
    tasks = list(LabelStudioClient(label_studio.url, LEGACY).iterate_tasks(1))
    assert [task["id"] for task in tasks] == [1, 2, 3]
    assert tasks[0]["data"] == {"image": "/data/upload/1/1cccf67c-a_b.png"}


def test_tasks_come_with_whole_predictions_and_unresolved_addresses(
    label_studio: LocalServer, config: ImageConfig
) -> None:
    first, *_ = LabelStudioClient(label_studio.url, LEGACY).iterate_tasks(1)
    assert {prediction["model_version"] for prediction in first["predictions"]} == {"v1"}
    (region,) = parse_regions(first["predictions"][0]["result"], config)
    assert (region.label, region.mask.sum()) == ("Dog", 40 * 70 - 10 * 10)
    query = parse_qs(urlsplit(label_studio.seen[0].path).query)
    assert (query["fields"], query["resolve_uri"]) == (["all"], ["false"])


def test_a_task_that_moved_to_the_next_page_meanwhile_comes_once(
    label_studio: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.label_studio.api.client.PAGE_SIZE", 2)
    tasks = load_payload("api_tasks")["reply"]
    pages = [tasks["tasks"][:2], tasks["tasks"][1:]]
    label_studio.respond = lambda seen, handler: (
        reply(tasks | {"tasks": pages.pop(0)}) if pages else recorded("api_tasks_past_the_end")
    )
    client = LabelStudioClient(label_studio.url, LEGACY)
    assert [task["id"] for task in client.iterate_tasks(1)] == [1, 2, 3]


@pytest.mark.parametrize(("api_key", "header"), [(LEGACY, f"Token {LEGACY}"), (PAT, f"Bearer {access()}")])
def test_the_header_for_plain_requests(label_studio: LocalServer, api_key: str, header: str) -> None:
    assert LabelStudioClient(label_studio.url, api_key).authorization() == {"Authorization": header}


def test_a_wrong_token_says_where_to_get_one(label_studio: LocalServer) -> None:
    client = LabelStudioClient(label_studio.url, "f" * 40)
    for ask in (client.project, lambda number: next(client.iterate_tasks(number))):
        with pytest.raises(LabelStudioError, match=r"HTTP 401: Invalid token.*Account & Settings"):
            ask(1)


def test_a_project_that_does_not_exist_is_named(label_studio: LocalServer) -> None:
    client = LabelStudioClient(label_studio.url, LEGACY)
    for ask in (client.project, lambda number: next(client.iterate_tasks(number))):
        with pytest.raises(
            LabelStudioError, match=r"refused .*project 99 \(HTTP 404: No Project matches.*/projects/ID"
        ):
            ask(99)


def test_a_project_that_is_no_number_is_named_without_asking(label_studio: LocalServer) -> None:
    with pytest.raises(LabelStudioError, match='"cats" is not a project id'):
        LabelStudioClient(label_studio.url, LEGACY).project("cats")
    assert label_studio.seen == []


@pytest.mark.parametrize(
    ("api_key", "what"), [(LEGACY, "answer the request for project 1"), (PAT, "provide an access token")]
)
def test_label_studio_that_is_away_is_named(api_key: str, what: str) -> None:
    client = LabelStudioClient("http://127.0.0.1:9", api_key)
    with pytest.raises(LabelStudioUnavailable, match=f"http://127.0.0.1:9 did not {what}: ConnectionError"):
        client.project(1)
    with pytest.raises(LabelStudioUnavailable, match=r"did not answer the request for the Data.*: ConnectError"):
        client.first_tab(1)


def test_a_page_that_is_not_label_studio_is_named(label_studio: LocalServer) -> None:
    for content in (b"<html>welcome</html>", b"[]"):
        label_studio.respond = lambda seen, handler, content=content: (200, {"Content-Type": "text/html"}, content)
        with pytest.raises(LabelStudioError, match="the request for project 1 is not Label Studio's"):
            LabelStudioClient(label_studio.url, LEGACY).project(1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("api_key", [LEGACY, PAT])
def test_a_redirect_takes_no_token_along(
    label_studio: LocalServer, start_server: Callable[[], LocalServer], api_key: str, status: int
) -> None:
    """A status of 307 or 308 repeats the body too, and the SDK sends a personal access token in a body."""
    elsewhere = start_server()
    elsewhere.respond = lambda seen, handler: reply({"access": access()})
    label_studio.respond = lambda seen, handler: (status, {"Location": f"{elsewhere.url}{seen.path}"}, b"")
    client = LabelStudioClient(label_studio.url, api_key)
    for ask in (
        client.project,
        lambda number: next(client.iterate_tasks(number)),
        lambda number: client.first_tab("1"),
    ):
        with pytest.raises(LabelStudioError, match="set LABEL_STUDIO_URL to the URL that Label Studio leads to"):
            ask(1)
    assert elsewhere.seen == []


def test_a_token_exchange_that_is_not_label_studios_is_named(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: (502, {"Content-Type": "text/html"}, b"<html>bad gateway</html>")
    client = LabelStudioClient(label_studio.url, PAT)
    with pytest.raises(LabelStudioUnavailable, match="did not provide an access token: HTTP 502"):
        client.project(1)
    with pytest.raises(LabelStudioError, match=r"is not Label Studio's\. Check LABEL_STUDIO_URL"):
        client.first_tab(1)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://a.org"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(LabelStudioError, match=f'"{url}" is not the URL of Label Studio.*--url or LABEL_STUDIO_URL'):
        LabelStudioClient(url, LEGACY)


def test_a_missing_token_is_refused() -> None:
    with pytest.raises(LabelStudioError, match=r"no API token for Label Studio.*Account & Settings"):
        LabelStudioClient("http://127.0.0.1:9", " ")


@pytest.mark.parametrize("api_key", ["a.b.c", jwt(token_type="refresh"), jwt(token_type="refresh", exp=1)])
def test_a_token_that_is_damaged_or_old_says_where_to_get_one(label_studio: LocalServer, api_key: str) -> None:
    label_studio.respond = lambda seen, handler: recorded("api_wrong_token")
    with pytest.raises(LabelStudioError, match=r"Account & Settings"):
        LabelStudioClient(label_studio.url, api_key).project(1)


def test_the_next_tasks_are_asked_for_by_id_and_without_annotations(label_studio: LocalServer) -> None:
    client = LabelStudioClient(label_studio.url, LEGACY)
    assert [task["id"] for task in client.tasks_after(1, 4, 3, unlabeled=True)] == [1, 2, 3]
    query = parse_qs(urlsplit(label_studio.seen[-1].path).query)
    assert (query["page_size"], query["resolve_uri"], query["fields"]) == (["3"], ["false"], ["task_only"])
    asked = json.loads(query["query"][0])
    assert asked["ordering"] == ["tasks:id"]
    assert [(i["filter"], i["operator"], i["value"]) for i in asked["filters"]["items"]] == [
        ("filter:tasks:id", "greater", 4),
        ("filter:tasks:completed_at", "empty", True),
    ]


@pytest.mark.parametrize(
    ("data", "tab"),
    [
        ({"title": "Default"}, Tab(5, is_ordered=False, is_filtered=False)),
        ({"ordering": ["-tasks:data.image"]}, Tab(5, is_ordered=True, is_filtered=False)),
        ({"ordering": [], "filters": {"conjunction": "and", "items": [{}]}}, Tab(5, False, True)),
    ],
)
def test_the_first_tab_tells_whether_it_orders_and_filters(label_studio: LocalServer, data: Any, tab: Tab) -> None:
    views = [{"id": number, "data": data, "order": 0, "project": 1} for number in (5, 6)]
    respond = label_studio.respond
    label_studio.respond = lambda seen, handler: (
        reply(views) if seen.path.startswith("/api/dm/views") else respond(seen, handler)
    )
    assert LabelStudioClient(label_studio.url, LEGACY).first_tab("1") == tab
    label_studio.respond = lambda seen, handler: reply([])
    assert LabelStudioClient(label_studio.url, LEGACY).first_tab("1") is None


def test_a_tab_is_read_page_by_page(label_studio: LocalServer) -> None:
    pages = {"1": load_payload("api_tasks")["reply"]}
    label_studio.respond = lambda seen, handler: (
        reply(pages[page])
        if (page := parse_qs(urlsplit(seen.path).query)["page"][0]) in pages
        else recorded("api_tasks_past_the_end")
    )
    client = LabelStudioClient(label_studio.url, LEGACY)
    assert [task["id"] for task in client.tab_page(Tab(5, True, False), 1, 100)] == [1, 2, 3]
    assert parse_qs(urlsplit(label_studio.seen[-1].path).query)["view"] == ["5"]
    assert client.tab_page(Tab(5, True, False), 2, 100) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((206, {"Content-Range": "bytes 2-4/9"}, b"234"), (9, b"234")),
        ((200, {}, b"012345678"), (9, b"234")),
        ((416, {"Content-Range": "bytes */2"}, b"<h1>no such part</h1>"), (2, b"")),
        ((416, {}, b"01"), (2, b"")),
        ((404, {}, b""), None),
    ],
)
def test_a_part_of_a_file_comes_with_the_size_of_the_whole(
    label_studio: LocalServer, answer: Answer, expected: tuple[int, bytes] | None
) -> None:
    label_studio.respond = lambda seen, handler: answer
    requests = LabelStudioClient(label_studio.url, LEGACY).requests
    assert requests.get_part("/data/upload/3/a.png", "a.png", 2, 5) == expected
    (seen,) = label_studio.seen
    assert (seen.path, seen.headers["range"]) == ("/data/upload/3/a.png", "bytes=2-4")
    assert seen.headers["authorization"] == f"Token {LEGACY}"


def test_a_file_that_is_refused_is_an_error(label_studio: LocalServer) -> None:
    label_studio.respond = lambda seen, handler: (403, {}, b"")
    with pytest.raises(LabelStudioError, match=r"refused a\.png \(HTTP 403\)"):
        LabelStudioClient(label_studio.url, LEGACY).requests.get_part("/data/upload/3/a.png", "a.png", 2, 5)
