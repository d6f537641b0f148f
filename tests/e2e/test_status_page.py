"""The backend's status page in a browser, after clicks through Label Studio; docs/operating.md has its picture."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests

from scripts.demo_circle.places import PASSWORD, USERNAME
from scripts.demo_circle.processes import DemoError
from scripts.demo_circle.site import keypoint
from scripts.demo_circle.targets import click_scenes, find_targets
from tests.e2e.conftest import SCREENSHOTS
from tests.e2e.site import Project, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.browser import SharedBrowsers
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
SIZE = (640, 480)
SCENES = tuple(f"scene-00{number}.png" for number in range(4))
ZONE = "Australia/Darwin"  # half an hour off every zone of whole hours


@pytest.fixture(scope="module")
def busy_project(site: Site) -> Project:
    """A project in which objects were clicked, after a click that was refused, and before another."""
    project = site.scene_project("Coloured shapes", *SCENES)
    site.label_studio._json("GET", f"/api/ml?project={project.number}")  # what every page of the project asks
    nothing = keypoint(3, 3, SIZE, "red", positive=False)
    with contextlib.suppress(DemoError):  # refused with a status or with a message; the page must have it in both cases
        site.label_studio.predict_interactively(project.backend, project.tasks[SCENES[0]], nothing)
    for target in find_targets({name: click_scenes(4)[name] for name in SCENES})[:14]:
        site.ask(project, target.scene, keypoint(target.x + 0.5, target.y + 0.5, SIZE, target.colour))
    return project


class StatusPage:
    """The page in a browser whose window, colours, time zone and scripts can be set."""

    def __init__(self, driver: Any, url: str) -> None:
        self._driver, self._url = driver, url

    def open(self, width: int, height: int, scheme: str = "light") -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
        self._driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        self._driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ZONE})
        self._driver.get(self._url)

    def run(self, script: str) -> Any:
        return self._driver.execute_script(script)

    def html_without_scripts(self) -> str:
        self._driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        self._driver.get(self._url)
        root = self._driver.execute_cdp_cmd("DOM.getDocument", {})["root"]["backendNodeId"]
        html = str(self._driver.execute_cdp_cmd("DOM.getOuterHTML", {"backendNodeId": root})["outerHTML"])
        self._driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        return html

    def screenshot(self, name: str) -> None:
        self._driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


@pytest.fixture
def browser(browsers: SharedBrowsers) -> Any:
    return browsers.lend(USERNAME)


@pytest.fixture
def status_page(browser: Any, site: Site, busy_project: Project) -> StatusPage:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return StatusPage(browser, site.backend_url_with_login())


@pytest.mark.parametrize("width", [390, 800, 1300])
def test_nothing_is_wider_than_the_window(status_page: StatusPage, width: int) -> None:
    status_page.open(width, 1250)
    assert status_page.run("return [innerWidth, document.documentElement.scrollWidth <= innerWidth]") == [width, True]
    status_page.screenshot("status-page" if width == 1300 else f"status-page-{width}")


def test_the_page_is_dark_where_the_browser_is(status_page: StatusPage) -> None:
    brightness = {}
    for scheme in ("light", "dark"):
        status_page.open(390, 900, scheme)
        colour = status_page.run("return getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) / 765
        status_page.screenshot(f"status-page-{scheme}")
    assert brightness["light"] > 0.9 and brightness["dark"] < 0.15


def test_times_are_in_the_readers_zone_and_in_utc_without_scripts(status_page: StatusPage) -> None:
    status_page.open(1300, 900)
    assert status_page.run("return document.getElementById('zone').textContent").endswith(f" {ZONE}.")
    shown = status_page.run("return [...document.querySelectorAll('time')].map(t => [t.dateTime, t.textContent])")
    assert len(shown) > 10
    for machine, text in shown:
        here = datetime.fromisoformat(machine.replace("Z", "+00:00")).astimezone(ZoneInfo(ZONE))
        assert f"{here.hour % 12 or 12}:{here:%M:%S}" in text
    without = status_page.html_without_scripts()
    assert "Times are in UTC." in without and without.count(" UTC</time>") == without.count("<time ") > 10


def test_a_project_and_a_request_lead_to_label_studio(
    status_page: StatusPage, browser: Any, site: Site, busy_project: Project
) -> None:
    from tests.e2e.labeling_page import LabelingPage

    person: LabelingPage = LabelingPage(browser, site.url, SCREENSHOTS)
    person.log_in(USERNAME, PASSWORD)
    status_page.open(1300, 900)
    links = status_page.run("return [...document.querySelectorAll('a[href*=\"/projects/\"]')].map(a => a.href)")
    tasks = f"{site.url}/projects/{busy_project.number}/data"
    assert tasks in links
    for url, is_there in (
        (tasks, lambda: SCENES[3].removesuffix(".png") in browser.page_source),
        (next(url for url in links if url.startswith(f"{tasks}?task=")), lambda: _shows_picture(browser, person)),
    ):
        browser.get(url)
        person.wait(url, is_there)


def _shows_picture(browser: Any, person: LabelingPage) -> bool:
    is_drawn = browser.execute_script("return !!(window.Konva && Konva.stages.length)")
    return is_drawn and person.shown.image_size() == SIZE


def test_a_refusal_is_folded_away_once_clicks_of_the_project_succeed(site: Site, busy_project: Project) -> None:
    def errors() -> tuple[str, str]:
        headers, login = {"Accept": "text/html"}, site.opened.backend_login.pair
        with requests.Session() as session:
            session.trust_env = False
            page = session.get(site.stage.ports.backend_url, auth=login, headers=headers, timeout=30).text
        current, _, past = page.split("<h2>Errors</h2>")[1].split("</section>")[0].partition("<details")
        return current, past

    mark = f"project {busy_project.number}, task {busy_project.tasks[SCENES[0]]}, 1 point"
    current, past = errors()
    assert mark not in current and mark in past
    assert "favicon" not in current + past
