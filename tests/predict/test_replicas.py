"""That an answer does not depend on which process gives it: the demo SAM through two predictors."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.label_studio.results import decode_brush
from backend.models.checkpoints import load_into
from backend.models.registry import DEMO_SAM
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Size
from scripts.demo_world.evaluate_sam import corrective_click
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point, make_scene
from tests.fakes import CONFIG, Hall, keypoint

SEEDS = range(HELD_OUT_SEED + 50_000, HELD_OUT_SEED + 50_003)


@pytest.fixture(scope="module")
def segmenter() -> SamSegmenter:
    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    return SamSegmenter(model, device="cpu")


def start_replica(segmenter: SamSegmenter, scene: Scene) -> Hall:
    """A predictor as it is after a start: it has answered nothing yet."""
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
    return Hall(segmenter=segmenter, files={"a.png": file.getvalue()})


def click(scene: Scene, at: tuple[float, float], label: int = 1) -> dict:
    height, width = scene.pixels.shape[:2]
    prompt = keypoint(at[0] / width * 100, at[1] / height * 100, positive=bool(label))
    return prompt | {"original_width": width, "original_height": height}


def answer(hall: Hall, *prompts: dict, accepted: list[dict] | None = None) -> dict:
    document = {"id": 1, "data": {"photo": "a.png"}}
    if accepted:
        document["drafts"] = [{"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": accepted}]
    prediction = hall.task_document(document, CONFIG, list(prompts))
    assert prediction is not None
    return prediction["result"][0]


def decode(region: dict) -> np.ndarray:
    return decode_brush(region["value"]["rle"], Size(region["original_width"], region["original_height"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correction_is_the_same_from_the_replica_that_answered_and_from_one_that_did_not(segmenter, seed) -> None:
    scene, corrected = make_scene(seed), 0
    for item in scene.objects:
        answered = start_replica(segmenter, scene)
        region = answer(answered, click(scene, click_point(item.mask)))
        wrong = decode(region)
        where, label = corrective_click(wrong, item.mask)
        again = [
            answer(hall, click(scene, where, label), accepted=[region])
            for hall in (answered, start_replica(segmenter, scene))
            if label or wrong[int(where[1]), int(where[0])]
        ]
        if len(again) == 2 and again[0]["id"] == region["id"]:
            corrected += 1
            assert again[0]["value"]["rle"] == again[1]["value"]["rle"]
    assert corrected >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sequence_of_clicks_is_answered_alike_after_a_restart(segmenter, seed) -> None:
    scene = make_scene(seed)
    first, second, third = (click_point(item.mask) for item in scene.objects[:3])
    clicks = [
        click(scene, first),
        click(scene, second, 0),
        click(scene, (first[0] + 6, first[1] + 5)),
        click(scene, third, 0),
    ]
    running = start_replica(segmenter, scene)
    for count in range(1, len(clicks) + 1):
        after_restart = answer(start_replica(segmenter, scene), *clicks[:count])
        assert answer(running, *clicks[:count])["value"]["rle"] == after_restart["value"]["rle"]
