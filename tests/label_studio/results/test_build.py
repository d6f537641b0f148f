"""What is written as results is read back the same; what people saved in a browser is read too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface

from backend.errors import BadConfig, BadRegion, BadRle
from backend.geometry import mask_iou
from backend.label_studio.config import ImageConfig, parse_labeling_config, prefer_shape
from backend.label_studio.results import (
    EMPTY_ANSWER,
    LabeledRegion,
    build_prediction,
    build_results,
    build_value,
    find_regions,
    new_region_id,
    parse_image_choices,
    parse_regions,
)
from backend.values import ClassScore, Mask
from tests.recorded import load_payload

CONFIG = parse_labeling_config(load_payload("setup")["schema"]).images[0]
masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
choices = st.lists(st.sampled_from(["Red", "Blue", "Green"]), min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def regions(draw: st.DrawFn) -> LabeledRegion:
    return LabeledRegion(
        mask=draw(masks),
        label=draw(st.sampled_from(["Cat", "Dog", "Bird"])),
        region_id=new_region_id(),
        score=draw(st.none() | st.floats(0, 1)),
        choices=draw(st.just({}) | choices.map(lambda chosen: {"pclass": chosen})),
    )


def same(left: LabeledRegion, right: LabeledRegion) -> bool:
    return (
        np.array_equal(left.mask, right.mask)
        and (left.label, left.region_id, left.score) == (right.label, right.region_id, right.score)
        and dict(left.choices) == dict(right.choices)
    )


def square() -> Mask:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    return mask


@given(st.lists(regions(), max_size=4), st.booleans())
@settings(deadline=None)
def test_regions_come_back_as_they_were_written(written: list[LabeledRegion], with_class: bool) -> None:
    image_choices = {"iclass": ("Outdoor",)} if with_class else {}
    results = build_results(written, CONFIG, image_choices)
    read = parse_regions(results, CONFIG)
    assert len(read) == len(written)
    assert all(same(left, right) for left, right in zip(read, written, strict=True))
    assert parse_image_choices(results, CONFIG) == ({"iclass": ("Outdoor",)} if with_class else {})


EVERYTHING = """<View><Image name="i" value="$i"/>{shape}
<Choices name="kind" toName="i" perRegion="true" choice="multiple"><Choice value="x"/><Choice value="y"/></Choices>
<Taxonomy name="tree" toName="i" perRegion="true"><Choice value="a / b"><Choice value="c"/></Choice></Taxonomy>
<Number name="score" toName="i" perRegion="true" max="100" step="5"/>
<TextArea name="class_score" toName="i" perRegion="true"/></View>"""
WITHIN = '<{kind}Labels name="s" toName="i" smart="false"><Label value="Cat"/><Label value="Dog"/></{kind}Labels>'
APART = """<{kind} name="s" toName="i" smart="false"/><Labels name="l" toName="i"><Label value="Cat"/></Labels>
<Labels name="m" toName="i"><Label value="Dog"/></Labels>"""
UNLABELED = '<{kind} name="s" toName="i" smart="false"/>'


@pytest.mark.parametrize("kind", ["Brush", "Bitmask", "Polygon", "Rectangle", "Ellipse"])
@pytest.mark.parametrize("template", [WITHIN, APART, UNLABELED], ids=["within", "apart", "unlabeled"])
@given(
    box=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 6), st.integers(1, 6)),
    label=st.sampled_from(["Cat", "Dog"]),
    score=st.none() | st.floats(0, 1),
    chosen=st.sampled_from([(), ("x",), ("y", "x")]),
)
@settings(deadline=None, max_examples=15)
def test_every_kind_of_answer_is_read_as_it_was_written(
    kind: str, template: str, box: tuple[int, ...], label: str, score: float | None, chosen: tuple[str, ...]
) -> None:
    xml = EVERYTHING.format(shape=template.format(kind=kind))
    config = parse_labeling_config(xml).images[0]
    x, y, width, height = box
    mask = np.zeros((12, 12), bool)
    mask[y : y + height, x : x + width] = True
    label = "" if template == UNLABELED else label
    tree = {"tree": ("a / b / c",)}
    written = LabeledRegion(
        mask, label, new_region_id(), score, tree | ({"kind": chosen} if chosen else {}), control="s"
    )
    results = json.loads(json.dumps(build_results([written], config)))
    (read,) = parse_regions(results, config)
    assert (read.label, read.region_id, read.score, read.control) == (label, written.region_id, score, "s")
    assert dict(read.choices) == dict(written.choices)
    assert np.array_equal(read.mask, mask) if kind != "Ellipse" else mask_iou(read.mask, mask) > 0.5
    assert LabelInterface(xml).validate_prediction({"result": results}, return_errors=True) == []


def test_a_plain_shape_its_label_its_classes_and_its_scores_follow_each_other() -> None:
    config = parse_labeling_config(EVERYTHING.format(shape=APART.format(kind="Polygon"))).images[0]
    classes = (ClassScore("x", 0.25), ClassScore("y", 0.2))
    region = LabeledRegion(square(), "Dog", "r1", 0.83, {"tree": ("a / b / c",), "kind": ("x", "y")}, classes)
    polygon, labels, kind, tree, score, class_score = build_results([region], config)
    assert (polygon["type"], polygon["from_name"], polygon["score"]) == ("polygon", "s", 0.83)
    assert (labels["type"], labels["from_name"]) == ("labels", "m")
    assert labels["value"] == polygon["value"] | {"labels": ["Dog"]}
    assert (kind["type"], kind["value"]) == ("choices", {"choices": ["x", "y"]})
    assert (tree["type"], tree["value"]) == ("taxonomy", {"taxonomy": [["a / b", "c"]]})
    assert (score["type"], score["value"]) == ("number", {"number": 85})  # 83 of 100 in steps of 5
    assert (class_score["type"], class_score["value"]) == ("textarea", {"text": ["0.250"]})
    assert {result["id"] for result in (polygon, labels, kind, tree, score, class_score)} == {"r1"}


def test_a_region_without_scores_shows_none() -> None:
    config = parse_labeling_config(EVERYTHING.format(shape=WITHIN.format(kind="Brush"))).images[0]
    assert [result["type"] for result in build_results([LabeledRegion(square(), "Dog", "r1")], config)] == [
        "brushlabels"
    ]


def test_an_empty_mask_is_no_polygon_and_leaves_nothing_behind() -> None:
    config = parse_labeling_config(EVERYTHING.format(shape=WITHIN.format(kind="Polygon"))).images[0]
    empty = LabeledRegion(np.zeros((4, 6), bool), "Dog", "r1", 0.5, {"kind": ("x",)})
    assert build_results([empty], config) == []


def test_the_tolerance_is_the_polygons() -> None:
    config = parse_labeling_config(EVERYTHING.format(shape=WITHIN.format(kind="Polygon"))).images[0]
    rows, columns = np.indices((60, 60))
    region = LabeledRegion((rows - 30) ** 2 + (columns - 30) ** 2 < 400, "Dog", "r1")
    fine, coarse = (
        len(build_results([region], config, tolerance=tolerance)[0]["value"]["points"]) for tolerance in (0.5, 4)
    )
    assert coarse < fine


def test_what_is_on_another_image_of_the_page_is_passed_over() -> None:
    two = """<View><Image name="i" value="$i"/><Image name="j" value="$j"/>
