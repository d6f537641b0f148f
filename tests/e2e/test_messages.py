"""The message line above the picture: what came, why nothing came, and nothing when there is nothing to say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from scripts.demo_circle.commands import export
from tests.e2e.objects import KEYS, find_target
from tests.e2e.site import LABEL_CONFIG, Site

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

SCENE, NEXT = "scene-000.png", "scene-001.png"
CLASSES = re.compile(r'<View className="class" visibleWhen="region-selected">.*?</View>', re.DOTALL)
WITHOUT_CLASSES = CLASSES.sub("", LABEL_CONFIG)  # a click with a label gives CLIP nothing to say
pytestmark = pytest.mark.timeout(900)


def wait_for_message(page: LabelingPage, pattern: str) -> str:
    """Wait until the line says something of this pattern; returns what it says."""
    page.wait(f"the message {pattern}", lambda: re.fullmatch(pattern, page.shown.message()))
    return page.shown.message()


def ask(page: LabelingPage, text: str) -> None:
    page.enter_text(text)
    page.wait_for_answer()


def refusals(site: Site) -> int:
    """How many predictions the backend has refused with 422 since it was started."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = site.opened.backend_login.pair
        metrics = session.get(f"{site.stage.ports.backend_url}/metrics", timeout=30).text
    found = re.search(r'^backend_requests_total\{endpoint="predict",status="422"\} ([0-9.]+)$', metrics, re.MULTILINE)
    assert found
    return int(float(found[1]))


def test_the_line_says_what_came_before_it_is_accepted_and_why_nothing_came(
    page: LabelingPage, site: Site, tmp_path: Path
) -> None:
    project, target = site.scene_project("Messages", SCENE, NEXT), find_target(SCENE, "purple ellipse")
    page.start(project.number, project.tasks[SCENE])
    assert page.shown.message() == ""

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    wait_for_message(page, r"purple ellipse, \d\d %\.")
    page.screenshot("messages-1-class")
    assert page.has_suggestion() and not page.shown.mask_ids()
    page.click(target.x + 5.5, target.y + 0.5)  # beside the point, which a click on it would select
    page.wait_for_answer()
    wait_for_message(page, r".+ %\. (Candidate \d of \d: the whole\.|Candidate \d of \d: .+|There is only this one .+)")
    page.screenshot("messages-2-candidate")
    page.accept()

    refused = refusals(site)
    ask(page, "x" * 201)
    wait_for_message(page, r"The text has 201 characters; the limit is 200\. Describe the object in a few words.+")
    page.screenshot("messages-3-refused")
    assert refusals(site) == refused + 1
    ask(page, "the red car")
    wait_for_message(page, r'The demo models know coloured shapes only\. They cannot read "car"\. Try "the red ring"\.')
    ask(page, "a red star")
    wait_for_message(page, 'Nothing matches "a red star"\\.')
    page.screenshot("messages-4-nothing")
    ask(page, "all rings")
    last = wait_for_message(page, '2 objects match "all rings"\\.')
    page.accept()
    page.submit()

    saved = site.annotation(project.tasks[SCENE])
    assert [result["value"]["text"] for result in saved if result["from_name"] == "message"] == [[last]]
    regions = parse_regions(saved, parse_labeling_config(LABEL_CONFIG).images[0])
    classes = sorted(name for region in regions for name in region.choices["class"])
    assert classes == ["pink ring", "purple ellipse", "yellow ring"]  # all labelled purple, which was picked
    exported = export(project.number, tmp_path / "export", site.command_environment()).read_text(encoding="utf-8")
    assert len(json.loads(exported)["annotations"]) == 3
    assert "message" not in exported and "match" not in exported

    page.open_task(project.number, project.tasks[NEXT])
    assert page.shown.message() == ""


def test_the_line_is_cleared_when_there_is_nothing_to_say_also_after_a_reload(page: LabelingPage, site: Site) -> None:
    target = find_target(SCENE, "purple ellipse")
    project = site.scene_project("Messages without classes", SCENE, label_config=WITHOUT_CLASSES)
    task = project.tasks[SCENE]
    page.start(project.number, task)
    ask(page, "a red star")
    shown = wait_for_message(page, "Nothing matches .+")
    site.wait_for_draft(task, "backend-message")
    page.start(project.number, task)
    page.wait("the message of the draft", lambda: page.shown.message() == shown)

    page.pick(KEYS[target.colour], "KeyPointTool")
    page.click(target.x + 0.5, target.y + 0.5)
    page.wait_for_answer()
    wait_for_message(page, "")
    page.screenshot("messages-5-cleared")
    page.accept()
    page.submit()
    saved = site.annotation(task)
    assert [result["value"]["text"] for result in saved if result["from_name"] == "message"] == [[]]
    (region,) = parse_regions(saved, parse_labeling_config(WITHOUT_CLASSES).images[0])
    assert region.label == target.colour
