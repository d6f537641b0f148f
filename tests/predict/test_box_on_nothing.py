"""A box on nothing is refused, or gets no mask among several, and nothing else is."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadPrompt
from backend.geometry import mask_to_box
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_prompted_task
from backend.models import registry
from backend.models.registry import SEGMENTERS
from backend.predict import TaskAnswer
from backend.predict.box_on_nothing import has_object
from backend.projects import DEFAULTS, ProjectSettings
from backend.settings import Settings
from backend.values import Box, Candidate, Prompt
from backend.wiring import build_predictor
from scripts.demo_world.evaluate_empty_boxes import boxes_of
from scripts.demo_world.scenes import HELD_OUT_SEED, make_scene
from tests.fakes import CONFIG, FakeSegmenter, Hall, keypoint, rectangle

MASK = np.zeros((30, 40), bool)
MASK[10:20, 10:20] = True
SURE, UNSURE = 0.1, 0.09
ON_IT, BESIDE_IT, ELSEWHERE = (10, 20, 40, 50), (60, 20, 30, 60), (60, 80, 30, 15)  # in percent: x, y, width, height
REFUSED = ("No object here.", "Draw the box closely around an object, or click it. Ctrl+Z takes the box back.")


class OneObject(FakeSegmenter):
    """SAM that answers everything with one mask, and is sure of it only in one box."""

    def decode(self, embedding: object, prompt: Prompt, **_: object) -> list[Candidate]:
        is_sure = prompt.box_xyxy is None or prompt.box_xyxy[0] < 20
        return [Candidate(MASK, 0.9 if is_sure else UNSURE)]


def ask(hall: Hall, *prompts: dict[str, Any], settings: ProjectSettings = DEFAULTS) -> TaskAnswer:
    config = parse_labeling_config(CONFIG)
    document = {"id": 1, "data": {"photo": "a.png"}}
    task, request = parse_prompted_task(document, config, list(prompts), project_id="3")
    assert request is not None
    return hall.predictor.answer(task, config, request, settings)


def boxes(*places: tuple[int, int, int, int]) -> list[dict[str, Any]]:
    return [rectangle(*place) | {"id": f"box{number}"} for number, place in enumerate(places)]


def masks_of(answer: TaskAnswer) -> int:
    return 0 if answer.document is None else sum(one["type"] == "brushlabels" for one in answer.document["result"])


@pytest.mark.parametrize(
    ("score", "box", "is_object"),
    [
        (SURE, (10, 10, 20, 20), True),
        (UNSURE, (10, 10, 20, 20), False),
        (0.9, (19.5, 0, 40, 11), True),  # cuts the pixel (19, 10)
        (0.9, (20, 0, 40, 30), False),
        (0.9, (0, 20, 40, 30), False),
        (0.9, (-5, -5, 10.5, 10.5), True),
        (0.9, (-5, -5, 10, 10), False),
    ],
)
def test_an_object_in_a_box_has_the_minimum_score_and_a_pixel_in_it(score: float, box: Box, is_object: bool) -> None:
    assert has_object(Candidate(MASK, score), box, SURE) is is_object


def test_an_empty_mask_is_no_object() -> None:
    assert not has_object(Candidate(np.zeros((30, 40), bool), 0.9), (0, 0, 40, 30), SURE)


@pytest.mark.parametrize("places", [(BESIDE_IT,), (BESIDE_IT, ELSEWHERE)])
def test_boxes_on_nothing_are_refused_with_what_to_do(places: tuple[tuple[int, int, int, int], ...]) -> None:
    with pytest.raises(BadPrompt) as refusal:
        ask(Hall(segmenter=OneObject(), min_box_score=SURE), *boxes(*places))
    assert (refusal.value.message, refusal.value.remedy) == REFUSED


def test_among_several_boxes_those_on_nothing_are_counted_and_the_others_get_their_masks() -> None:
    hall = Hall(segmenter=OneObject(), min_box_score=SURE)
    answer = ask(hall, *boxes(BESIDE_IT, ON_IT, ELSEWHERE))
    assert (masks_of(answer), answer.message) == (1, "No object in 2 of 3 places.")
    answer = ask(hall, *boxes(ON_IT))
    assert (masks_of(answer), answer.message) == (1, "")


def test_a_model_without_a_measured_minimum_and_a_project_that_refuses_nothing_answer_every_box() -> None:
    assert masks_of(ask(Hall(segmenter=OneObject()), *boxes(BESIDE_IT))) == 1
    assert masks_of(ask(Hall(segmenter=OneObject(), min_score=0.5), *boxes(BESIDE_IT))) == 1
    hall = Hall(segmenter=OneObject(), min_score=0.5, min_box_score=SURE)
    assert masks_of(ask(hall, *boxes(BESIDE_IT), settings=ProjectSettings(min_score=0.0))) == 1
    with pytest.raises(BadPrompt, match="No object here"):
        ask(hall, *boxes(BESIDE_IT), settings=ProjectSettings(min_score=0.2))
    assert {entry.name for entry in SEGMENTERS.values() if entry.min_box_score} == {"demo"}


def test_a_box_with_a_point_in_it_says_more_than_a_box() -> None:
    """Label Studio sends the point; the box is in the draft."""
    config, (box,) = parse_labeling_config(CONFIG), boxes(BESIDE_IT)
    draft = {"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": [box]}
    document = {"id": 1, "data": {"photo": "a.png"}, "drafts": [draft]}
    task, request = parse_prompted_task(document, config, [keypoint(70, 40)], project_id="3")
    assert request is not None
    segmenter = OneObject()
    assert masks_of(Hall(segmenter=segmenter, min_box_score=SURE).predictor.answer(task, config, request)) == 1


def test_a_refused_click_says_why_although_the_boxes_of_the_draft_are_on_nothing_too() -> None:
    config, (box,) = parse_labeling_config(CONFIG), boxes(BESIDE_IT)
    draft = {"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": [box]}
    document = {"id": 1, "data": {"photo": "a.png"}, "drafts": [draft]}
    task, request = parse_prompted_task(document, config, [keypoint(5, 95, positive=False)], project_id="3")
    assert request is not None
    with pytest.raises(BadPrompt, match="No mask here to take a part from"):
        Hall(segmenter=OneObject(), min_box_score=SURE).predictor.answer(task, config, request)


def test_the_demo_model_refuses_a_box_on_the_background_and_answers_one_around_each_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the minimum that the registry has for it, and through the objects that a server builds."""
    scene = make_scene(HELD_OUT_SEED + 60_000)
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "PNG")
    predictor = build_predictor(Settings(device="cpu", clip_model="none"))
    monkeypatch.setattr(predictor, "fetch_image", lambda *_, **__: SourceImage(file.getvalue()))
    config, (height, width) = parse_labeling_config(CONFIG), scene.pixels.shape[:2]

    def answers(box: Box) -> bool:
        left, top, right, bottom = box
        place = (left / width * 100, top / height * 100, (right - left) / width * 100, (bottom - top) / height * 100)
        drawn = rectangle(*place) | {"original_width": width, "original_height": height}
        task, request = parse_prompted_task({"id": 1, "data": {"photo": "a.png"}}, config, [drawn])
        return predictor.predict(task, config, request) is not None

    assert registry.find_segmenter("demo").min_box_score == SURE
    assert all(answers(mask_to_box(item.mask)) for item in scene.objects)
    empty = [box for kind, box, _ in boxes_of(scene, 0) if kind == "background"]
    assert len(empty) == 10
    for box in empty:
        with pytest.raises(BadPrompt, match="No object here"):
            answers(box)