<BrushLabels name="b" toName="i"><Label value="Dog"/></BrushLabels>
<BrushLabels name="c" toName="j"><Label value="Dog"/></BrushLabels>
<Choices name="k" toName="i"><Choice value="x"/></Choices><Choices name="l" toName="j"><Choice value="x"/></Choices>
</View>"""
    page = parse_labeling_config(two)
    config, other = page.image("i"), page.image("j")
    results = [
        *build_results([LabeledRegion(square(), "Dog", "r1")], config, {"k": ("x",)}),
        *build_results([LabeledRegion(square(), "Dog", "r2")], other, {"l": ("x",)}),
    ]
    assert [result["to_name"] for result in results] == ["i", "i", "j", "j"]
    assert [region.region_id for region in parse_regions(results, config)] == ["r1"]
    assert [region.region_id for region in parse_regions(results, other)] == ["r2"]
    assert parse_image_choices(results, config) == {"k": ("x",)}
    assert parse_image_choices(results, other) == {"l": ("x",)}


def test_an_unaccepted_smart_rectangle_is_no_region_and_an_answer_in_its_control_is() -> None:
    shapes = WITHIN.format(kind="Brush") + '<RectangleLabels name="r" toName="i"><Label value="Dog"/></RectangleLabels>'
    page = parse_labeling_config(EVERYTHING.format(shape=shapes))
    preferred = prefer_shape(page, "rectangle").images[0]
    (answer,) = build_results([LabeledRegion(square(), "Dog", new_region_id())], preferred)
    prompt = answer | {"id": "aB3dE6gH9j"}
    (region,) = parse_regions([prompt, answer], page.images[0])
    assert (answer["type"], region.region_id) == ("rectanglelabels", answer["id"])


def test_a_region_is_a_brush_and_then_its_choices_with_the_same_id(config: ImageConfig) -> None:
    region = LabeledRegion(square(), "Dog", "r1", 0.83, {"pclass": ("Red",)})
    brush, choice = build_results([region], config)
    rle = brush["value"].pop("rle")
    assert brush == {
        "id": "r1", "type": "brushlabels", "from_name": "brush", "to_name": "image", "original_width": 6,
        "original_height": 4, "image_rotation": 0, "score": 0.83, "value": {"format": "rle", "brushlabels": ["Dog"]},
    }  # fmt: skip
    assert np.array_equal(decode_rle(rle).reshape(4, 6, 4)[:, :, 0] == 255, square())
    assert choice == {
        "id": "r1", "type": "choices", "from_name": "pclass", "to_name": "image", "value": {"choices": ["Red"]}
    }  # fmt: skip


def test_choices_for_controls_that_the_config_has_not_got_are_not_written() -> None:
    brush = '<BrushLabels name="b" toName="i"><Label value="Dog"/></BrushLabels>'
    config = parse_labeling_config(f'<View><Image name="i" value="$image"/>{brush}</View>').images[0]
    region = LabeledRegion(square(), "Dog", "r1", choices={"pclass": ("Red",)})
    results = build_results([region], config, {"iclass": ("Indoor",)})
    assert [result["type"] for result in results] == ["brushlabels"]
    assert "score" not in results[0]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (LabeledRegion(square(), "Unicorn", "r"), '"Unicorn" is not in the control "brush".*has: Cat, Dog, Bird'),
        (LabeledRegion(square(), "Dog", "r", choices={"pclass": ("Pink",)}), '"Pink" is not in the control "pclass"'),
    ],
)
def test_a_label_that_the_config_has_not_got_is_never_written(
    region: LabeledRegion, message: str, config: ImageConfig
) -> None:
    with pytest.raises(BadConfig, match=message):
        build_results([region], config)


def test_an_image_class_that_the_config_has_not_got_is_never_written(config: ImageConfig) -> None:
    with pytest.raises(BadConfig, match='"Space" is not in the control "iclass"'):
        build_results([], config, {"iclass": ("Space",)})


@pytest.mark.parametrize(("score", "written"), [(0.5, 0.5), (1.03, 1.0), (-0.2, 0.0), (None, None)])
def test_scores_are_between_0_and_1(score: float | None, written: float | None) -> None:
    assert build_prediction([], "v", score) == {"result": [], "model_version": "v", "score": written}


def test_the_empty_answer_is_an_empty_list_and_not_a_prediction() -> None:
    assert EMPTY_ANSWER == []


def test_region_ids_are_long_and_do_not_repeat() -> None:
    ids = {new_region_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert {len(region_id) for region_id in ids} == {16}


def test_an_annotation_made_from_a_prediction_is_read_with_its_choices(config: ImageConfig) -> None:
    """Its choices carry a copy of the mask, which is not a second region."""
    results = load_payload("annotation_from_prediction")["result"]
    read = parse_regions(results, config)
    assert [(r.region_id, r.label, r.score, dict(r.choices)) for r in read] == [
        ("r1", "Cat", 0.83, {"pclass": ("Red",)}),
        ("r2", "Dog", 0.41, {"pclass": ("Blue",)}),
    ]
    assert {r.mask.shape for r in read} == {(480, 640)}
    assert parse_image_choices(results, config) == {"iclass": ("Indoor",)}


def test_an_accepted_click_is_read(config: ImageConfig) -> None:
    (annotation,) = load_payload("annotation_after_submit")
    (region,) = parse_regions(annotation["result"], config)
    assert (region.region_id, region.label, region.score) == ("f628e28c", "Dog", 0.9)


def brush_result(**changes: Any) -> dict[str, Any]:
    return build_results([LabeledRegion(square(), "Dog", "r1", 0.5)], CONFIG)[0] | changes


def mixed_result() -> dict[str, Any]:
    """As Label Studio 1.23 saves an accepted mask again when a keypoint label was selected."""
    value = {**brush_result()["value"], "keypointlabels": ["Cat"]}
    del value["brushlabels"]
    return brush_result(type="keypointlabels", from_name="kp", value=value)


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_mask_saved_twice_the_brush_counts(order: int, config: ImageConfig) -> None:
    (region,) = parse_regions([brush_result(), mixed_result()][::order], config)
    assert (region.label, region.region_id) == ("Dog", "r1")


def test_a_mask_that_is_only_filed_under_a_keypoint_control_is_kept_with_that_label(config: ImageConfig) -> None:
    (region,) = parse_regions([mixed_result()], config)
    assert region.label == "Cat"
    assert np.array_equal(region.mask, square())


def test_prompts_are_not_regions(config: ImageConfig) -> None:
    context = load_payload("interactive_keypoint_negative")["params"]["context"]["result"]
    boxes = load_payload("interactive_rectangle")["params"]["context"]["result"]
    assert parse_regions([*context, *boxes], config) == []


SHAPES = {
    "bitmask": build_value(square(), "bitmask", tolerance=0)[0],
    "polygon": {"points": [[100 / 3, 25], [500 / 6, 25], [500 / 6, 75], [100 / 3, 75]], "closed": True},
    "rectangle": {"x": 100 / 3, "y": 25, "width": 50, "height": 50, "rotation": 0},
    "ellipse": {"x": 350 / 6, "y": 50, "radiusX": 35, "radiusY": 35, "rotation": 0},  # 2.1 x 1.4 pixels
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("plain", [False, True])
def test_a_region_of_every_kind_is_a_mask(kind: str, plain: bool, config: ImageConfig) -> None:
    """Columns 2 to 4 of rows 1 and 2; a plain tag's label comes with a copy of the shape in a second result."""
    label_key = "labels" if plain else f"{kind}labels"
    labelled = brush_result(type=label_key, from_name="drawn", value=SHAPES[kind] | {label_key: ["Cat"]})
    shape = brush_result(type=kind, from_name="drawn", value=SHAPES[kind])
    (region,) = parse_regions([shape, labelled] if plain else [labelled], config)
    assert np.array_equal(region.mask, square())
    assert (region.label, region.score, region.kind) == ("Cat", 0.5, kind)


