"""Real Label Studio, real backend: whoever works on one task finds the next ones warm, pre-annotated ones too."""

from __future__ import annotations

import re
import time

import pytest
import requests

from scripts.demo_circle.circle import SIZE, keypoint
from scripts.demo_circle.places import ROOT
from scripts.demo_circle.stage import Opened
from scripts.demo_circle.targets import click_scene, encode_png, find_targets
from tests.e2e.site import REST_SECONDS

NEXT_TASKS = 3  # PREFETCH_TASKS


def encodings(backend_url: str, opened: Opened) -> int:
    """How many images the backend has encoded so far."""
    metrics = requests.get(f"{backend_url}/metrics", auth=opened.backend_login.pair, timeout=60).text
    found = re.search(r'backend_embeddings_total\{source="computed"\} (\d+)', metrics)
    assert found is not None
    return int(found[1])


def encodings_at_rest(backend_url: str, opened: Opened) -> int:
    """The same when nothing is encoded any more of what earlier tests have opened."""
    count, since = encodings(backend_url, opened), time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        time.sleep(0.2)
        if (now := encodings(backend_url, opened)) != count:
            count, since = now, time.monotonic()
    return count


@pytest.mark.timeout(600)
def test_the_first_clicks_on_the_tasks_that_come_next_encode_nothing(opened: Opened) -> None:
    drawn = dict(click_scene(number) for number in range(70, 80))  # of which no other test has clicked any
    targets = {target.scene: target for target in reversed(find_targets(drawn))}
    site, scenes = opened.site, {name: drawn[name] for name in sorted(targets)[:5]}
    label_config = (ROOT / "label_config.xml").read_text(encoding="utf-8")
    project = site.create_project("Warm before the click", label_config, "")
    tasks = site.upload_images(project, {name: encode_png(scenes[name]) for name in sorted(scenes)})
    predictions = [{"task": task, "result": [], "model_version": "before"} for task in tasks.values()]
    site._json("POST", f"/api/projects/{project}/import/predictions", json=predictions)
    backend_url = next(each["url"] for each in site._json("GET", f"/api/ml?project={opened.click_project}"))
    backend = site.connect_backend(project, backend_url, "SAM + CLIP", opened.backend_login)
    in_order = sorted(scenes, key=lambda name: tasks[name])

    def click(name: str) -> None:
        target = targets[name]
        prompts = keypoint(target.x + 0.5, target.y + 0.5, SIZE, target.colour)
        assert site.predict_interactively(backend, tasks[name], prompts)

    site.task(tasks[in_order[0]])  # a task with predictions: Label Studio tells the backend nothing of its opening
    before = encodings_at_rest(backend_url, opened)
    click(in_order[0])
    end = time.monotonic() + 120
    while encodings(backend_url, opened) < before + 1 + NEXT_TASKS:
        assert time.monotonic() < end, "the tasks that come next were not prepared"
        time.sleep(0.2)
    assert encodings_at_rest(backend_url, opened) == before + 1 + NEXT_TASKS
    click(in_order[1])
    end = time.monotonic() + 120
    while (
        encodings(backend_url, opened) < before + 2 + NEXT_TASKS
    ):  # the click encoded nothing, but brought the fifth in reach
        assert time.monotonic() < end, "the fifth task was not prepared"
        time.sleep(0.2)
    for name in in_order[2:]:
        click(name)
    assert encodings(backend_url, opened) == before + len(scenes)
