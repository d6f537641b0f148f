"""What a webhook may cause, depending on what it proves."""

from __future__ import annotations

import io
import json
import logging
import time
from typing import Any

import pytest
from requests.auth import _basic_auth_str

from backend.server import Credentials
from backend.server.webhook_gate import MAX_HINT_BYTES
from tests.fakes import CONFIG, predict_body
from tests.paths import PAYLOADS
from tests.server.fakes import Neighbours, ServerOnFakes, server_with_neighbours

PLAIN = Credentials("user", "password")
WITH_SECRET = Credentials("user", "password", webhook_secret="hook-secret")
RIGHT = {"Authorization": _basic_auth_str("user", "password")}


def finished(task_id: int = 70, project_id: int = 3, config: str = CONFIG) -> dict[str, Any]:
    """The recorded webhook of a submitted annotation."""
    body: dict[str, Any] = json.loads((PAYLOADS / "webhook_annotation_created.json").read_text())["json"]
    body["annotation"]["task"] = task_id
    body["project"] |= {"id": project_id, "label_config": config}
    return body


def open_task(server: ServerOnFakes, task_id: int) -> None:
    reply = server.client.post("/predict", json=predict_body("a.png", task_id=task_id), headers=RIGHT)
    assert reply.status_code == 200


def served(credentials: Credentials) -> tuple[ServerOnFakes, Neighbours]:
    """A server in whose project 3 a person has opened task 50, and what Label Studio was asked for since then."""
    server, neighbours = server_with_neighbours(credentials)
    open_task(server, 50)
    server.wait_for_encodings(2)
    assert neighbours.asked == [("3", 50, 1)]
    neighbours.asked.clear()
    return server, neighbours


def wait_until_idle(server: ServerOnFakes, neighbours: Neighbours) -> None:
    """Wait until the prefetch thread has done everything before this: positions are resolved in order."""
    open_task(server, 900)
    end = time.monotonic() + 20
    while ("3", 900, 1) not in neighbours.asked:
        assert time.monotonic() < end
        time.sleep(0.01)
    neighbours.asked.remove(("3", 900, 1))


def test_a_hint_about_a_task_that_exists_starts_the_prefetch() -> None:
    server, neighbours = served(PLAIN)
    assert server.client.post("/webhook", json=finished(70)).status_code == 200
    wait_until_idle(server, neighbours)
    assert neighbours.looked_up == [("3", 70)]
    assert neighbours.asked == [("3", 70, 1)]


def test_a_hint_about_an_invented_task_costs_one_request_to_label_studio() -> None:
    server, neighbours = served(PLAIN)
    assert server.client.post("/webhook", json=finished(123456)).status_code == 200
    wait_until_idle(server, neighbours)
    assert neighbours.looked_up == [("3", 123456)]
    assert neighbours.asked == []


def test_a_hint_about_a_project_without_a_trusted_request_costs_nothing() -> None:
    server, neighbours = served(PLAIN)
    assert server.client.post("/webhook", json=finished(70, project_id=4)).status_code == 200
    wait_until_idle(server, neighbours)
    assert (neighbours.looked_up, neighbours.asked) == ([], [])


@pytest.mark.parametrize("config", ["<View", CONFIG.replace("$photo", "$other")])
def test_the_labeling_config_in_a_hint_is_not_used(config: str) -> None:
    """A stranger could choose another field of the tasks as the image, or a config that takes long to parse."""
    server, neighbours = served(PLAIN)
    assert server.client.post("/webhook", json=finished(70, config=config)).status_code == 200
    wait_until_idle(server, neighbours)
    assert neighbours.asked == [("3", 70, 1)]
    assert {uri for uri, _, _ in server.hall.fetcher.fetched} == {"a.png", "b.png"}


def test_hints_without_end_are_refused_and_hardly_logged(caplog) -> None:
    server, _ = served(PLAIN)
    with caplog.at_level(logging.INFO):
        replies = [server.client.post("/webhook", json=finished(number)) for number in range(2000, 2300)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert len(refused) > 200
    assert refused[0].json["error"] == "Project 3 has more than 10 webhooks a second without a secret."
    assert "scripts.secure_webhook" in refused[0].json["remedy"]
    assert {reply.status_code for reply in replies} == {200, 429}
    assert len(caplog.records) < 60


def test_hints_of_many_projects_are_limited_together() -> None:
    server, _ = served(PLAIN)
    statuses = [server.client.post("/webhook", json=finished(1, project_id=n)).status_code for n in range(400)]
    assert statuses.count(429) > 100  # the gate refills while a slow machine sends them


def test_a_chunked_hint_is_read_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.server.webhook_gate.MAX_HINT_BYTES", 20_000)
    server, _ = served(PLAIN)
    small = json.dumps(finished(70)).encode()

    def send(body: bytes) -> int:
        chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        options = {"input_stream": io.BytesIO(body), "environ_overrides": chunked, "content_type": "application/json"}
        return server.client.post("/webhook", **options).status_code

    assert [send(small), send(small + b" " * 20_000)] == [200, 413]


def test_a_large_hint_is_refused_before_it_is_read() -> None:
    server, _ = server_with_neighbours(PLAIN)
    environment = {"wsgi.input": None, "CONTENT_LENGTH": str(MAX_HINT_BYTES + 1)}
    reply = server.client.post("/webhook", content_type="application/json", environ_overrides=environment)
    assert reply.status_code == 413
    assert reply.json["error"] == "A webhook without a secret has 8388609 bytes; the limit is 8388608."


@pytest.mark.parametrize("headers", [{}, {"X-Webhook-Secret": ""}, {"X-Webhook-Secret": "hook-secre"}])
def test_where_there_is_a_secret_a_webhook_without_it_is_refused(headers: dict[str, str]) -> None:
    server, neighbours = served(WITH_SECRET)
    reply = server.client.post("/webhook", json=finished(70), headers=headers)
    assert reply.status_code == 401
    assert reply.json["error"] == "The webhook lacks the right X-Webhook-Secret header."
    wait_until_idle(server, neighbours)
    assert (neighbours.looked_up, neighbours.asked) == ([], [])


@pytest.mark.parametrize("headers", [{"X-Webhook-Secret": "hook-secret"}, RIGHT])
def test_a_webhook_with_the_secret_or_with_credentials_is_not_limited(headers: dict[str, str]) -> None:
    server, neighbours = served(WITH_SECRET)
    replies = [server.client.post("/webhook", json=finished(70, 5), headers=headers) for _ in range(300)]
    assert {reply.status_code for reply in replies} == {200}
    wait_until_idle(server, neighbours)
    assert (neighbours.looked_up, neighbours.asked) == ([], [("5", 70, 1)])


def test_a_secret_is_needed_where_callers_need_no_credentials_too() -> None:
    server, _ = server_with_neighbours(Credentials(webhook_secret="hook-secret"))
    assert server.client.get("/metrics").status_code == 200
    assert server.client.post("/webhook", json=finished(70)).status_code == 401
    headers = {"X-Webhook-Secret": "hook-secret"}
    assert server.client.post("/webhook", json=finished(70), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [(b"{", "application/json", 400), (b"{}", "text/plain", 400), (b" " * 2_000_000, "application/json", 413)],
)
def test_senseless_hints_are_hardly_logged(caplog, data: bytes, content_type: str, status: int) -> None:
    server, _ = server_with_neighbours(PLAIN)
    with caplog.at_level(logging.INFO):
        for _ in range(90):
            reply = server.client.post("/webhook", data=data, content_type=content_type)
            assert reply.status_code == status
    assert 1 <= len(caplog.records) <= 40