def test_a_rectangle_of_a_control_without_a_smart_tool_is_a_region(config: ImageConfig) -> None:
    name = config.rectangles[0].name
    drawn = brush_result(type="rectanglelabels", from_name=name, value=SHAPES["rectangle"])
    assert parse_regions([drawn], config) == []
    plain = replace(config, rectangles=(replace(config.rectangles[0], smart=False),))
    assert len(parse_regions([drawn], plain)) == 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("brush", 'The brush has no mask: its value has no "rle"'),
        ("bitmask", 'The bitmask has "imageDataURL": None, which is not a PNG'),
        ("polygon", "A polygon needs at least three points, but this one has no list of points"),
        ("rectangle", 'The rectangle has "x": None'),
        ("ellipse", 'The ellipse has "x": None'),
    ],
)
def test_a_region_without_its_shape_is_refused_by_name(kind: str, message: str, config: ImageConfig) -> None:
    labels = f"{kind}labels"
    with pytest.raises(BadRegion, match=rf'Region "r1" \({kind}\): {message}.*draw it again'):
        parse_regions([brush_result(type=labels, from_name="drawn", value={labels: ["Dog"]})], config)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("polygon", {"points": [[1, 2], [3, 4]]}, "A polygon needs at least three points, but this one has 2 points"),
        (
            "rectangle",
            {"x": 1, "y": 2, "width": 0, "height": 3},
            'The rectangle has "width": 0.0, which is not at least 1e-06',
        ),
    ],
)
def test_a_region_that_is_too_small_to_draw_is_refused_by_name(
    kind: str, value: dict[str, Any], message: str, config: ImageConfig
) -> None:
    with pytest.raises(BadRegion, match=rf'Region "r1" \({kind}\): {message}.*Delete this region .* draw it again'):
        parse_regions([brush_result(type=kind, from_name="drawn", value=value)], config)


