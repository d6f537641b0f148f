"""A click on nothing is refused, and nothing else is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadPrompt
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_prompted_task
from backend.predict.click_on_nothing import check_object
from backend.projects import ProjectSettings
from backend.settings import Settings
from backend.values import Candidate, Prompt
from backend.wiring import build_predictor
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene
from tests.fakes import CONFIG, FakeSegmenter, Hall, keypoint, rectangle

CELLS = 16  # of 160 pixels: a cell is 10 pixels wide
MASK = np.zeros((120, 160), bool)
MASK[40:60, 40:60] = True


def candidate(score: float = 0.9, *, logits: np.ndarray | None = None) -> Candidate:
    return Candidate(MASK, score, np.zeros((1, CELLS, CELLS), np.float32) if logits is None else logits)


def click(x: float, y: float) -> Prompt:
    return Prompt(((x, y),), (1,))


def is_refused(found: Candidate, prompt: Prompt, min_score: float = 0.5) -> bool:
    try:
        check_object(found, prompt, min_score)
    except BadPrompt as error:
        assert error.message == "No object here."
        assert error.remedy.endswith("Ctrl+Z takes the point back.")
        return True
    return False


def test_a_click_that_the_mask_reaches_within_one_cell_of_sams_is_on_an_object() -> None:
    for x, refused in ((50.5, False), (60.5, False), (69.5, False), (70.5, True), (120.5, True)):
        assert is_refused(candidate(), click(x, 50.5)) is refused, x


def test_a_click_of_which_sam_is_less_sure_than_the_minimum_is_on_nothing() -> None:
    assert [is_refused(candidate(score), click(50, 50)) for score in (0.49, 0.5)] == [True, False]
    assert is_refused(candidate(0.49), click(50, 50), 0.4) is False


def test_zero_answers_every_click() -> None:
    assert not is_refused(candidate(-0.1), click(150, 100), 0.0)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(((150, 100), (1, 1)), (1, 0)),
        Prompt(((150, 100),), (1,), (0, 0, 10, 10)),
        Prompt(((150, 100),), (1,), None, np.zeros((1, 4, 4), np.float32)),
        Prompt(box_xyxy=(0, 0, 10, 10)),
    ],
)
def test_what_is_more_than_one_click_is_answered(prompt: Prompt) -> None:
    assert not is_refused(candidate(0.1), prompt)


def test_the_project_decides_before_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        FakeSegmenter, "decode", lambda self, embedding, prompt, **_: [Candidate(np.ones((30, 40), bool), 0.4)]
    )
    hall = Hall(min_score=0.5)
    document = {"id": 1, "data": {"photo": "a.png"}}
    with pytest.raises(BadPrompt, match="No object here"):
        hall.task_document(document, CONFIG, [keypoint(50, 50)])
    for lower in (0.0, 0.3):
        answered = hall.task_document(document, CONFIG, [keypoint(50, 50)], settings=ProjectSettings(min_score=lower))
        assert answered is not None
    with pytest.raises(BadPrompt, match="No object here"):
        Hall().task_document(document, CONFIG, [keypoint(50, 50)], settings=ProjectSettings(min_score=0.5))


def test_boxes_corrections_and_repeated_clicks_are_never_clicks_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        FakeSegmenter, "decode", lambda self, embedding, prompt, **_: [Candidate(np.ones((30, 40), bool), 0.1)]
    )
    hall = Hall(min_score=0.5)
    document = {"id": 1, "data": {"photo": "a.png"}}
    for prompts in ([rectangle(10, 10, 30, 30)], [keypoint(50, 50), keypoint(50, 50)]):
        assert hall.task_document(document, CONFIG, prompts) is not None


def test_a_point_on_nothing_does_not_count_with_the_next_click() -> None:
    """SAM finds a square around each point; of the first point it is not sure."""
    asked = []

    def decode(_: FakeSegmenter, __: object, prompt: Prompt, **___: object) -> list[Candidate]:
        asked.append(prompt.point_coords)
        x, y = (int(at) for at in prompt.point_coords[-1])
        mask = np.zeros((30, 40), bool)
        mask[y - 3 : y + 4, x - 3 : x + 4] = True
        return [Candidate(mask, 0.2 if prompt.point_coords == ((8.0, 9.0),) else 0.9)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeSegmenter, "decode", decode)
        hall, document = Hall(min_score=0.5), {"id": 1, "data": {"photo": "a.png"}}
        points = [keypoint(20, 30), keypoint(75, 50)]
        with pytest.raises(BadPrompt, match="No object here"):
            hall.task_document(document, CONFIG, points[:1])
        both = hall.task_document(document, CONFIG, points)
        assert asked == [((8.0, 9.0),), ((30.0, 15.0),)]  # the first point was decoded once and never with the other
        alone = Hall(min_score=0.5).task_document(document, CONFIG, points[1:])
        replica = Hall(min_score=0.5).task_document(document, CONFIG, points)
    rles = [answer["result"][0]["value"]["rle"] for answer in (both, alone, replica)]
    assert rles[0] == rles[1] == rles[2]


def test_the_demo_model_refuses_a_click_on_the_background_and_answers_one_on_each_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the threshold that the registry has for it, and through the objects that a server builds."""
    scene = make_scene(HELD_OUT_SEED + 60_000)
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "PNG")
    predictor = build_predictor(Settings(device="cpu", clip_model="none"))
    monkeypatch.setattr(predictor, "fetch_image", lambda *_, **__: SourceImage(file.getvalue()))
    config = parse_labeling_config(CONFIG)

    def answers(pixel: tuple[float, float]) -> bool:
        x, y = ((at + 0.5) / side * 100 for at, side in zip(pixel, (scene.size.width, scene.size.height), strict=True))
        prompt = keypoint(x, y, size=(scene.size.width, scene.size.height))
        task, request = parse_prompted_task({"id": 1, "data": {"photo": "a.png"}}, config, [prompt])
        return predictor.predict(task, config, request) is not None

    assert all(answers(click_point(item.mask)) for item in scene.objects)
    with pytest.raises(BadPrompt, match="No object here"):
        answers(click_point(~np.logical_or.reduce([item.mask for item in scene.objects])))
