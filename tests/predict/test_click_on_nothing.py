"""A click on nothing is refused, and nothing else is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.engine import ImageLabeler
from backend.errors import BadPrompt
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_prompted_task
from backend.predict.click_on_nothing import ClicksOnNothing, ObjectAtClick, find_object
from backend.projects import ProjectSettings
from backend.settings import Settings
from backend.values import Candidate, Prompt
from backend.wiring import build_predictor
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene
from tests.fakes import CONFIG, FakeSegmenter, Hall, encoded, keypoint, rectangle

CELLS = 16  # of 160 pixels: a cell is 10 pixels wide
MASK = np.zeros((120, 160), bool)
MASK[40:60, 40:60] = True


IMAGE = io.BytesIO()
Image.fromarray(np.zeros((120, 160, 3), np.uint8)).save(IMAGE, "PNG")
AWAY = np.zeros((120, 160), bool)
AWAY[100:, 140:] = True


def candidate(score: float = 0.9, mask: np.ndarray = MASK) -> Candidate:
    return Candidate(mask, score, np.zeros((1, CELLS, CELLS), np.float32))


class Places(FakeSegmenter):
    """A segmenter with answers at some places, and `elsewhere` at all others."""

    def __init__(self, elsewhere: Candidate, answers: dict[tuple[float, float], Candidate] | None = None) -> None:
        super().__init__()
        self._elsewhere, self._answers, self.asked = elsewhere, answers or {}, []

    def decode(self, embedding: object, prompt: Prompt, **_: object) -> list[Candidate]:
        self.asked.append(prompt.point_coords[0])
        return [self._answers.get(prompt.point_coords[0], self._elsewhere)]


def find(segmenter: FakeSegmenter, x: float, y: float, min_score: float = 0.5) -> ObjectAtClick | None:
    return find_object(ImageLabeler(segmenter, None), encoded(IMAGE.getvalue()), (x, y), min_score)


def test_a_click_that_the_mask_reaches_within_little_more_than_one_cell_of_sams_is_on_an_object() -> None:
    """The mask ends at column 59, and 1.2 cells are 12 pixels; from the places around SAM is not sure."""
    for x, refused in ((50.5, False), (60.5, False), (71.5, False), (72.5, True), (120.5, True)):
        assert (find(Places(candidate(0.0), {(x, 50.5): candidate()}), x, 50.5) is None) is refused, x


def test_a_mask_that_contains_the_click_needs_a_tenth_of_the_minimum_and_one_beside_it_all_of_it() -> None:
    for x, score, refused in ((50, 0.049, True), (50, 0.05, False), (62, 0.49, True), (62, 0.5, False)):
        assert (find(Places(candidate(0.0), {(x, 50): candidate(score)}), x, 50) is None) is refused


def test_a_click_at_which_sam_answers_with_something_else_is_answered_from_a_place_beside_it() -> None:
    """Four places at 1.2 cells; the surest of those whose mask reaches the click within one cell is taken."""
    segmenter = Places(candidate(0.9, AWAY), {(53, 50): candidate(0.3), (65, 62): candidate(0.31)})
    found = find(segmenter, 65, 50)
    assert found is not None and found.place == (65, 62) and found.candidate.score == 0.31
    assert segmenter.asked == [(65, 50), (77, 50), (53, 50), (65, 62), (65, 38)]
    assert find(Places(candidate(0.9, AWAY), {(53, 50): candidate(0.29)}), 65, 50) is None  # 0.6 of 0.5
    assert find(Places(candidate(0.9, AWAY), {(60, 50): candidate()}), 72, 50) is None  # 13 pixels from the mask


def test_no_place_outside_of_the_image_is_asked() -> None:
    segmenter = Places(candidate(0.0, AWAY))
    assert find(segmenter, 1, 119) is None
    assert segmenter.asked == [(1, 119), (13, 119), (1, 107)]


def test_zero_answers_every_click() -> None:
    click, labeler = Prompt(((150, 100),), (1,)), ImageLabeler(Places(candidate(-0.1)), None)
    assert ClicksOnNothing().answer(labeler, encoded(IMAGE.getvalue()), click, 0.0).candidate.score == -0.1


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(((65, 50), (1, 1)), (0, 1)),
        Prompt(((65, 50), (1, 1)), (1, 1), (0, 0, 10, 10)),
        Prompt(box_xyxy=(0, 0, 10, 10)),
    ],
)
def test_boxes_and_first_points_on_the_background_go_to_sam_as_they_are(prompt: Prompt) -> None:
    segmenter = Places(candidate(0.0, AWAY))
    asked = ClicksOnNothing().settle(ImageLabeler(segmenter, None), encoded(IMAGE.getvalue()), prompt, 0.5)
    assert asked == (prompt, False) and segmenter.asked == []


def test_with_the_next_click_the_place_beside_the_first_one_comes_first_and_both_clicks_stay() -> None:
    segmenter = Places(candidate(0.9, AWAY), {(53, 50): candidate()})
    labeler, image, clicks = ImageLabeler(segmenter, None), encoded(IMAGE.getvalue()), ClicksOnNothing()
    two = Prompt(((65, 50), (45, 45)), (1, 0))
    wanted = Prompt(((53, 50), (65, 50), (45, 45)), (1, 1, 0)), False
    assert clicks.settle(labeler, image, two, 0.5) == wanted
    count = len(segmenter.asked)
    assert clicks.settle(labeler, image, two, 0.5) == wanted and len(segmenter.asked) == count  # the place is kept


def test_the_project_decides_before_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        FakeSegmenter, "decode", lambda self, embedding, prompt, **_: [Candidate(np.ones((30, 40), bool), 0.04)]
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
        FakeSegmenter, "decode", lambda self, embedding, prompt, **_: [Candidate(np.ones((30, 40), bool), 0.01)]
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
        return [Candidate(mask, 0.02 if prompt.point_coords == ((8.0, 9.0),) else 0.9)]

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
