"""Who may call which route."""

from __future__ import annotations

import logging

import pytest
import requests
from requests.auth import _basic_auth_str

from backend.errors import CheckpointError
from backend.server import Credentials
from backend.server.authentication import PUBLIC_ROUTES
from tests.fakes import CONFIG, keypoint, predict_body
from tests.server.fakes import ServerOnFakes, setup_body

USER, PASSWORD, TOKEN = "label-studio", "correct-horse", "a-long-token"
CREDENTIALS = Credentials(USER, PASSWORD, TOKEN)
RIGHT = {"Authorization": _basic_auth_str(USER, PASSWORD)}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WRONG = {"Authorization": _basic_auth_str(USER, "battery-staple")}


@pytest.fixture
def guarded() -> ServerOnFakes:
    """A server that needs credentials."""
    return ServerOnFakes(credentials=CREDENTIALS)


def test_every_route_needs_credentials_but_the_three_public_ones(guarded: ServerOnFakes) -> None:
    refused = set()
    for rule in guarded.app.url_map.iter_rules():
        for method in rule.methods or ():
            if guarded.client.open(rule.rule, method=method).status_code == 401:
                refused.add(rule.rule)
    every = {rule.rule for rule in guarded.app.url_map.iter_rules()}
    assert refused == every - PUBLIC_ROUTES
    assert frozenset({"/health", "/ready", "/webhook"}) == PUBLIC_ROUTES


def test_a_new_route_is_protected_by_default(guarded: ServerOnFakes) -> None:
    guarded.app.add_url_rule("/new", view_func=lambda: "contents")
    assert guarded.client.get("/new").status_code == 401
    assert guarded.client.get("/new", headers=RIGHT).text == "contents"


@pytest.mark.parametrize("path", ["/nothing", "/predict/", "//health", "/health/", "/static/a", "/webhook/x"])
def test_an_unknown_path_tells_a_stranger_no_routes(guarded: ServerOnFakes, path: str) -> None:
    reply = guarded.client.get(path)
    assert (reply.status_code, "/setup" in reply.text) == (401, False)


@pytest.mark.parametrize("headers", [RIGHT, BEARER])
def test_the_right_credentials_open_every_route(guarded: ServerOnFakes, headers: dict[str, str]) -> None:
    for path in ("/", "/health", "/ready", "/metrics", "/versions"):
        assert guarded.client.get(path, headers=headers).status_code == 200
    assert guarded.client.post("/setup", json=setup_body(), headers=headers).status_code == 200
    body = predict_body("a.png", keypoint(50, 50))
    assert guarded.client.post("/predict", json=body, headers=headers).json["results"][0]["result"]


def test_wrong_credentials_are_refused_in_words_that_label_studio_shows(guarded: ServerOnFakes) -> None:
    reply = guarded.client.post("/setup", json=setup_body(), headers=WRONG)
    error = "The user name or the password is wrong: this backend requires authentication."
    remedy = (
        "In Label Studio's connection choose Basic Authentication, with BASIC_AUTH_USER and BASIC_AUTH_PASS of this "
        "backend. Programs may send its API_TOKEN."
    )
    assert reply.status == f"401 {error} {remedy}"
    assert reply.json == {"error": error, "remedy": remedy, "request_id": reply.headers["X-Request-ID"]}
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="Label Studio ML backend", Bearer'


def test_a_wrong_user_and_a_wrong_password_are_answered_alike(guarded: ServerOnFakes) -> None:
    replies = [
        guarded.client.post("/setup", json=setup_body(), headers={"Authorization": _basic_auth_str(*pair)})
        for pair in ((USER, "x"), ("x", PASSWORD), ("x", "x"))
    ]
    assert len({(reply.status, reply.json["error"], reply.json["remedy"]) for reply in replies}) == 1


def test_without_credentials_the_reply_says_that_they_are_missing(guarded: ServerOnFakes) -> None:
    reply = guarded.client.post("/predict", json=predict_body("a.png"))
    assert reply.status_code == 401
    assert reply.json["error"] == "The user name and the password are missing: this backend requires authentication."