def test_masks_without_ids_are_each_a_region(config: ImageConfig) -> None:
    nameless = brush_result()
    del nameless["id"]
    read = parse_regions([nameless, nameless], config)
    assert len({region.region_id for region in read}) == 2


def test_a_label_the_config_no_longer_has_is_read_as_it_was_saved(config: ImageConfig) -> None:
    value = brush_result()["value"] | {"brushlabels": ["Unicorn"]}
    assert [region.label for region in parse_regions([brush_result(value=value)], config)] == ["Unicorn"]


def test_a_plain_brush_gets_the_label_of_its_labels_control(config: ImageConfig) -> None:
    value = {key: item for key, item in brush_result()["value"].items() if key != "brushlabels"}
    plain = brush_result(type="brush", value=value)
    label = brush_result(type="labels", value=value | {"labels": ["Bird"]})
    assert [region.label for region in parse_regions([plain, label], config)] == ["Bird"]
    assert [region.label for region in parse_regions([plain], config)] == [""]


@pytest.mark.parametrize(
    ("labels", "label", "others"),
    [(["四角", "Δ gelb"], "四角", ("Δ gelb",)), (["Dog", "Dog"], "Dog", ()), (["", "Dog"], "Dog", ()), ([], "", ())],
)
def test_a_region_with_two_labels_has_the_first_and_keeps_the_others(
    labels: list[str], label: str, others: tuple[str, ...], config: ImageConfig
) -> None:
    value = brush_result()["value"] | {"brushlabels": labels}
    (region,) = parse_regions([brush_result(value=value)], config)
    assert (region.label, region.other_labels) == (label, others)


