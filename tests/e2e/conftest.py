"""One site for all browser tests: Label Studio, the backend, Redis where there is one, in a temporary folder.

Without Label Studio or Chromium these tests are skipped, saying how to get them; tests.nothing_skipped forbids that.
Screenshots of what the tests did are left in .cache/screenshots. Browsers are shared, too: each test gets a new tab.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.demo_circle.places import PASSWORD, ROOT, USERNAME, DemoFolder, Ports
from scripts.demo_circle.stage import LABEL_STUDIO, Opened, Stage
from scripts.demo_circle.targets import click_scenes, preannotated_scenes
from tests.e2e.objects import scenes_of, two_of_each_shape
from tests.e2e.site import Site
from tests.servers import free_port

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.browser import SharedBrowsers
    from tests.e2e.labeling_page import LabelingPage

SCREENSHOTS = ROOT / ".cache" / "screenshots"
COLLEAGUE, COLLEAGUES_PASSWORD = "colleague@example.com", "label-studio-colleague"


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the fixtures it uses, so that `make quick` never starts a browser or Label Studio.

    The longest files come first: of two workers that take file by file, neither waits for the other in the end.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: ("e2e" not in item.path.parts, item.path not in slow))  # stable
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.browser)
        elif "label_studio" in fixtures:
            item.add_marker(pytest.mark.label_studio)


def require(program: str | Path, how: str) -> str:
    """The path of a program; without it the test is skipped, saying how to get it."""
    found = shutil.which(str(program))
    if found is None:
        pytest.skip(f"{program} is not installed: {how}")
    return found


@pytest.fixture(scope="session")
def label_studio() -> str:
    """Label Studio's program."""
    return require(LABEL_STUDIO, "run `make demo` or `make test`")


@pytest.fixture(scope="session")
def chromium() -> tuple[str, str]:
    """The browser and the program that drives it."""
    pytest.importorskip("selenium", reason="selenium is not installed: pip install -r requirements-dev.txt")
    how = "`make chromium` installs it where it may (Debian's chromium and chromium-driver)"
    return require("chromium", how), require("chromedriver", how)


@pytest.fixture(scope="session")
def stage(label_studio: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """What starts the programs, and stops them in the end."""
    folder = DemoFolder(tmp_path_factory.mktemp("demo"))
    with Stage(folder, Ports(free_port(), free_port(), free_port()), print, label_studio=Path(label_studio)) as stage:
        yield stage


@pytest.fixture(scope="session")
def opened(stage: Stage) -> Opened:
    """The demo, with the scenes of the objects to click on; for tests that need no browser, too."""
    wanted = scenes_of(two_of_each_shape())
    scenes = {name: scene for name, scene in click_scenes(1 + int(wanted[-1][6:9])).items() if name in wanted}
    return stage.open(scenes, preannotated_scenes(1))


@pytest.fixture(scope="session")
def site(chromium: tuple[str, str], opened: Opened, stage: Stage) -> Site:
    """The same for tests in a browser; without one nothing is started for them."""
    print(f"Screenshots: {SCREENSHOTS}")
    return Site(opened, stage)


@pytest.fixture(scope="session")
def all_browsers(
    chromium: tuple[str, str], site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedBrowsers]:
    """The browsers of all people, which are started when they are first used."""
    from tests.e2e.browser import SharedBrowsers, start_chromium

    profiles = tmp_path_factory.mktemp("profiles")
    browsers = SharedBrowsers(lambda person: start_chromium(*chromium, profiles / person), site.url)
    yield browsers
    browsers.quit()


@pytest.fixture
def browsers(all_browsers: SharedBrowsers) -> Iterator[SharedBrowsers]:
    """The same, emptied after each test."""
    yield all_browsers
    all_browsers.take_back()


@pytest.fixture
def open_browser(browsers: SharedBrowsers, site: Site) -> Callable[[str, str], LabelingPage]:
    """Logs a person in, at a browser of their own."""
    from tests.e2e.labeling_page import LabelingPage

    def open_browser(username: str, password: str) -> LabelingPage:
        page = LabelingPage(browsers.lend(username), site.url, SCREENSHOTS)
        browsers.log_in(username, lambda: page.log_in(username, password))
        return page

    return open_browser


@pytest.fixture
def page(open_browser: Callable[[str, str], LabelingPage]) -> LabelingPage:
    """The browser of the person who owns the projects, logged in."""
    return open_browser(USERNAME, PASSWORD)


@pytest.fixture(scope="session")
def colleague(chromium: tuple[str, str], site: Site) -> tuple[str, str]:
    """A second person who may log in: name and password."""
    site.sign_up(COLLEAGUE, COLLEAGUES_PASSWORD)
    return COLLEAGUE, COLLEAGUES_PASSWORD


@pytest.fixture
def colleagues_page(colleague: tuple[str, str], open_browser: Callable[[str, str], LabelingPage]) -> LabelingPage:
    """The second person at a browser of their own, logged in."""
    return open_browser(*colleague)