def test_a_wrong_token_is_called_a_token(guarded: ServerOnFakes) -> None:
    reply = guarded.client.get("/metrics", headers={"Authorization": "Bearer guess"})
    assert reply.json["error"] == "The token is wrong: this backend requires authentication."


class Unreadable:
    """A request body that must not be read."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("the body was read")

    readline = readlines = __iter__ = read


@pytest.mark.parametrize("path", ["/predict", "/setup"])
def test_the_body_of_a_refused_request_is_not_read(guarded: ServerOnFakes, path: str) -> None:
    reply = guarded.client.post(
        path,
        headers=WRONG,
        content_type="application/json",
        environ_overrides={"wsgi.input": Unreadable(), "CONTENT_LENGTH": "1000"},
    )
    assert reply.status_code == 401


def test_health_tells_a_stranger_only_whether_it_is_up_and_ready(guarded: ServerOnFakes) -> None:
    for headers in ({}, WRONG):
        reply = guarded.client.get("/health", headers=headers)
        assert (reply.status_code, reply.json) == (200, {"status": "UP", "ready": True})
        assert guarded.client.get("/ready", headers=headers).json == {"ready": True}
    assert guarded.client.get("/health", headers=RIGHT).json["demo_models"] is True
    assert guarded.client.get("/ready", headers=RIGHT).json["model_version"] == "fake-1"


def test_a_failed_load_is_told_in_detail_only_with_credentials() -> None:
    def fail():
        raise CheckpointError("/secret/sam.pth is damaged.", remedy="Fetch it again.")

    server = ServerOnFakes(build=fail, credentials=CREDENTIALS)
    server.wait_for_error()
    reply = server.client.get("/health")
    assert (reply.status, reply.json) == ("503 SERVICE UNAVAILABLE", {"status": "DOWN", "ready": False})
    reply = server.client.get("/ready")
    assert (reply.status, reply.json) == ("503 SERVICE UNAVAILABLE", {"ready": False})
    for path in ("/health", "/ready"):
        assert "/secret/sam.pth" in server.client.get(path, headers=RIGHT).text


def test_a_thousand_refused_requests_leave_few_lines_in_the_log_and_no_credentials(
    guarded: ServerOnFakes, caplog
) -> None:
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            headers = {"Authorization": _basic_auth_str(f"guess-{number}", "battery-staple")}
            assert guarded.client.get("/metrics", headers=headers).status_code == 401
        for _ in range(300):
            assert guarded.client.post("/predict", json={}).status_code == 401
    assert 1 <= len(caplog.records) <= 40
    assert "The user name or the password is wrong" in caplog.text
    assert "Client: 127.0.0.1." in caplog.text
    sent = [header for number in range(1000) for header in _basic_auth_str(f"guess-{number}", "battery-staple").split()]
    assert not any(secret in caplog.text for secret in ("guess-", "battery-staple", USER, PASSWORD, *set(sent[1::2])))
    counted = guarded.client.get("/metrics", headers=RIGHT).text
    assert 'backend_requests_total{endpoint="metrics",status="401"} 1000.0' in counted


def test_without_configured_credentials_every_caller_is_served(server: ServerOnFakes) -> None:
    for headers in ({}, WRONG, BEARER):
        reply = server.client.post("/setup", json={"project": "3.1", "schema": CONFIG}, headers=headers)
        assert reply.status_code == 200
    assert server.client.get("/health").json["demo_models"] is True


def test_label_studios_own_client_reads_the_refusal_from_the_reason_phrase(guarded: ServerOnFakes) -> None:
    reply = guarded.client.post("/setup", json=setup_body(), headers=WRONG)
    answer = requests.Response()
    answer.status_code, answer.reason, answer.url = 401, reply.status.partition(" ")[2], "http://backend/setup"
    with pytest.raises(requests.HTTPError, match=r"^401 Client Error: The user name or the password is wrong"):
        answer.raise_for_status()