def test_of_two_labels_controls_the_first_names_the_region(config: ImageConfig) -> None:
    value = {key: item for key, item in brush_result()["value"].items() if key != "brushlabels"}
    plain = brush_result(type="brush", value=value)
    named = [brush_result(type="labels", from_name=name, value={"labels": [name]}) for name in ("Bird", "large")]
    (region,) = parse_regions([plain, *named], config)
    assert (region.label, region.other_labels) == ("Bird", ("large",))


def test_a_label_that_was_picked_when_a_mask_was_accepted_is_no_second_label(config: ImageConfig) -> None:
    (region,) = parse_regions([brush_result(), mixed_result()], config)
    assert (region.label, region.other_labels) == ("Dog", ())


def test_a_broken_mask_names_its_region(config: ImageConfig) -> None:
    broken = brush_result(value={"format": "rle", "rle": [0, 0], "brushlabels": ["Dog"]})
    with pytest.raises(BadRle, match=r'Region "r1" \(brush\): The brush mask is truncated: 2 bytes.*draw it again'):
        parse_regions([broken], config)


@pytest.mark.parametrize("size", [None, 0, -4, "6", 6.5, True])
def test_a_mask_without_a_size_names_its_region(size: Any, config: ImageConfig) -> None:
    size_message = rf"It was saved with an image size of {size} x 4 pixels \(original_width"
    message = rf'Region "r1" \(brush\): {size_message}.*Delete the region in Label Studio and draw it again'
    with pytest.raises(BadRle, match=message):
        parse_regions([brush_result(original_width=size)], config)


