"""Masks of boxes that exist: labels, scores, choices and notes of their boxes, whatever models are loaded."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from backend.engine import ImageLabeler
from backend.errors import BadConfig, BadDataSet
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig, parse_labeling_config, prefer_shape
from backend.label_studio.requests import BOXES, FindText, FromBoxes, ImageBoxes, LabeledBox, SegmentAll
from backend.label_studio.results import LabeledRegion, build_results
from backend.predict import NO_MASK, OUTSIDE, build_version, is_bulk_version
from backend.predict.box_masks import check_box_size, masks_of_boxes
from backend.predict.bulk_version import with_options
from backend.predict.image_answers import ImageAnswers
from backend.projects import DEFAULTS, ProjectSettings
from backend.values import Box, Candidate, Size
from tests.fakes import CONFIG, OPTIONS, FakeClassifier, FakeSegmenter, Hall, encoded, png

PAGE = parse_labeling_config(CONFIG)  # 40 x 30 pixels below
BOXES_FIRST = parse_labeling_config(
    """<View><Image name="img" value="$photo"/>
<RectangleLabels name="r" toName="img" smart="false"><Label value="cat"/></RectangleLabels>
<PolygonLabels name="p" toName="img"><Label value="cat"/></PolygonLabels>
<EllipseLabels name="e" toName="img"><Label value="dog"/></EllipseLabels></View>"""
)


class Segmenter(FakeSegmenter):
    """Finds nothing in boxes that start at 7, and counts its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def decode_many(self, embedding: Any, prompts: Any) -> list[Candidate]:
        self.batches.append(len(prompts))
        candidates = super().decode_many(embedding, prompts)
        for candidate, prompt in zip(candidates, prompts, strict=True):
            candidate.mask[:] &= prompt.box_xyxy[0] != 7
        return candidates


def regions_of(
    *boxes: LabeledBox,
    config: LabelingConfig = PAGE,
    classifier: FakeClassifier | None = None,
    segmenter: FakeSegmenter | None = None,
    settings: ProjectSettings = DEFAULTS,
    lost: list[str] | None = None,
) -> list[LabeledRegion]:
    labeler = ImageLabeler(segmenter or Segmenter(), classifier)
    note = (lost if lost is not None else []).append
    image = config.images[0]
    return masks_of_boxes(labeler, encoded(png(40, 30)), ImageBoxes(boxes), image, settings, note)


def box(left: float, top: float, right: float, bottom: float, label: str = "cat", **more: Any) -> LabeledBox:
    return LabeledBox((left, top, right, bottom), label, **more)


def bounds(region: LabeledRegion) -> Box:
    ys, xs = region.mask.nonzero()
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def test_each_box_becomes_a_mask_with_its_label_in_one_batch_and_in_order_without_clip() -> None:
    segmenter = Segmenter()
    regions = regions_of(box(1, 2, 9, 8, "dog"), box(10, 2, 20, 9), box(3, 3, 30, 30, "dog"), segmenter=segmenter)
    assert [region.label for region in regions] == ["dog", "cat", "dog"]
    assert [bounds(region) for region in regions] == [(1, 2, 9, 8), (10, 2, 20, 9), (3, 3, 30, 30)]
    assert [region.score for region in regions] == [0.9] * 3
    assert segmenter.batches == [3]
    assert len({region.region_id for region in regions}) == 3


def test_a_box_over_the_edge_is_clipped_and_boxes_without_a_mask_are_counted() -> None:
    lost, segmenter = list[str](), Segmenter()
    given = [box(-5, 20, 12, 99), box(40, 0, 50, 9), box(7, 1, 9, 9), box(0, 0, 5, 5)]
    regions = regions_of(*given, lost=lost, segmenter=segmenter)
    assert [bounds(region) for region in regions] == [(0, 20, 12, 30), (0, 0, 5, 5)]
    assert segmenter.decoded[0].box_xyxy == (0.0, 20.0, 12.0, 30.0)
    assert sorted(lost) == sorted([OUTSIDE, NO_MASK])


