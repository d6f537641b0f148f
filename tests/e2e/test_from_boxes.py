"""Rectangles that people drew in the real Label Studio become masks with their labels, each task once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.demo_circle.stage import Opened
from scripts.demo_circle.targets import click_scenes, encode_png
from scripts.preannotate import main as preannotate
from tests.scripts.boxed_scenes import XML, check_masks, rectangles


@pytest.mark.timeout(600)
def test_rectangles_become_masks_with_their_labels_and_other_tasks_are_left_alone(
    opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = click_scenes(3)
    project = opened.site.create_project("Rectangles", XML, "")
    tasks = opened.site.upload_images(project, {name: encode_png(scene) for name, scene in scenes.items()})
    drawn, detected, empty = scenes
    opened.site.annotate(tasks[drawn], rectangles(scenes[drawn]))
    found = {"task": tasks[detected], "model_version": "detector", "result": rectangles(scenes[detected], "p")}
    opened.site.import_predictions(project, [found])

    settings = {"RUNS_DIR": tmp_path, "CLIP_MODEL": "none", "TORCH_THREADS": 1, "REDIS_URL": ""}
    settings |= {"LABEL_STUDIO_URL": opened.site.url, "LABEL_STUDIO_API_KEY": opened.token}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    options = ["--project", str(project), "--from-boxes", "project"]
    assert preannotate(options) == 0
    said = capsys.readouterr().out
    (version,) = re.findall("^Model version (.*)$", said, re.MULTILINE)
    assert "-boxes-" in version and "created 2, skipped 0, failed 0" in said
    assert preannotate(options) == 0
    assert "created 0, skipped 2, failed 0" in capsys.readouterr().out

    for name, note in ((drawn, "from box r0"), (detected, "from box p0")):
        predictions = opened.site.task(tasks[name])["predictions"]
        (masks,) = [one["result"] for one in predictions if one["model_version"] == version]
        check_masks(masks, scenes[name])
        assert masks[0]["meta"]["text"][-1] == note
    assert opened.site.task(tasks[empty])["predictions"] == []
    assert opened.site.project(project)["model_version"] == version
