"""scripts.doctor against stubs of Label Studio and the backend, each broken in one way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import redis

from backend.label_studio.results import encode_brush
from scripts.demo_circle.places import IMPORT_FLAG
from scripts.demo_circle.targets import click_scene
from scripts.doctor import main
from tests.servers import RedisServer, Seen, start_local_server

HEALTH = {
    "status": "UP",
    "ready": True,
    "sam": "vit_b (SHA-256 ec2df62732614e57)",
    "clip": "ViT-B-32 (SHA-256 0123)",
    "device": "cuda, encoder in bfloat16",
    "demo_models": False,
    "cache": "in Redis",
}
SETTINGS = ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "REDIS_URL", "BASIC_AUTH_USER", "BASIC_AUTH_PASS", "API_TOKEN")
ADDRESS = "URL resolves to a reserved network address (block: 172.16.0.0/12)"


def reply(status: int, document: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def flags(value: bool) -> tuple[int, dict[str, str], bytes]:
    listed = {"fflag_other": False, IMPORT_FLAG: value, "$flagsState": {IMPORT_FLAG: {"version": 1}}}
    return 200, {"Content-Type": "text/html"}, f"<pre>{json.dumps(listed, indent=4)}</pre>".encode()


def brush(iou_is_good: bool = True) -> dict[str, Any]:
    mask = click_scene(0)[1].objects[0].mask
    return {"type": "brush", "value": {"rle": encode_brush(mask if iou_is_good else mask | True)}}


class Deployment:
    """Stubs of both programs. Tests replace single replies, by method and path."""

    def __init__(self, servers: list[ThreadingHTTPServer]) -> None:
        self.label_studio, self.backend = start_local_server(servers), start_local_server(servers)
        self.label_studio.respond = self._answer_as_label_studio
        self.backend.respond = self._answer_as_backend
        self.health: dict[str, Any] = dict(HEALTH)
        self.required = ""
        self.replies: dict[str, Any] = {
            "GET /api/version": reply(200, {"release": "1.23.2"}),
            "GET /api/current-user/whoami": reply(200, {"email": "a@example.com"}),
            "GET /feature-flags/": flags(True),
            "POST /api/projects/": reply(201, {"id": 7}),
            "POST /api/ml": reply(201, {"id": 3}),
            "POST /api/projects/7/import?return_task_ids=true": reply(201, {"task_ids": [5]}),
            "POST /api/ml/3/interactive-annotating": reply(200, {"data": {"result": [brush()]}}),
            "DELETE /api/projects/7/": reply(204, ""),
        }

    def _answer_as_label_studio(self, seen: Seen, _: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        return self.replies.get(f"{seen.method} {seen.path}", reply(404, {"detail": "Not found."}))

    def _answer_as_backend(self, seen: Seen, _: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if seen.path == "/health":
            return reply(200 if self.health.get("status") == "UP" else 503, self.health)
        is_known = not self.required or seen.headers.get("authorization") == self.required
        return reply(200, {"versions": []}) if is_known else reply(401, {"error": "no"})


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    servers: list[ThreadingHTTPServer] = []
    made = Deployment(servers)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABEL_STUDIO_URL", made.label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a" * 40)
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def check(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command; exit status and output."""

    def run(*options: str) -> tuple[int, str]:
        return main(["--backend", deployment.backend.url, *options]), capsys.readouterr().out

    return run


def test_nothing_fails_where_nothing_is_wrong_and_the_project_is_deleted(deployment, check) -> None:
    status, output = check()
    assert status == 0
    assert [line.split()[0] for line in output.splitlines() if line.startswith(" ") and "help:" not in line] == [
        "ok"
    ] * 9
    assert deployment.label_studio.seen[-1].method == "DELETE"


