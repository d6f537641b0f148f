"""Real Label Studio, real backend: "Batch predictions" brings masks, under the version that preannotate uses."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import LabeledRegion, build_results
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.stage import Opened, Stage
from scripts.demo_circle.targets import click_scene, encode_png
from tests.fakes import png


def predictions(opened: Opened, task: int) -> list[dict[str, Any]]:
    """The predictions of a task, oldest first, without what changes by itself, such as their age."""
    found = sorted(opened.site.task(task)["predictions"], key=lambda prediction: prediction["id"])
    return [{key: prediction[key] for key in ("id", "model_version", "result", "score")} for prediction in found]


def has_masks(prediction: dict[str, Any]) -> bool:
    return any(result["type"].startswith("brush") for result in prediction["result"])


def old_mask(label_config: str) -> list[dict[str, Any]]:
    """The result of an earlier prediction with a mask."""
    config = parse_labeling_config(label_config).images[0]
    mask = np.zeros((480, 640), bool)
    mask[100:200, 100:200] = True
    return build_results([LabeledRegion(mask, config.answer_classes[0].name, "old")], config)


def retrieve(opened: Opened, project: int, *tasks: int) -> None:
    """Choose "Batch predictions" for some tasks, as the Data Manager does."""
    body = {"selectedItems": {"all": False, "included": list(tasks)}}
    opened.site._json("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", json=body)


def make_project(opened: Opened, title: str, label_config: str, images: dict[str, bytes]) -> tuple[int, list[int]]:
    """Make a project with the backend connected; returns its id and those of its tasks, by the names of the images."""
    site = opened.site
    project = site.create_project(title, label_config, "")
    tasks = site.upload_images(project, images)
    backend_url = next(each["url"] for each in site._json("GET", f"/api/ml?project={opened.click_project}"))
    site.connect_backend(project, backend_url, "SAM + CLIP", opened.backend_login)
    return project, [tasks[name] for name in sorted(images)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("single_task", ["class", "masks"])
def test_a_project_decides_whether_one_task_alone_gets_masks_selected_or_opened(
    opened: Opened, single_task: str
) -> None:
    """Label Studio sends the same for both, so that they are answered alike."""
    site, label_config = opened.site, (ROOT / "label_config.xml").read_text(encoding="utf-8")
    label_config = label_config.replace("backend: {", f'backend: {{"single_task": "{single_task}", ', 1)
    images = {name: encode_png(scene) for name, scene in (click_scene(number) for number in (84, 85, 86, 87))}
    project, (in_stream, selected, from_table, silent) = make_project(opened, single_task, label_config, images)
    wants_masks, version = single_task == "masks", site._json("GET", f"/api/ml?project={project}")[0]["model_version"]

    retrieve(opened, project, selected)
    (of_selected,) = predictions(opened, selected)
    assert (has_masks(of_selected), of_selected["model_version"]) == (wants_masks, version)

    first, again = (site._json("GET", f"/api/projects/{project}/next") for _ in range(2))  # "Label All Tasks"
    assert first["id"] == in_stream
    assert [has_masks(prediction) for prediction in first["predictions"]] == [wants_masks]
    assert [one["id"] for one in again["predictions"]] == [one["id"] for one in first["predictions"]]

    assert [has_masks(prediction) for prediction in predictions(opened, from_table)] == [wants_masks]

    site._json("PATCH", f"/api/projects/{project}", json={"show_collab_predictions": False})
    assert predictions(opened, silent) == [], "the backend was asked although prelabeling is off"


@pytest.mark.timeout(600)
def test_batch_predictions_are_those_of_preannotate_and_hide_no_earlier_ones(opened: Opened, stage: Stage) -> None:
    site, label_config = opened.site, (ROOT / "label_config.xml").read_text(encoding="utf-8")
    images = {name: encode_png(scene) for name, scene in (click_scene(number) for number in (81, 82, 83))}
    images["blank.png"] = png(640, 480)
    project, (blank, first, second, third) = make_project(opened, "Batch predictions", label_config, images)
    result = old_mask(label_config)
    old = [{"task": task, "result": result, "model_version": "before"} for task in (second, blank)]
    site._json("POST", f"/api/projects/{project}/import/predictions", json=old)

    retrieve(opened, project, first, second, blank)
    of_first, of_second, of_blank = (predictions(opened, task) for task in (first, second, blank))
    assert [has_masks(prediction) for prediction in of_first + of_second] == [True, True, True]
    (version,) = {of_first[-1]["model_version"], of_second[-1]["model_version"]}
    assert "-auto-" in version
    assert [of_second[0]["model_version"], *(prediction["model_version"] for prediction in of_blank)] == ["before"] * 2

    retrieve(opened, project, first, second, blank)
    assert [predictions(opened, task) for task in (first, second, blank)] == [of_first, of_second, of_blank]

    done = subprocess.run(
        [sys.executable, "-m", "scripts.preannotate", "--project", str(project)],
        cwd=ROOT,
        env={**os.environ, **stage.command_environment(opened.token)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, version in done.stdout) == (0, True), done.stdout + done.stderr
    assert [predictions(opened, task) for task in (first, second)] == [of_first, of_second]
    assert [prediction["model_version"] for prediction in predictions(opened, third)][-1] == version