def test_parts_of_a_mask_outside_its_box_are_removed() -> None:
    class Spilling(FakeSegmenter):
        def decode_many(self, embedding: Any, prompts: Any) -> list[Candidate]:
            candidates = super().decode_many(embedding, prompts)
            for candidate in candidates:
                candidate.mask[20:30, 30:40] = True
            return candidates

    (region,) = regions_of(box(1, 2, 9, 8), segmenter=Spilling())
    assert bounds(region) == (1, 2, 9, 8)


def test_the_detectors_score_is_the_class_score_and_the_score_is_sams() -> None:
    settings = ProjectSettings(class_probabilities=True)
    (scored, drawn) = regions_of(box(1, 2, 9, 8, score=0.375), box(1, 2, 9, 8), settings=settings)
    assert (scored.score, scored.notes, scored.class_scores[0].score) == (0.9, ("cat 0.38",), 0.375)
    assert (drawn.score, drawn.notes, drawn.class_scores) == (0.9, (), ())


def test_for_review_the_trust_counts_the_detectors_score() -> None:
    answers = ImageAnswers(ImageLabeler(FakeSegmenter(), None), OPTIONS)
    given = ImageBoxes((box(1, 2, 9, 8, score=0.5), box(1, 2, 9, 8)))
    image, page = encoded(png(40, 30)), PAGE.images[0]

    def scores(review: bool) -> list[float | None]:
        answer = answers.segment_boxes(image, FromBoxes({}, review), given, page, DEFAULTS, lambda _: None)
        return [region.score for region in answer.regions]

    trusted, drawn = scores(True)
    assert trusted is not None and drawn is not None
    assert trusted == pytest.approx(drawn / 2) and drawn != 0.9
    assert scores(False) == [0.9, 0.9]


def test_what_a_person_chose_for_the_rectangle_wins_over_clip_and_its_id_is_noted() -> None:
    chosen = {"kind": ("white", "purple"), "gone": ("x",)}
    given = [box(1, 2, 9, 8, choices=chosen, region_id="aB3dE"), box(1, 2, 9, 8)]
    first, second = regions_of(*given, classifier=FakeClassifier())
    assert (first.choices, second.choices) == ({"kind": ("white",)}, {"kind": ("black",)})
    assert first.notes[-1] == "from box aB3dE" and "from box" not in " ".join(second.notes)
    without_clip = regions_of(*given)
    assert [region.choices for region in without_clip] == [{"kind": ("white",)}, {}]
    shape = build_results(without_clip, PAGE.images[0])[0]
    assert shape["meta"] == {"text": ["from box aB3dE"]} and shape["type"] == "brushlabels"


def test_masks_go_to_a_control_that_holds_outlines_although_rectangles_come_first() -> None:
    rectangles = prefer_shape(BOXES_FIRST, "rectangle")
    assert [control.kind for control in rectangles.images[0].answers] == ["rectangle", "polygon", "ellipse"]
    (region,) = regions_of(box(1, 2, 9, 8), config=rectangles)
    assert [result["type"] for result in build_results([region], rectangles.images[0])] == ["polygonlabels"]
    with pytest.raises(BadConfig, match="No control for masks of the image \"img\" has the label 'dog'") as refused:
        regions_of(box(1, 2, 9, 8, "dog"), config=rectangles)
    assert "PolygonLabels" in refused.value.remedy


def test_boxes_of_an_image_of_another_size_are_refused() -> None:
    image = SourceImage(png(40, 30), "a.png")
    check_box_size(ImageBoxes(()), image)
    check_box_size(ImageBoxes((), Size(40, 30)), image)
    with pytest.raises(BadDataSet, match=r"The boxes are of an image of 80x60 pixels, but a\.png is 40x30") as refused:
        check_box_size(ImageBoxes((), Size(80, 60)), image)
    assert "resized or turned" in refused.value.remedy


