"""Reading annotations from a real Label Studio: through its API, and from the file that it exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from backend.bulk import AnnotationReader, Collected, ControlChoice, read_images, read_task_file
from backend.label_studio.api import AnnotatedTasks, LabelStudioClient
from backend.label_studio.config import parse_labeling_config
from scripts.demo_circle.stage import Opened
from scripts.export import main as export
from tests.bulk.annotated import MIXED, block, box, brush, no_size, point

Json = dict[str, Any]
KEPT = ControlChoice(frozenset({"box"}))


def read(tasks: Any) -> Collected:
    counts = Collected()
    counts.images += read_images(tasks, AnnotationReader(parse_labeling_config(MIXED), no_size, KEPT), counts)
    return counts


def test_a_project_and_its_export_file_are_read_alike_without_predictions(opened: Opened, tmp_path: Path) -> None:
    """Of a mixed project with large predictions: masks, boxes, a pose, and a smart click that was left behind."""
    site, client = opened.site, LabelStudioClient(opened.site.url, opened.token)
    number = site.create_project("Export source", MIXED, "")
    path = f"/api/projects/{number}/import?return_task_ids=true"
    documents = [{"image": f"https://images.invalid/{place}.png"} for place in range(12)]
    ids = client.requests.post_once(path, path, json.dumps(documents).encode(), 60.0)["task_ids"]
    large = [brush(block(1, 1, 30, 15), region_id=f"p{place}") for place in range(500)]
    predictions = [{"task": task, "result": large, "model_version": "demo-01-auto-aaaaaaaa"} for task in ids]
    body = json.dumps(predictions).encode()
    client.requests.post_once(f"/api/projects/{number}/import/predictions", "predictions", body, 60.0)
    mine = [brush(block(2, 2, 6, 6)), box(20, 4, 10, 10, region_id="b1")]
    mine += [point(3, 4, control="pose", label="nose", region_id="k1", parentID="b1")]
    annotations = [site.annotate(task, [*mine, point(9, 9, region_id="k2", is_positive=True)]) for task in ids[:11]]

    tasks = list(AnnotatedTasks(client).iterate(number))  # in two pages
    assert [task["id"] for task in tasks] == ids
    assert {"id", "project", "data", "annotations"} <= set(tasks[0])
    assert not {"predictions", "drafts"} & set(tasks[0])
    (annotation,) = tasks[0]["annotations"]
    assert annotation["id"] == annotations[0]
    assert annotation["was_cancelled"] is False and annotation["ground_truth"] is False
    assert {"updated_at", "created_at", "completed_by", "created_username", "lead_time", "parent_prediction"} <= set(
        annotation
    )
    assert len(json.dumps(tasks)) < 100_000 < len(body)

    from_api = read(tasks)
    assert (from_api.failures, from_api.unannotated) == ([], 1)
    assert from_api.left_out == {"keypointlabels": 11}
    first = from_api.images[0]
    assert [(region.label, region.bbox) for region in first.regions] == [
        ("cat", (2, 2, 6, 6)),
        ("cat", (20, 4, 10, 10)),
    ]
    assert [(one.label, one.parent_id, one.index) for one in first.key_points] == [("nose", "b1", 1)]
    assert "@" in first.annotator

    exported = tmp_path / "export.json"
    exported.write_bytes(download(client, number, "JSON"))
    from_file = read(read_task_file(exported))
    assert [(image.image_id, image.regions, image.key_points) for image in from_file.images] == [
        (image.image_id, image.regions, image.key_points) for image in from_api.images
    ]


def test_a_control_that_only_annotations_have_is_known_and_no_other(
    opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Label Studio takes annotations of any control with imported tasks, and does not count them in its summary."""
    number = opened.site.create_project("An old control", MIXED, "")
    old = box(20, 4, 10, 10, region_id="b1") | {"from_name": "oldbox"}
    annotations = [{"result": [brush(block(2, 2, 6, 6)), old]}]
    tasks = [{"data": {"image": "https://images.invalid/1.png"}, "annotations": annotations}]
    client = LabelStudioClient(opened.site.url, opened.token)
    client.requests.post_once(f"/api/projects/{number}/import", "a task", json.dumps(tasks).encode(), 60.0)
    connection = ["--url", opened.site.url, "--api-key", opened.token]
    command = ["--project", str(number), *connection, "--out", str(tmp_path / "out")]
    assert export(command) == 1 and "--drop oldbox" in capsys.readouterr().out
    assert export([*command, "--drop", "nosuch"]) == 1
    said = capsys.readouterr().err
    assert "neither the labeling config nor an annotation has a control 'nosuch'" in said and ", oldbox, " in said
    assert not (tmp_path / "out").exists()
    assert export([*command, "--drop", "oldbox"]) == 0
    summary = client.requests.get(f"/api/projects/{number}/summary/", "the summary")
    assert summary["created_annotations"] == {}


def download(client: LabelStudioClient, number: int, kind: str) -> bytes:
    url = f"{client.url}/api/projects/{number}/export?exportType={kind}&download_all_tasks=true"
    answer = requests.get(url, headers=client.authorization(), timeout=60)
    answer.raise_for_status()
    return answer.content
