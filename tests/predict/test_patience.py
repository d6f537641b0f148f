"""The work for a click ends when its client has left or its time is over, between two parts of it."""

from __future__ import annotations

import pytest

from backend.errors import BackendError, ClientDisconnected, Overloaded
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import CorrectableRegion, LabeledPrompt, MaskBoxCache, parse_prompted_task
from backend.predict.correctable_masks import MAX_DECODED, CorrectableMasks
from backend.predict.image_answers import ImageAnswers
from backend.projects import DEFAULTS
from backend.runtime import Deadline
from backend.values import ClassName, Prompt, Size
from tests.fakes import CONFIG, OPTIONS, FakeClassifier, Hall, encoded, keypoint, png, rectangle

PAGE = parse_labeling_config(CONFIG)


def test_boxes_of_a_client_who_leaves_are_not_all_segmented() -> None:
    hall = Hall()
    boxes = [rectangle(10 * number, 10, 8, 8) for number in range(9)]
    _, click = parse_prompted_task({"id": 1, "data": {"photo": "a.png"}}, PAGE, boxes)
    answers = ImageAnswers(hall.predictor.labeler, OPTIONS)
    leaves = Deadline(has_disconnected=lambda: len(hall.segmenter.decoded) == 2)
    with pytest.raises(ClientDisconnected):
        answers.click(encoded(png(40, 30)), click, PAGE.images[0], DEFAULTS, leaves)
    assert len(hall.segmenter.decoded) == 2


def test_the_request_gives_its_patience_to_the_work_in_the_models() -> None:
    hall = Hall()
    task, click = parse_prompted_task(
        {"id": 1, "data": {"photo": "a.png"}}, PAGE, [rectangle(10 * number, 10, 8, 8) for number in range(9)]
    )
    leaves = Deadline(has_disconnected=lambda: len(hall.segmenter.decoded) >= 2)
    with pytest.raises(BackendError):
        hall.predictor.predict(task, PAGE, click, deadline=leaves)
    hall.predictor.executor.run(0, lambda: None)  # the work before it has ended
    hall.predictor.executor.run(0, lambda: None)
    assert len(hall.segmenter.decoded) <= 3


def test_masks_on_the_page_are_not_all_decoded_after_the_deadline() -> None:
    decoded: list[str] = []

    class Region(CorrectableRegion):
        def decode(self, config):
            decoded.append(self.region_id)
            return super().decode(config)

    points = [[0, 0], [100, 0], [100, 10], [0, 10]]
    result = {
        "id": "p", "type": "polygonlabels", "from_name": "p", "to_name": "img",
        "original_width": 40, "original_height": 30, "value": {"points": points, "polygonlabels": ["cat"]},
    }  # fmt: skip
    regions = [Region(f"r{number}", "cat", Size(40, 30), (result | {"id": f"r{number}"},)) for number in range(9)]
    beside = LabeledPrompt(Prompt(((20.0, 4.0),), (1,)), "cat", Size(40, 30))
    boxes = MaskBoxCache()
    assert CorrectableMasks(regions, PAGE.images[0], boxes).find(beside) is not None
    assert len(decoded) == 9  # none of them is on the point
    decoded.clear()
    with pytest.raises(Overloaded):
        CorrectableMasks(regions, PAGE.images[0], boxes, Deadline.after(-1)).find(beside)
    assert decoded == []


def polygon(points: list[list[float]], name: str) -> CorrectableRegion:
    result = {
        "id": name, "type": "polygonlabels", "from_name": "p", "to_name": "img",
        "original_width": 40, "original_height": 30, "value": {"points": points, "polygonlabels": ["cat"]},
    }  # fmt: skip
    return CorrectableRegion(name, "cat", Size(40, 30), (result,))


def test_polygons_far_from_a_click_are_not_drawn_and_of_the_near_ones_only_a_number(monkeypatch) -> None:
    drawn: list[str] = []
    decode = CorrectableRegion.decode
    monkeypatch.setattr(
        CorrectableRegion, "decode", lambda one, config: (drawn.append(one.region_id), decode(one, config))[1]
    )
    click = LabeledPrompt(Prompt(((20.0, 4.0),), (1,)), "cat", Size(40, 30))
    far = [polygon([[0, 80 + n / 100], [10, 80], [10, 90]], f"far {n}") for n in range(300)]
    assert CorrectableMasks(far, PAGE.images[0], MaskBoxCache()).find(click) is None
    assert drawn == []
    near = [polygon([[0, n / 100], [100, 0], [100, 10], [0, 10]], f"near {n}") for n in range(300)]
    assert CorrectableMasks(near, PAGE.images[0], MaskBoxCache()).find(click) is not None
    assert len(drawn) == MAX_DECODED


def test_the_texts_that_a_request_needs_are_encoded_before_its_turn_in_the_models() -> None:
    asked: list[tuple[ClassName, ...]] = []

    class Reader(FakeClassifier):
        def pending_texts(self, names, templates=()):
            asked.append(tuple(name.name for name in names))

    hall = Hall(classifier=Reader())
    hall.document(keypoint(50, 50))
    assert asked == [("black", "white")]
    asked.clear()
    hall.document(keypoint(50, 50, "AUTO"))
    assert asked == [("black", "white"), ("cat", "dog")]