def test_the_version_says_boxes_and_differs_for_other_files_options_and_requests() -> None:
    def version(request: Any) -> str:
        return build_version("demo-1", PAGE, request, DEFAULTS)

    first = version(FromBoxes({"file": "0a1b2c3d"}))
    others = [
        FromBoxes({"file": "0a1b2c3e"}),
        FromBoxes({"file": "0a1b2c3d", "min_score": 0.3}),
        FromBoxes({"file": "0a1b2c3d"}, review=True),
        FromBoxes({"project": ""}),
        FromBoxes({"project": "detector"}),
        SegmentAll(OPTIONS),
        FindText(("cat",), OPTIONS),
    ]
    versions = {first, *map(version, others)}
    assert len(versions) == 8 and all(map(is_bulk_version, versions))
    assert first == version(FromBoxes({"file": "0a1b2c3d"})) and first.startswith("demo-1-boxes-")
    assert "-boxes-" not in version(SegmentAll(OPTIONS)) and not is_bulk_version("demo-1-boxes-xyz")


def test_options_of_automatic_masks_do_not_concern_boxes() -> None:
    request = FromBoxes({"project": ""})
    assert with_options(request, OPTIONS) is request
    assert with_options(SegmentAll(), OPTIONS) == SegmentAll(OPTIONS)


TWO_IMAGES = """<View><Image name="a" value="$a"/><Image name="b" value="$b"/>
<BrushLabels name="first" toName="a"><Label value="cat"/></BrushLabels>
<BrushLabels name="second" toName="b"><Label value="cat"/></BrushLabels>
<Choices name="place" toName="b"><Choice value="indoor"/><Choice value="outdoor"/></Choices></View>"""


def run_steps(hall: Hall, document: dict[str, Any]) -> dict[str, Any]:
    """The steps of a bulk run one after the other, as its threads do them."""
    steps = hall.predictor.stages(parse_labeling_config(TWO_IMAGES), FromBoxes({}), project_id="3")
    work = steps.crop(steps.segment(steps.encode(steps.decode(steps.fetch(document)))))
    return steps.build(*steps.classify([work]))


def test_only_images_with_boxes_are_fetched_and_encoded_once_through_the_cache() -> None:
    hall = Hall(files={"1.png": png(40, 30), "2.png": png(30, 40)}, classifier=FakeClassifier())
    drawn = {"b": ImageBoxes((box(1, 2, 9, 8), box(3, 3, 9, 9)), Size(30, 40))}
    document = {"id": 7, "data": {"a": "1.png", "b": "2.png"}, BOXES: drawn}
    for _ in range(2):
        prediction = run_steps(hall, pickle.loads(pickle.dumps(document)))
        assert [(one["from_name"], one["to_name"]) for one in prediction["result"]] == [("second", "b")] * 2
        assert prediction["score"] == pytest.approx(0.9)
    assert {uri for uri, *_ in hall.fetcher.fetched} == {"2.png"}
    assert hall.segmenter.encoded == [(40, 30, 3)]


def test_a_task_whose_boxes_are_of_another_size_fails_before_its_image_is_encoded() -> None:
    hall = Hall(files={"1.png": png(40, 30)})
    document = {"id": 7, "data": {"a": "1.png"}, BOXES: {"a": ImageBoxes((box(1, 2, 9, 8),), Size(80, 60))}}
    with pytest.raises(BadDataSet, match="The boxes are of an image of 80x60 pixels"):
        run_steps(hall, document)
    assert hall.segmenter.encoded == []


def test_a_task_without_a_mask_gets_the_prediction_of_any_empty_one() -> None:
    hall = Hall(files={"1.png": png(40, 30)}, segmenter=Segmenter())
    document = {"id": 7, "data": {"a": "1.png"}, BOXES: {"a": ImageBoxes((box(7, 2, 9, 8),))}}
    assert run_steps(hall, document) == {"result": [], "score": 0.0}
