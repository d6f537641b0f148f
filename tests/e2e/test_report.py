"""The review report on a project of the real Label Studio whose corrections are known."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.bulk import Outages, StopFlag
from backend.label_studio.api import LabelStudioClient, TaskListing
from backend.label_studio.config import ConfigLimits
from backend.report import ReviewReader, build_region_link
from backend.report.outcomes import Outcome
from scripts.demo_circle.places import ROOT, USERNAME
from scripts.demo_circle.stage import Opened, Stage
from scripts.demo_circle.targets import preannotated_scenes
from scripts.report_demo import VERSION, ReviewedProject, make_reviewed_project
from scripts.reporting.sources import open_file, open_project
from tests.e2e.site import LABEL_CONFIG

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.labeling_page import LabelingPage

WORDS = {
    "untouched": "accepted untouched",
    "edited": "edited",
    "reclassified": "reclassified",
    "deleted": "deleted",
    "added": "added by hand",
}


@pytest.fixture(scope="module")
def project(opened: Opened) -> ReviewedProject:
    """Six tasks with predictions, two without; all annotated."""
    scenes = list(preannotated_scenes(8).items())
    return make_reviewed_project(opened.site, dict(scenes[:6]), dict(scenes[6:]), "Report")


def accept_in_bulk(opened: Opened, project: ReviewedProject) -> int:
    """Import a second prediction and make an annotation of it as the Data Manager does; returns its task."""
    client = LabelStudioClient(opened.site.url, opened.token)
    task, corrections = next(iter(project.corrections.items()))
    assert any(one.proposal is not None for one in corrections)
    stored = opened.site.task(task)["predictions"][0]
    prediction = {"task": task, "result": stored["result"], "model_version": "bulk"}
    opened.site.import_predictions(project.number, [prediction])
    body = {"selectedItems": {"all": False, "included": [task]}, "model_version": "bulk"}
    path = f"/api/dm/actions?id=predictions_to_annotations&project={project.number}"
    client.requests.post_once(path, path, json.dumps(body).encode(), 60.0)
    return task


@pytest.mark.timeout(600)
def test_the_report_finds_every_correction_that_was_made(
    opened: Opened, stage: Stage, project: ReviewedProject, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "scripts.report", "--project", str(project.number), "--out", str(tmp_path)]
    environment = stage.command_environment(opened.token)
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr

    regions = list(csv.DictReader((tmp_path / "regions.csv").open(encoding="utf-8")))
    found = {
        (int(row["task"]), row["proposal_id"], row["region_id"]): (row["outcome"], row["iou"] and float(row["iou"]))
        for row in regions
    }
    expected = {
        (task, one.proposal.region_id if one.proposal else "", one.final.region_id if one.final else ""): (
            WORDS[one.outcome],
            "" if one.iou is None else pytest.approx(one.iou, abs=1e-6),
        )
        for task, corrections in project.corrections.items()
        for one in corrections
    }
    assert found == expected
    assert {row["outcome"] for row in regions} == set(WORDS.values())  # so the comparison was about something
    assert {(row["annotator"], row["model_version"]) for row in regions} == {(USERNAME, VERSION)}

    annotations = list(csv.DictReader((tmp_path / "annotations.csv").open(encoding="utf-8")))
    compared = [row["compared_by"] for row in annotations]
    assert (compared.count("made from the prediction"), compared.count("no prediction"), len(compared)) == (6, 2, 8)
    assert all(float(row["lead_seconds"]) > 0 for row in annotations)

    counts, (total,) = project.counts, csv.DictReader((tmp_path / "total.csv").open(encoding="utf-8"))
    assert {kind: int(total[kind]) for kind in WORDS} == dict(counts)
    proposals = sum(counts.values()) - counts["added"]
    assert float(total["acceptance"]) == pytest.approx(counts["untouched"] / proposals, abs=1e-6)

    queue = list(csv.DictReader((tmp_path / "task_order.csv").open(encoding="utf-8")))
    assert len(queue) == 1 + 6 and queue[-1]["by_score"] == "1.0"  # every prediction has its score

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"Of {proposals} masks that the model proposed" in page
    linked = set(map(int, re.findall(rf'"{opened.site.url}/projects/{project.number}/data\?task=(\d+)&amp;', page)))
    assert linked and linked <= project.corrections.keys()
    shown = min(24, sum(counts.values()) - counts["untouched"])
    assert shown // 2 < page.count("data:image/jpeg;base64,") <= shown
    assert opened.token not in page


@pytest.mark.timeout(600)
def test_label_studio_keeps_what_the_report_relies_on(opened: Opened, project: ReviewedProject) -> None:
    task = accept_in_bulk(opened, project)
    opened.site.import_tasks(project.number, [{"image": "https://images.invalid/not-annotated.png"}])
    listing = TaskListing(LabelStudioClient(opened.site.url, opened.token))
    tasks = {one["id"]: one for one in listing.iterate_reviewed(project.number)}
    assert len(tasks) == 8
    submitted, accepted = sorted(tasks[task]["annotations"], key=lambda one: one["id"])
    by_version = {one["model_version"]: one for one in tasks[task]["predictions"]}
    assert submitted["parent_prediction"] == by_version[VERSION]["id"]
    assert submitted["lead_time"] > 0
    assert {one.get("origin") for one in submitted["result"]} <= {"prediction", "prediction-changed", "manual", None}
    assert accepted["parent_prediction"] == by_version["bulk"]["id"]
    assert accepted["result"] == by_version["bulk"]["result"]
    assert accepted["lead_time"] is None
    assert accepted["created_username"].split(",")[0].strip() == USERNAME


@pytest.mark.timeout(600)
def test_a_snapshot_with_whole_predictions_can_be_read_from_a_file(
    opened: Opened, project: ReviewedProject, tmp_path: Path
) -> None:
    requests = LabelStudioClient(opened.site.url, opened.token).requests
    path = f"/api/projects/{project.number}/exports/"
    options = {"title": "whole", "serialization_options": {"predictions": {"only_id": False}}}
    snapshot = requests.post_once(path, path, json.dumps(options).encode(), 60.0)
    exported = requests.get(f"{path}{snapshot['id']}/download", path, {"exportType": "JSON"})
    (tmp_path / "snapshot.json").write_text(json.dumps(exported), encoding="utf-8")
    (tmp_path / "config.xml").write_text(LABEL_CONFIG, encoding="utf-8")
    source = open_file(tmp_path / "snapshot.json", tmp_path / "config.xml", ConfigLimits())
    reviews = ReviewReader(source.config).read(source.tasks)
    assert reviews.problems == []
    listed = Counter(row.outcome.value for row in reviews.regions if row.model_version == VERSION)
    assert listed == {WORDS[kind]: count for kind, count in project.counts.items()}


@pytest.mark.timeout(600)
def test_a_link_to_a_region_opens_the_annotation_that_has_it(
    page: LabelingPage, opened: Opened, project: ReviewedProject
) -> None:
    """Label Studio 1.23.2 selects no region when a page is loaded, not even from a link of its own menu."""
    client = LabelStudioClient(opened.site.url, opened.token)
    patience = Outages(lambda: client.project(project.number), StopFlag(), give_up_after_seconds=60, say=print)
    reader = ReviewReader(open_project(client, project.number, ConfigLimits(), patience).config)
    rows = reader.read(TaskListing(client).iterate_reviewed(project.number)).regions
    row = next(one for one in rows if one.outcome is Outcome.EDITED)
    page.driver.get(build_region_link(opened.site.url, str(project.number), row))
    page.wait_for_picture()
    page.wait("the region", lambda: row.region_id in page.shown.mask_ids())
    address = parse_qs(urlsplit(page.driver.current_url).query)
    assert (address["annotation"], address["region"]) == ([str(row.annotation)], [row.region_id])
