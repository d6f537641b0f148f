"""The command that makes Label Studio send the webhooks' secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from backend.errors import BackendError
from backend.label_studio.api import Webhook, WebhookClient
from backend.server.webhook_gate import SECRET_HEADER
from scripts import secure_webhook
from scripts.secure_webhook import HEADER, secure_webhooks
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY

BACKEND, OTHER = "http://backend:9090", "http://other:9090/"
SECRET = "hook-secret"


class FakeLabelStudio:
    def __init__(self, backends: Sequence[str], *webhooks: tuple[str, Mapping[str, str]]) -> None:
        self.backends = list(backends)
        self.hooks = [Webhook(number, url, headers, ()) for number, (url, headers) in enumerate(webhooks)]
        self.changed: dict[int, Mapping[str, str]] = {}

    def backend_urls(self, project_id: int) -> list[str]:
        assert project_id == 3
        return self.backends

    def webhooks(self, project_id: int) -> list[Webhook]:
        assert project_id == 3
        return self.hooks

    def set_headers(self, webhook: Webhook, headers: Mapping[str, str]) -> None:
        self.changed[webhook.id] = headers


def test_only_the_webhook_of_the_backend_gets_the_secret_and_keeps_its_other_headers() -> None:
    hooks = [(f"{OTHER}webhook", {}), (f"{BACKEND}/webhook", {"X-Mine": "1"}), (f"{BACKEND}/webhook2", {})]
    site = FakeLabelStudio([f"{BACKEND}/"], *hooks)
    said = secure_webhooks(site, 3, SECRET)
    assert said == f"The webhook of project 3 that calls {BACKEND}/webhook now carries the secret."
    assert site.changed == {1: {"X-Mine": "1", HEADER: SECRET}}


def test_the_second_run_changes_nothing_and_a_new_secret_replaces_the_old_one() -> None:
    site = FakeLabelStudio([BACKEND], (f"{BACKEND}/webhook", {HEADER: SECRET}))
    assert secure_webhooks(site, 3, SECRET).endswith("already carried the secret.")
    assert site.changed == {}
    site = FakeLabelStudio([BACKEND], (f"{BACKEND}/webhook", {HEADER.lower(): SECRET}))
    secure_webhooks(site, 3, "new")
    assert site.changed == {0: {HEADER: "new"}}


@pytest.mark.parametrize(
    ("backends", "backend_url", "says"),
    [
        ([], None, "Project 3 has no ML backend. Connect this backend"),
        ([BACKEND], "http://b", f"has no ML backend with the URL http://b, but {BACKEND}. Give --backend-url"),
        ([BACKEND, OTHER], None, f"has several ML backends: {BACKEND}, http://other:9090. Name this one"),
        ([BACKEND, OTHER], OTHER, "has no webhook that calls http://other:9090/webhook. Add one"),
    ],
)
def test_what_is_not_clear_is_refused_and_no_webhook_is_changed(
    backends: list[str], backend_url: str | None, says: str
) -> None:
    site = FakeLabelStudio(backends, (f"{BACKEND}/webhook", {}))
    with pytest.raises(BackendError) as caught:
        secure_webhooks(site, 3, SECRET, backend_url)
    assert says in str(caught.value)
    assert site.changed == {}


def test_the_command_and_the_backend_mean_the_same_header() -> None:
    assert HEADER == SECRET_HEADER


def test_without_a_secret_the_command_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("WEBHOOK_SECRET", raising=False)
    assert secure_webhook.main(["--project", "3", "--url", "http://ls", "--api-key", "t"]) == 1
    assert capsys.readouterr().err == (
        "error: WEBHOOK_SECRET is not set.\n  help: Set it to a random text, such as from `openssl rand -hex 20`, "
        "here and for the backend.\n"
    )


@pytest.fixture
def label_studio(start_server: Callable[[], LocalServer]) -> LocalServer:
    """Answers as Label Studio 1.23.2, which deletes the actions of a webhook that is changed without them."""
    server = start_server()
    hook: dict[str, Any] = {
        "id": 5,
        "project": 3,
        "url": f"{BACKEND}/webhook",
        "headers": {},
        "send_for_all_actions": False,
        "actions": ["ANNOTATION_CREATED"],
    }

    def respond(seen: Seen, handler: object) -> Answer:
        json_type = {"Content-Type": "application/json"}
        if seen.headers.get("authorization") != f"Token {LEGACY}":
            return 401, json_type, b'{"detail": "Invalid token."}'
        if seen.path == "/api/ml/?project=3":
            return 200, json_type, json.dumps([{"id": 1, "project": 3, "url": BACKEND}]).encode()
        if seen.method == "PATCH":
            sent = json.loads(seen.body)
            hook.update({"actions": [], **sent})
            return 200, json_type, json.dumps(hook).encode()
        assert seen.path == "/api/webhooks/?project=3"
        return 200, json_type, json.dumps([hook]).encode()

    server.respond = respond
    return server


def test_a_change_of_headers_leaves_the_actions_alone(label_studio: LocalServer) -> None:
    client = WebhookClient(label_studio.url, LEGACY)
    secure_webhooks(client, 3, SECRET)
    (hook,) = client.webhooks(3)
    assert (hook.headers, list(hook.actions)) == ({HEADER: SECRET}, ["ANNOTATION_CREATED"])
    assert SECRET not in repr(hook)
    assert json.loads(label_studio.seen[2].body).keys() == {"headers", "actions"}


def test_a_refused_token_is_told_with_its_remedy(label_studio: LocalServer, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    assert secure_webhook.main(["--project", "3", "--url", label_studio.url, "--api-key", "0" * 40]) == 1
    shown = capsys.readouterr().err
    assert "refused the ML backends of project 3 (HTTP 401: Invalid token.)" in shown
    assert SECRET not in shown
