"""One demo for all browser tests: Label Studio, the backend, Redis where there is one, in a temporary folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.demo_circle.places import PASSWORD, ROOT, USERNAME, DemoFolder, free_ports
from scripts.demo_circle.stage import LABEL_STUDIO, Opened, Stage
from scripts.demo_circle.targets import click_scenes, preannotated_scenes

SCREENSHOTS = ROOT / ".data" / "e2e"


def require(program: str | Path, how: str) -> str:
    """The path of a program; without it the test is skipped, saying how to get it."""
    found = shutil.which(str(program))
    if found is None:
        pytest.skip(f"{program} is not installed: {how}")
    return found


@pytest.fixture(scope="session")
def label_studio() -> str:
    """Label Studio's program."""
    return require(LABEL_STUDIO, "run `make setup`")


@pytest.fixture(scope="session")
def opened(label_studio: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The demo with eight scenes to click on, one of each background."""
    folder = DemoFolder(tmp_path_factory.mktemp("demo"))
    with Stage(folder, free_ports(), print, label_studio=Path(label_studio)) as stage:
        yield stage.open(click_scenes(8), preannotated_scenes(1))


@pytest.fixture
def page(opened: Opened, tmp_path: Path) -> Iterator:
    """A logged-in browser."""
    chromium = require("chromium", "apt-get install chromium chromium-driver")
    driver_program = require("chromedriver", "apt-get install chromium-driver")
    labeling_page = pytest.importorskip(
        "tests.e2e.labeling_page", reason="selenium: pip install -r requirements-dev.txt"
    )
    driver = labeling_page.start_chromium(chromium, driver_program, tmp_path / "profile")
    try:
        page = labeling_page.LabelingPage(driver, opened.site.url, SCREENSHOTS)
        page.log_in(USERNAME, PASSWORD)
        yield page
    finally:
        driver.quit()
