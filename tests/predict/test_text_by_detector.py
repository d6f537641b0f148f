"""A text prompt where a detector is loaded: masks of its boxes, with the label and the class of the text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll, parse_task
from backend.label_studio.results import decode_brush
from backend.predict import COMPUTED
from backend.values import Size
from tests.fakes import CONFIG, OPTIONS, FakeClassifier, FakeDetector, Hall

SMALL, LARGE, NEARLY_LARGE = (2.0, 3.0, 12.0, 9.0), (18.0, 8.0, 38.0, 28.0), (18.0, 8.0, 38.0, 27.0)


def named(document: dict[str, Any] | None) -> list[tuple[str, str, float, int]]:
    """Label, class, score and area of each mask of a prediction."""
    assert document is not None
    masks = [one for one in document["result"] if one["type"] == "brushlabels"]
    choices = {one["id"]: one["value"]["choices"] for one in document["result"] if one["type"] == "choices"}
    areas = [int(np.count_nonzero(decode_brush(one["value"]["rle"], Size(40, 30)))) for one in masks]
    return [
        (one["value"]["brushlabels"][0], *choices.get(one["id"], [""]), one["score"], area)
        for one, area in zip(masks, areas, strict=True)
    ]


def test_masks_get_the_label_and_the_class_of_the_text_whatever_clip_sees() -> None:
    detector = FakeDetector({"dog": [(SMALL, 0.6)], "white": [(LARGE, 0.7)]})
    hall = Hall(classifier=FakeClassifier(), detector=detector)  # CLIP picks the first: "cat", "black"
    assert named(hall.document(request=FindText(("the dogs",)))) == [("dog", "black", 0.6, 60)]
    assert named(hall.document(request=FindText(("white",)))) == [("cat", "white", 0.7, 400)]


def test_an_object_that_two_texts_name_belongs_to_the_one_with_the_better_score() -> None:
    detector = FakeDetector({"cat": [(LARGE, 0.5)], "dog": [(NEARLY_LARGE, 0.8), (SMALL, 0.4)]})
    hall = Hall(classifier=FakeClassifier(), detector=detector)
    document = hall.document(request=FindText(("cat", "dog")))
    assert [one[0::2] for one in named(document)] == [("dog", 0.8), ("dog", 0.4)]
    assert detector.calls == [("cat", "dog")]


def test_the_classes_of_the_labeling_config_are_searched_at_once() -> None:
    detector = FakeDetector({"cat": [(LARGE, 0.5)], "dog": [(SMALL, 0.8)], "black": [(LARGE, 0.9)]})
    hall = Hall(detector=detector)
    document = hall.document(request=FindText((), from_labels=True))
    assert named(document) == [("dog", "", 0.8, 60), ("cat", "", 0.5, 400)]
    assert detector.calls == [("cat", "dog")]  # "black" and "white" have no label of their own


def test_without_a_detector_clip_searches_for_the_classes_among_the_automatic_masks() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["dog", "tree", "cat"]))
    document = hall.document(request=FindText((), from_labels=True))
    assert sorted(one[0] for one in named(document)) == ["cat", "dog"]


def test_a_text_without_a_label_needs_clip_to_choose_one() -> None:
    hall = Hall(detector=FakeDetector({"bird": [(SMALL, 0.6)], "cat": [(LARGE, 0.7)]}))
    assert named(hall.document(request=FindText(("cat",)))) == [("cat", "", 0.7, 400)]
    with pytest.raises(BadPrompt, match="CLIP is not loaded, so it cannot choose a label"):
        hall.document(request=FindText(("bird",)))


def test_only_predictions_that_the_detector_made_name_it_in_their_version() -> None:
    hall = Hall(classifier=FakeClassifier(), detector=FakeDetector({"cat": [(SMALL, 0.6)]}))
    text, everything = (hall.document(request=request) for request in (FindText(("cat",)), SegmentAll()))
    assert (text["model_version"], everything["model_version"]) == ("fake-1+seer-1", "fake-1")
    without = Hall(classifier=FakeClassifier(looks=["cat"])).document(request=FindText(("cat",)))
    assert without["model_version"] == "fake-1"


def test_a_bulk_run_predicts_what_the_page_does() -> None:
    detector = FakeDetector({"cat": [(LARGE, 0.5)], "dog": [(SMALL, 0.8)]})
    hall, config = Hall(classifier=FakeClassifier(), detector=detector), parse_labeling_config(CONFIG)
    request, notes = FindText((), from_labels=True), []
    steps = hall.predictor.stages(config, request, note=notes.append)
    work = steps.fetch({"id": 1, "data": {"photo": "a.png"}})
    for step in (steps.decode, steps.encode, steps.segment, steps.crop):
        work = step(work)
    (work,) = steps.classify([work])
    built = steps.build(work)
    task = parse_task({"id": 1, "data": {"photo": "a.png"}}, config, project_id="3")
    assert named(built) == named(hall.predictor.predict(task, config, request))
    assert (built["model_version"], notes) == ("fake-1+seer-1", [COMPUTED])


def test_small_and_surplus_masks_are_dropped_for_each_text() -> None:
    boxes = {"cat": [(LARGE, 0.9), (SMALL, 0.8)], "dog": [((14.0, 1.0, 17.0, 4.0), 0.7), ((1.0, 15.0, 9.0, 29.0), 0.6)]}
    hall = Hall(classifier=FakeClassifier(), detector=FakeDetector(boxes))
    options = replace(OPTIONS, max_masks=1, min_area=20)
    document = hall.document(request=FindText(("cat", "dog"), options))
    assert [one[0::2] for one in named(document)] == [("cat", 0.9), ("dog", 0.6)]
