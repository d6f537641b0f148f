"""A real Label Studio and a backend that needs a password: the dialog, the stored connection, the webhook's secret."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By

from scripts.demo_circle.places import ROOT, BackendLogin
from scripts.demo_circle.processes import DemoError
from scripts.demo_circle.site import keypoint
from scripts.demo_circle.stage import Opened, Stage
from tests.e2e.labeling_page import LabelingPage
from tests.e2e.looking import find_shown, try_click
from tests.e2e.site import LABEL_CONFIG, Site
from tests.fakes import png
from tests.servers import LocalServer, Seen

WRONG = "The user name or the password is wrong: this backend requires authentication."
MISSING = "The user name and the password are missing: this backend requires authentication."


class ModelDialog:
    """Label Studio's dialog that connects a model, in the settings of a project."""

    def __init__(self, page: LabelingPage, site: Site, project: int) -> None:
        self._page, self._driver = page, page._driver
        page.look_at(f"{site.url}/projects/{project}/settings/ml")
        self._press("Connect Model")
        page.wait("the dialog", lambda: self._driver.find_elements(By.NAME, "url"))

    def fill(self, url: str, user: str = "", password: str = "") -> None:
        self._write("title", "SAM + CLIP")
        self._write("url", url)
        if user:
            self._press("No Authentication")
            self._press("Basic Authentication")
            self._page.wait("the password", lambda: self._driver.find_elements(By.NAME, "basic_auth_pass"))
            self._write("basic_auth_user", user)
            self._write("basic_auth_pass", password)

    def save(self) -> None:
        self._press("Validate and Save")

    def _write(self, name: str, text: str) -> None:
        read = "return document.querySelector(arguments[0])?.value"

        def write() -> bool:
            field = self._driver.find_element(By.NAME, name)
            field.clear()
            field.send_keys(text)
            return bool(self._driver.execute_script(read, f"[name={name}]") == text)

        self._page.wait(name, write)

    def _press(self, text: str) -> None:
        """Click the innermost visible element with this text, and no other."""
        self._page.wait(text, lambda: try_click(find_shown(self._driver, "body *:not(option)", [text])[-1:]))


@pytest.mark.timeout(900)
def test_the_dialog_tells_wrong_and_missing_credentials_and_connects_with_the_right_ones(
    page: LabelingPage, site: Site
) -> None:
    login, url = site.opened.backend_login, site.stage.ports.backend_url
    project = site.label_studio.create_project("Authentication", LABEL_CONFIG, "")
    for name, credentials, refusal in (
        ("1-wrong", (login.user, "wrong-password"), WRONG),
        ("2-missing", (), MISSING),
    ):
        dialog = ModelDialog(page, site, project)
        dialog.fill(url, *credentials)
        dialog.save()
        page.wait("the refusal", lambda refusal=refusal: refusal in page.text())
        page.screenshot(f"authentication-{name}")
        assert "choose Basic Authentication, with BASIC_AUTH_USER and BASIC_AUTH_PASS of this" in page.text()
        assert site.label_studio._json("GET", f"/api/ml?project={project}") == []
    dialog = ModelDialog(page, site, project)
    dialog.fill(url, *login.pair)
    dialog.save()
    page.wait("the connection", lambda: site.label_studio._json("GET", f"/api/ml?project={project}"))
    page.wait("its state", lambda: "Connected" in page.text())
    page.screenshot("authentication-3-connected")
    (backend,) = site.label_studio._json("GET", f"/api/ml?project={project}")
    assert (backend["readable_state"], backend["auth_method"], backend["basic_auth_user"]) == (
        "Connected",
        "BASIC_AUTH",
        login.user,
    )


@pytest.mark.timeout(900)
def test_a_connection_whose_password_became_wrong_says_so(
    opened: Opened, stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The backend got another password: here Label Studio's is changed, in its database."""
    site, project = opened.site, opened.site.create_project("Wrong password", LABEL_CONFIG, "")
    (task,) = site.upload_images(project, {"a.png": png(40, 30)}).values()
    number = site.connect_backend(project, stage.ports.backend_url, "SAM + CLIP", opened.backend_login)
    (file,) = tmp_path_factory.getbasetemp().glob("demo[0-9]*/label-studio/label_studio.sqlite3")
    with sqlite3.connect(file, timeout=30) as database:
        database.execute("UPDATE ml_mlbackend SET basic_auth_pass = 'wrong' WHERE id = ?", (number,))
    (shown,) = site._json("GET", f"/api/ml?project={project}")
    assert shown["readable_state"] == "Error"
    assert WRONG in shown["error_message"]
    with pytest.raises(DemoError, match=WRONG):
        site.predict_interactively(number, task, keypoint(20, 15, (40, 30), "red"))
    wrong = BackendLogin(opened.backend_login.user, "wrong")
    with pytest.raises(DemoError, match=WRONG):
        site.connect_backend(project, stage.ports.backend_url, "SAM + CLIP", wrong)


@pytest.mark.timeout(900)
def test_label_studio_sends_the_password_on_every_route_but_the_webhook_and_there_the_secret(
    opened: Opened, stage: Stage, start_server: Callable[[], LocalServer]
) -> None:
    """A server stands in for the backend and keeps what Label Studio sends."""
    server, site = start_server(), opened.site
    document = json.dumps({"status": "UP", "model_version": "1", "results": []}).encode()
    server.respond = lambda seen, handler: (200, {"Content-Type": "application/json"}, document)
    project = site.create_project("Webhook secret", LABEL_CONFIG, "")
    (task,) = site.upload_images(project, {"a.png": png(40, 30)}).values()
    site.connect_backend(project, server.url, "stand-in", BackendLogin("user", "pass word"))

    def run_command() -> str:
        argv = [sys.executable, "-m", "scripts.secure_webhook", "--project", str(project)]
        environment = stage.command_environment(opened.token) | {"WEBHOOK_SECRET": "hook-secret"}
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "hook-secret" not in done.stdout + done.stderr
        return done.stdout

    def webhooks() -> list[Seen]:
        return [seen for seen in server.seen if urlsplit(seen.path).path == "/webhook"]

    site.annotate(task, [])
    assert "x-webhook-secret" not in webhooks()[-1].headers
    assert "now carries the secret" in run_command()
    assert "already carried the secret" in run_command()
    site.annotate(task, [])
    assert webhooks()[-1].headers["x-webhook-secret"] == "hook-secret"
    assert json.loads(webhooks()[-1].body)["action"] == "ANNOTATION_CREATED"
    basic = "Basic " + base64.b64encode(b"user:pass word").decode()
    assert {urlsplit(seen.path).path for seen in server.seen} >= {"/health", "/setup", "/webhook"}
    for seen in server.seen:
        is_webhook = urlsplit(seen.path).path == "/webhook"
        assert seen.headers.get("authorization") == (None if is_webhook else basic), seen.path