def test_a_size_in_floats_is_read(config: ImageConfig) -> None:
    (region,) = parse_regions([brush_result(original_width=6.0, original_height=4.0)], config)
    assert np.array_equal(region.mask, square())


def test_choices_that_are_no_texts_are_passed_over(config: ImageConfig) -> None:
    odd = {"id": "r1", "type": "choices", "from_name": "pclass", "value": {"choices": [["a", 1], [], {}, "Red"]}}
    none = {"id": "r1", "type": "choices", "from_name": "other", "value": {}}
    (region,) = parse_regions([brush_result(), odd, none], config)
    assert dict(region.choices) == {"pclass": ("Red",), "other": ()}


def test_a_copy_of_a_mask_in_a_choice_or_text_is_not_a_region(config: ImageConfig) -> None:
    """Label Studio saves such copies; here the region itself is gone."""
    rle = brush_result()["value"]["rle"]
    copies = [brush_result(type=kind, value={"format": "rle", "rle": rle}) for kind in ("choices", "textarea")]
    assert parse_regions(copies, config) == []


def test_a_choice_of_another_control_on_a_region_is_the_regions(config: ImageConfig) -> None:
    """A second control with perRegion, of which the config's reader knows the first only."""
    second = {"id": "r1", "type": "choices", "from_name": "second", "value": {"choices": ["Big"]}}
    results = [brush_result(), second]
    assert parse_image_choices(results, config) == {}
    assert dict(parse_regions(results, config)[0].choices) == {"second": ("Big",)}


@pytest.mark.parametrize("read", [parse_regions, parse_image_choices])
@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([None], "Result 1 of an annotation must be an object, but is missing"),
        ([{}, 5], "Result 2 of an annotation must be an object, but is a number"),
        ({"a": 1}, '"result" of an annotation must be a list, but is an object'),
        ("abc", '"result" of an annotation must be a list, but is a string'),
        (5, '"result" of an annotation must be a list, but is a number'),
        ([{"id": [1]}], r"The id of result 1 of an annotation must be a string, but is \[1\]\."),
        ([{"id": {"a": 1}}], r"must be a string, but is {'a': 1}\."),
    ],
)
def test_what_is_no_list_of_results_is_refused(
    read: Callable[[Any, ImageConfig], Any], results: Any, message: str, config: ImageConfig
) -> None:
    with pytest.raises(BadRle, match=f"{message}.*delete it in Label Studio and create it again"):
        read(results, config)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 10**400, "0.5", None])
def test_a_score_that_json_cannot_carry_is_none(score: Any, config: ImageConfig) -> None:
    assert [region.score for region in parse_regions([brush_result(score=score)], config)] == [None]


def test_regions_are_decoded_one_by_one(config: ImageConfig) -> None:
    broken = brush_result(id="r2", value={"format": "rle", "rle": [0, 0], "brushlabels": ["Dog"]})
    first, second, third = find_regions([brush_result(), broken, brush_result(id="r3")], config)
    assert [(saved.region_id, saved.kind) for saved in (first, second, third)] == [
        (f"r{n}", "brush") for n in (1, 2, 3)
    ]
    with pytest.raises(BadRle, match='Region "r2"'):
        second.decode()
    assert np.array_equal(third.decode().mask, square())
