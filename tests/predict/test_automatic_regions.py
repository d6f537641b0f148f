"""Automatic masks with the labels and classes that the options ask for, in every shape that a config can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from backend.engine import ImageLabeler
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from backend.label_studio.results import LabeledRegion, build_results, parse_regions
from backend.predict.corrected_region import keep_identity
from backend.predict.image_answers import ImageAnswers
from backend.projects import ProjectSettings
from backend.values import ProposalOptions
from tests.fakes import CONFIG, OPTIONS, FakeClassifier, FakeSegmenter, Hall, ScoredClassifier, encoded, keypoint, png

LABELS_ONLY = CONFIG.replace('<Choices name="kind"', '<Choices name="whole"').replace(' perRegion="true"', "")
SEVERAL = CONFIG.replace('perRegion="true"', 'perRegion="true" choice="multiple"')


def answer(scores: Mapping[str, float], options: ProposalOptions, xml: str = LABELS_ONLY) -> list[tuple[str, object]]:
    """Control and value of each result of one of the three masks; [] if all are dropped."""
    document = Hall(classifier=ScoredClassifier(scores)).document(xml=xml, request=SegmentAll(options))
    results = [result for result in (document or {"result": []})["result"] if result["from_name"] != "whole"]
    masks = [result for result in results if result["from_name"] == "b"]
    assert len(masks) in (0, 3)
    return [(result["from_name"], result["value"][result["type"]]) for result in results[: len(results) // 3]]


def test_a_class_has_its_own_threshold_and_the_others_the_common_one() -> None:
    probable = {"cat": 0.55, "dog": 0.45}
    options = replace(OPTIONS, score_threshold=0.5)
    assert answer(probable, options) == [("b", ["cat"])]
    assert answer(probable, replace(options, class_thresholds=(("cat", 0.6),))) == []
    assert answer(probable, replace(options, class_thresholds=(("dog", 0.6),))) == [("b", ["cat"])]
    assert answer(probable, replace(OPTIONS, score_threshold=0.6, class_thresholds=(("cat", 0.5),))) == [("b", ["cat"])]


def test_the_background_is_dropped_or_gets_its_label() -> None:
    probable = {"wall": 0.5, "cat": 0.3, "dog": 0.2}
    options = replace(OPTIONS, background_words=("wall",))
    assert answer(probable, OPTIONS) == [("b", ["cat"])]
    assert answer(probable, options) == []
    assert answer(probable, replace(options, background_label="dog")) == [("b", ["dog"])]
    assert answer({**probable, "cat": 0.6}, options) == [("b", ["cat"])]


def test_the_vocabulary_that_decides_about_a_mask_decides_about_the_background() -> None:
    """The word is more like the object than either of the two labels, which name no thing; the choices do."""
    probable = {"cat": 0.1, "dog": 0.05, "wall": 0.4, "black": 0.45, "white": 0.05}
    options = replace(OPTIONS, background_words=("wall",))
    assert answer(probable, options, CONFIG) == [("b", ["cat"]), ("kind", ["black"])]
    assert answer({**probable, "black": 0.3}, options, CONFIG) == []


def test_a_multiple_choice_gets_every_class_that_reaches_its_threshold() -> None:
    probable = {"cat": 1.0, "black": 0.55, "white": 0.25}
    assert answer(probable, OPTIONS, SEVERAL) == [("b", ["cat"]), ("kind", ["black"])]
    lower = replace(OPTIONS, class_thresholds=(("white", 0.2),))
    assert answer(probable, lower, SEVERAL) == [("b", ["cat"]), ("kind", ["black", "white"])]
    only_white = replace(OPTIONS, score_threshold=0.6, class_thresholds=(("white", 0.2), ("black", 0.6)))
    assert answer(probable, only_white, SEVERAL) == [("b", ["cat"]), ("kind", ["white"])]
    assert answer(probable, replace(OPTIONS, score_threshold=0.6), SEVERAL) == []
    assert answer(probable, lower, CONFIG) == [("b", ["cat"]), ("kind", ["black"])]  # a single choice stays single


SEVERAL_LABELS = LABELS_ONLY.replace('<BrushLabels name="b"', '<BrushLabels name="b" choice="multiple"')
LABELS_APART = """<View><Image name="img" value="$photo"/><Brush name="b" toName="img"/>
<Labels name="what" toName="img" choice="multiple"><Label value="cat"/><Label value="dog"/></Labels></View>"""


def test_labels_of_which_a_region_may_have_several_are_all_that_reach_their_threshold() -> None:
    probable = {"cat": 0.55, "dog": 0.35}
    assert answer(probable, OPTIONS) == [("b", ["cat"])]
    assert answer(probable, OPTIONS, SEVERAL_LABELS) == [("b", ["cat", "dog"])]
    assert answer({"cat": 0.7, "dog": 0.25}, OPTIONS, SEVERAL_LABELS) == [("b", ["cat"])]
    only_dog = replace(OPTIONS, class_thresholds=(("cat", 0.6), ("dog", 0.3)))
    assert answer(probable, only_dog, SEVERAL_LABELS) == [("b", ["dog"])]
    assert answer(probable, replace(OPTIONS, class_thresholds=(("cat", 0.6), ("dog", 0.4))), SEVERAL_LABELS) == []
    document = Hall(classifier=ScoredClassifier(probable)).document(xml=LABELS_APART, request=SegmentAll(OPTIONS))
    labels = [result["value"]["labels"] for result in document["result"] if result["type"] == "labels"]
    assert labels == [["cat", "dog"]] * 3


def test_a_picked_label_stays_the_only_one() -> None:
    hall = Hall(classifier=ScoredClassifier({"cat": 0.5, "dog": 0.5}))
    (brush,) = hall.document(keypoint(50, 50, "dog"), xml=SEVERAL_LABELS)["result"]
    assert brush["value"]["brushlabels"] == ["dog"]
    (brush,) = hall.document(keypoint(50, 50, "AUTO"), xml=SEVERAL_LABELS)["result"]
    assert brush["value"]["brushlabels"] == ["cat", "dog"]


def test_a_corrected_region_keeps_its_further_labels() -> None:
    config, mask = parse_labeling_config(SEVERAL_LABELS).images[0], np.ones((30, 40), bool)
    old = LabeledRegion(mask, "cat", "r1", other_labels=("dog", "gone"), kind="brush")
    again = keep_identity(LabeledRegion(mask, "cat", "r2"), old, config)
    (brush,) = build_results([again], config)
    assert (brush["id"], brush["value"]["brushlabels"]) == ("r1", ["cat", "dog"])
    single = parse_labeling_config(LABELS_ONLY).images[0]
    assert build_results([again], single)[0]["value"]["brushlabels"] == ["cat"]


def test_classes_with_a_threshold_of_their_own_are_chosen_beyond_top_k() -> None:
    names = [f"thing {number}" for number in range(12)]
    choices = "".join(f'<Choice value="{name}"/>' for name in names)
    start, end = SEVERAL.index('<Choice value="black"/>'), SEVERAL.index("</Choices>")
    xml = SEVERAL[:start] + choices + SEVERAL[end:]
    hall = Hall(classifier=ScoredClassifier(dict.fromkeys(names, 1 / 12)))  # whose labeler lists two
    settings = ProjectSettings(choices_threshold=0.08)

    def chosen(*thresholds: tuple[str, float]) -> list[list[str]]:
        request = SegmentAll(replace(OPTIONS, class_thresholds=thresholds))
        results = hall.document(xml=xml, request=request, settings=settings)["result"]
        return [result["value"]["choices"] for result in results if result["from_name"] == "kind"]

    assert chosen() == [names[:2]] * 3
    assert chosen(("thing 0", 0.5), ("thing 7", 0.08)) == [["thing 1", "thing 7"]] * 3
    assert chosen(*((name, 0.08) for name in names)) == [names] * 3


def test_the_labels_of_several_images_in_one_batch_are_those_of_each_image_alone() -> None:
    classifier = FakeClassifier()
    answers = ImageAnswers(ImageLabeler(FakeSegmenter(), classifier, top_k=2), OPTIONS)
    config, settings = parse_labeling_config(CONFIG).images[0], ProjectSettings()
    images = [encoded(png(40, 30)), encoded(png(60, 20))]
    alone = [answers.segment_regions(image, OPTIONS, config, settings) for image in images]
    classifier.calls.clear()
    stages = [(image, answers.segment_candidates(image, OPTIONS, settings)) for image in images]
    cropped = [(found, answers.crop_candidates(image.image, found, config)) for image, found in stages]
    together = answers.label_many(cropped, OPTIONS, config, settings)
    assert classifier.calls == [(6, 2)]
    for one, other in zip(alone, together, strict=True):
        assert [np.packbits(region.mask).tolist() for region in one] == [
            np.packbits(region.mask).tolist() for region in other
        ]
        assert [(r.label, r.score, r.choices, r.class_scores) for r in one] == [
            (r.label, r.score, r.choices, r.class_scores) for r in other
        ]


def config_of(kind: str, extra: str = "") -> str:
    return f"""<View><Image name="img" value="$photo"/><{kind}Labels name="shape" toName="img"><Label value="cat"/>
    <Label value="dog"/></{kind}Labels>{extra}</View>"""


PLAIN_BOXES = '<View><Image name="img" value="$photo"/><Rectangle name="shape" toName="img"/></View>'
BOXES_ONLY = config_of("Rectangle", "<!-- nothing else: its boxes are the answers, though they could be prompts -->")
BRUSH_AND_BOXES = config_of(
    "Rectangle", '<BrushLabels name="paint" toName="img"><Label value="cat"/><Label value="dog"/></BrushLabels>'
)


@pytest.mark.parametrize(
    ("xml", "control", "kind"),
    [
        (config_of("Brush"), "shape", "brushlabels"),
        (config_of("Bitmask"), "shape", "bitmasklabels"),
        (config_of("Polygon"), "shape", "polygonlabels"),
        (config_of("Ellipse"), "shape", "ellipselabels"),
        (BOXES_ONLY, "shape", "rectanglelabels"),
        (PLAIN_BOXES, "shape", "rectangle"),
        (BRUSH_AND_BOXES, "paint", "brushlabels"),
    ],
)
def test_masks_are_answered_in_the_shape_that_the_config_has(xml: str, control: str, kind: str) -> None:
    config = parse_labeling_config(xml)
    document = Hall(classifier=FakeClassifier()).document(xml=xml, request=SegmentAll(OPTIONS))
    assert {(result["from_name"], result["type"]) for result in document["result"]} == {(control, kind)}
    masks = [region.mask for region in parse_regions(document["result"], config.images[0])]
    squares = FakeSegmenter().propose(encoded(png(40, 30)).embedding, None)
    assert len(masks) == len(squares) == 3
    for mask, square in zip(masks, squares, strict=True):
        overlap = np.count_nonzero(mask & square.mask) / np.count_nonzero(mask | square.mask)
        assert overlap >= (0.75 if kind == "ellipselabels" else 1)


def test_boxes_are_the_boxes_of_the_masks_in_percent() -> None:
    document = Hall(classifier=FakeClassifier()).document(xml=BOXES_ONLY, request=SegmentAll(OPTIONS))
    boxes = [{key: result["value"][key] for key in ("x", "y", "width", "height")} for result in document["result"]]
    assert boxes == [
        pytest.approx({"x": 3 / 40 * 100, "y": 3 / 30 * 100, "width": 5 / 40 * 100, "height": 5 / 30 * 100}),
        pytest.approx({"x": 13 / 40 * 100, "y": 3 / 30 * 100, "width": 5 / 40 * 100, "height": 5 / 30 * 100}),
        pytest.approx({"x": 13 / 40 * 100, "y": 13 / 30 * 100, "width": 5 / 40 * 100, "height": 5 / 30 * 100}),
    ]
