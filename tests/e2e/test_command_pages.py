"""The pages that commands write, in a browser: the contact sheet and the review report. Two pictures of the docs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.demo_circle import commands
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.targets import preannotated_scenes
from scripts.report_demo import make_reviewed_project
from tests.e2e.site import Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

pytestmark = pytest.mark.timeout(900)
SCENES, REVIEWED, BY_HAND = 9, 40, 8
_LOAD = """const done = arguments[arguments.length - 1], page = document.documentElement;
    const sources = [...document.querySelectorAll('img, svg image')].map(one => one.src || one.href.baseVal);
    const isLoaded = source => new Promise(resolve => { const image = new Image();
        image.onload = () => resolve(true); image.onerror = () => resolve(false); image.src = source; });
    Promise.all(sources.map(isLoaded)).then(all =>
        done([all.length, all.filter(one => !one).length, page.scrollWidth - page.clientWidth]));"""


def show(page: LabelingPage, file: Path, name: str, width: int, height: int) -> int:
    """Open a file, check that its pictures can be shown and nothing sticks out; returns how many pictures it has."""
    page.resize(width, height)
    page.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    page.look_at(file.as_uri())
    found: Any = page.driver.execute_async_script(_LOAD)
    page.screenshot(name)
    count, broken, beyond = found
    assert (broken, beyond) == (0, 0)
    return int(count)


def test_the_contact_sheet_shows_each_picture_of_the_sample(page: LabelingPage, site: Site, tmp_path: Path) -> None:
    project = site.scene_project("Coloured shapes", *(f"scene-{number:03}.png" for number in range(SCENES)))
    options = ("--dry-run", "--sample", str(SCENES), "--sheet", str(tmp_path / "sheet.html"))
    commands.preannotate(project.number, site.command_environment(), *options, quiet=True)
    assert show(page, tmp_path / "sheet.html", "contact-sheet", 1200, 690) == SCENES
    assert f"{SCENES} of {SCENES} tasks" in page.text()


def test_the_report_of_a_reviewed_project_shows_its_worst_regions(
    page: LabelingPage, site: Site, tmp_path: Path
) -> None:
    scenes = list(preannotated_scenes(REVIEWED + BY_HAND).items())
    reviewed = make_reviewed_project(site.label_studio, dict(scenes[:REVIEWED]), dict(scenes[REVIEWED:]))
    argv = [sys.executable, "-m", "scripts.report", "--project", str(reviewed.number), "--out", str(tmp_path / "out")]
    environment = site.command_environment()
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert show(page, tmp_path / "out" / "report.html", "report", 1060, 1150) > 0
    masks = sum(reviewed.counts.values()) - reviewed.counts["added"]
    assert f"Of {masks} masks that the model proposed" in page.text()
