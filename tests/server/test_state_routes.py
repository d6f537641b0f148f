"""Health and readiness, before and after the models are loaded."""

from __future__ import annotations

import json
import threading

from backend.errors import CheckpointError
from backend.projects import ProjectSetups
from backend.server import Metrics, create_app
from tests.fakes import CONFIG, keypoint, predict_body
from tests.paths import PAYLOADS
from tests.server.fakes import ServerOnFakes


def test_health_names_the_models_and_warns_of_demo_models(server: ServerOnFakes) -> None:
    body = server.client.get("/health").json
    assert (body["status"], body["ready"], body["demo_models"]) == ("UP", True, True)
    assert "SAM_MODEL" in body["warning"]


def test_state_routes_answer_at_once_while_the_models_load() -> None:
    go, timeouts = threading.Event(), []
    server = ServerOnFakes(build=lambda: go.wait(60))
    get = server.loader.get
    server.loader.get = lambda timeout_seconds=0.0: timeouts.append(timeout_seconds) or get(timeout_seconds)
    assert server.client.get("/health").json["ready"] is False
    assert server.client.post("/setup", json={"project": "3.1", "schema": CONFIG}).json == {"model_version": "loading"}
    assert server.client.get("/versions").json == {"versions": []}
    assert server.predict(predict_body("a.png")).json == {"results": [[]]}
    ready = server.client.get("/ready")
    assert (ready.status_code, ready.json["error"]) == (503, "The models are still loading.")
    assert set(timeouts) == {0.0}
    assert not server.loader.ready
    go.set()


def test_every_route_reports_models_that_failed_to_load() -> None:
    def fail():
        raise CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")

    server = ServerOnFakes(build=fail)
    server.wait_for_error()
    for reply in (
        server.client.get("/health"),
        server.client.get("/ready"),
        server.client.post("/setup", json={"schema": CONFIG}),
        server.predict(predict_body("a.png", keypoint(50, 50))),
    ):
        assert reply.status_code >= 500
        assert (reply.json["error"], reply.json["remedy"]) == ("sam.pth is damaged.", "Fetch it again.")
    assert "sam.pth is damaged." in server.page()


def test_health_does_not_read_project_settings(server: ServerOnFakes) -> None:
    class Away:
        def get(self, name: str) -> bytes | None:
            raise AssertionError(name)

        put = get

    app = create_app(server.loader, Metrics(), max_body_bytes=10**6, setups=ProjectSetups(Away()))
    assert app.test_client().get("/health").status_code == 200


def test_the_recorded_health_request_is_answered(server: ServerOnFakes) -> None:
    recorded = json.loads((PAYLOADS / "health.json").read_text())
    reply = server.client.open(recorded["path"], method=recorded["method"], json=recorded["json"])
    assert reply.status_code == 200


def test_without_html_in_the_accept_header_the_root_answers_as_health(server: ServerOnFakes) -> None:
    assert server.client.get("/").json == server.client.get("/health").json


def test_ready_and_versions_name_the_model_version(server: ServerOnFakes) -> None:
    assert server.client.get("/ready").json == {"ready": True, "model_version": "fake-1"}
    assert server.client.get("/versions").json == {"versions": ["fake-1"]}
