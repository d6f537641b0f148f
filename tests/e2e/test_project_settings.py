"""A person saves settings in a real Label Studio: what is wrong is shown with its remedy, and pages go on working."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from backend.projects.setup_registry import SAVING_SECONDS
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.processes import DemoError
from scripts.demo_circle.stage import Opened

TITLE = "Project settings"
COMMENT = '<!-- backend: {"clip_threshold": 0.25} -->'


class Connection:
    """A project of its own and its ML backend, which is not connected at first."""

    def __init__(self, opened: Opened) -> None:
        self.site = opened.site
        (first,) = self._ask("GET", f"/api/ml?project={opened.click_project}")
        self.url, self.login = first["url"], opened.backend_login
        self.project = self.site.create_project(TITLE, (ROOT / "label_config.xml").read_text(encoding="utf-8"), "")
        self.id: int | None = None

    def save(self, extra_params: Any) -> None:
        """Press "Validate and Save"."""
        body = {"project": self.project, "url": self.url, "title": TITLE, "is_interactive": True}
        body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": self.login.user}
        body |= {"basic_auth_pass": self.login.password}
        path = "/api/ml" if self.id is None else f"/api/ml/{self.id}"
        self.id = self._ask("PATCH" if self.id else "POST", path, json=body | {"extra_params": extra_params})["id"]

    def open_page(self) -> dict[str, Any]:
        """What every page of the project asks; the one backend it then shows."""
        (backend,) = self._ask("GET", f"/api/ml?project={self.project}")
        return backend

    def edit_config(self, comment: str) -> None:
        xml = (ROOT / "label_config.xml").read_text(encoding="utf-8").replace("<View>", f"<View>{comment}", 1)
        saved = self._ask("PATCH", f"/api/projects/{self.project}", json={"label_config": xml})
        assert saved["label_config"] == xml.strip()

    def status(self) -> str:
        """What the backend's status page says of the project."""
        page = requests.get(self.url, auth=self.login.pair, headers={"Accept": "text/html"}, timeout=60).text
        return page.split(f"<b>Project {self.project}</b>")[1].split("</p>")[0]

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        return self.site._json(method, path, **arguments)


@pytest.fixture
def connection(opened: Opened) -> Iterator[Connection]:
    made = Connection(opened)
    yield made
    made.site._request("DELETE", f"/api/projects/{made.project}/")


@pytest.mark.timeout(900)
def test_wrong_settings_are_refused_with_their_remedy_and_pages_stay_connected(connection: Connection) -> None:
    with pytest.raises(DemoError, match=r"Reason: 422 Client Error: clip_threshold is 1\.7\. Set clip_threshold to a"):
        connection.save({"clip_threshold": 1.7})

    connection.save('{"auto_label": true}')
    for wrong in ({"autolabel": True}, "[object Object]", {"answer": "ellipse"}):
        with pytest.raises(DemoError, match=r"Did you mean auto_label|Write a JSON object|Add &lt;EllipseLabels"):
            connection.save(wrong)
        assert connection.open_page()["readable_state"] == "Connected"
    assert "auto_label = true" in connection.status()

    connection.edit_config(COMMENT)
    assert connection.open_page()["readable_state"] == "Connected"
    assert "auto_label = true, clip_threshold = 0.25" in connection.status()

    connection.edit_config(COMMENT.replace("0.25", "25"))
    assert connection.open_page()["readable_state"] == "Connected"
    assert "Not in force: clip_threshold is 25. Set clip_threshold to a number from 0 to 1." in connection.status()


@pytest.mark.timeout(900)
def test_wrong_settings_that_were_stored_before_disturb_pages_only_for_a_moment(
    connection: Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    connection.save({"prefetch": 2})
    (file,) = tmp_path_factory.getbasetemp().glob("demo[0-9]*/label-studio/label_studio.sqlite3")
    with sqlite3.connect(file, timeout=30) as database:
        database.execute("UPDATE ml_mlbackend SET extra_params = ? WHERE id = ?", ('{"prefetch": -1}', connection.id))
    assert "prefetch is -1. Set prefetch to" in connection.open_page()["error_message"]
    time.sleep(SAVING_SECONDS)
    assert connection.open_page()["readable_state"] == "Connected"
    assert "prefetch = 2" in connection.status()
    assert "Not in force: prefetch is -1." in connection.status()