@pytest.mark.parametrize(
    ("request_line", "answer", "says"),
    [
        ("GET /api/version", (200, {}, b"<html>login</html>"), ["not as Label Studio does", "LABEL_STUDIO_URL"]),
        (
            "GET /api/current-user/whoami",
            reply(401, {"detail": "legacy token authentication has been disabled for this organization"}),
            ["refused the legacy token: legacy token authentication has been disabled", "personal access token"],
        ),
        (
            "POST /api/ml",
            reply(403, {"detail": ADDRESS}),
            [ADDRESS, "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS=false"],
        ),
        (
            "POST /api/ml",
            reply(400, {"validation_errors": {"non_field_errors": ["Can't connect to ML backend"]}}),
            ["Can't connect to ML backend", "--backend-from-label-studio"],
        ),
        ("POST /api/projects/", reply(403, {"detail": "No."}), ["refused to create a project", "may create projects"]),
        (
            "POST /api/ml/3/interactive-annotating",
            reply(200, {"errors": ["502 Server Error: a.png could not be fetched"]}),
            ["The backend refused the click: 502", "its own LABEL_STUDIO_URL"],
        ),
        (
            "POST /api/ml/3/interactive-annotating",
            reply(200, {"errors": ["401 Client Error"]}),
            ["The backend refused the click: 401", "user and password differ"],
        ),
        (
            "POST /api/ml/3/interactive-annotating",
            reply(200, {"data": {"result": []}}),
            ["answered the click without a mask"],
        ),
    ],
)
def test_what_label_studio_refuses_is_said_with_a_remedy(deployment, check, request_line, answer, says) -> None:
    deployment.replies[request_line] = answer
    status, output = check()
    assert status == 1
    assert [text for text in says if text not in output] == []
    created = any(seen.method == "POST" and seen.path == "/api/projects/" for seen in deployment.label_studio.seen)
    deleted = any(seen.method == "DELETE" for seen in deployment.label_studio.seen)
    assert deleted == (created and request_line != "POST /api/projects/")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (flags(False), " warning  import: each import of predictions loads all tasks of its project\n"),
        (reply(403, ""), " skipped  import: not known: Label Studio does not list its feature flags (HTTP 403)\n"),
        (reply(200, {"fflag_other": True}), " skipped  import: not known: Label Studio does not list"),
        ((200, {}, b"<html>login</html>"), " skipped  import: not known: Label Studio does not list"),
    ],
)
def test_a_slow_import_of_predictions_is_named_with_the_flag_that_ends_it(deployment, check, answer, says) -> None:
    deployment.replies["GET /feature-flags/"] = answer
    status, output = check()
    assert status == 0
    assert says in output and f"start Label Studio with {IMPORT_FLAG}=true in its environment" in output


@pytest.mark.parametrize(
    ("health", "says"),
    [
        (
            {"status": "DOWN", "error": "sam.pth is damaged.", "remedy": "Fetch it again."},
            ["The backend is down: sam.pth is damaged.", "help: Fetch it again.", "skipped  models: needs backend"],
        ),
        ({"ready": False}, ["The models are still loading."]),
        ({"problem": "Masks have no classes. CLIP: x is missing"}, ["Masks have no classes", "CLIP_MODEL"]),
        ({"cache": "in this process, because Redis does not answer"}, ["because Redis does not answer", "REDIS_URL"]),
        ({"status": None}, ["The backend is down"]),
    ],
)
def test_what_is_wrong_inside_the_backend_is_said_with_a_remedy(deployment, check, health, says) -> None:
    deployment.health |= health
    status, output = check()
    assert status == 1
    assert [text for text in says if text not in output] == []


@pytest.mark.parametrize("body", [b"hello", b'{"status": "UP"}'], ids=["text", "Label Studio"])
def test_another_program_at_the_backends_address_is_not_taken_for_it(deployment, check, body) -> None:
    deployment.backend.respond = lambda *_: (200, {}, body)
    status, output = check()
    assert status == 1 and "not as this backend does" in output


@pytest.mark.parametrize(
    ("health", "says"),
    [
        ({"demo_models": True}, "know only the demo's coloured shapes"),
        ({"device": "cpu, encoder in float32"}, "takes seconds without a GPU"),
    ],
)
def test_a_warning_does_not_fail(deployment, check, health, says) -> None:
    deployment.health |= health
    status, output = check()
    assert status == 0 and says in output and " warning  models" in output


def test_credentials_are_sent_and_their_lack_is_named(deployment, check, monkeypatch) -> None:
    deployment.required = "Bearer t0ken"
    status, output = check()
    assert status == 1 and "requires authentication, and this command has no credentials" in output
    monkeypatch.setenv("API_TOKEN", "t0ken")
    assert check()[0] == 0


def test_a_url_without_its_scheme_is_named_and_so_is_a_missing_one(deployment, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "")
    assert main(["--backend", "localhost:9090"]) == 1
    output = capsys.readouterr().out
    assert "LABEL_STUDIO_URL is empty." in output
    assert "The backend's URL 'localhost:9090' does not begin with http:// or https://." in output


def test_only_one_half_of_the_credentials_is_a_wrong_setting(check, monkeypatch) -> None:
    monkeypatch.setenv("BASIC_AUTH_USER", "label-studio")
    status, output = check()
    assert status == 1 and output.startswith("  FAILED  settings: ") and "help: Set both" in output


def test_a_mask_of_the_whole_image_is_a_warning(deployment, check) -> None:
    deployment.replies["POST /api/ml/3/interactive-annotating"] = reply(200, {"data": {"result": [brush(False)]}})
    status, output = check()
    assert status == 0 and "a mask of 100% of the image" in output


def test_redis_is_asked_with_its_password_and_for_its_policy(check, monkeypatch, redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    assert "has no memory limit" in check("--no-click")[1]
    client.config_set("maxmemory", 10**8)
    assert "refuses new entries (noeviction)" in check("--no-click")[1]
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert "ok  Redis: " in check("--no-click")[1]
    client.config_set("requirepass", "s3cret")
    status, output = check("--no-click")
    assert status == 1 and "refused the password" in output and "s3cret" not in output
    monkeypatch.setenv("REDIS_URL", redis_server.url.replace("//", "//:s3cret@"))
    status, output = check("--no-click")
    assert status == 0 and "s3cret" not in output
