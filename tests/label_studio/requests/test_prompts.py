"""Prompts in percent are converted to pixels; expected values are computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadPrompt, BadRequest
from backend.geometry import percent_to_pixel, pixel_to_percent
from backend.label_studio.config import ImageConfig, parse_labeling_config
from backend.label_studio.requests import LabeledPrompt
from backend.label_studio.requests.prompts import MAX_PROMPTS, parse_prompts
from backend.values import Prompt, Size
from tests.recorded import load_payload

CONFIG = parse_labeling_config(load_payload("setup")["schema"]).images[0]


def keypoint(
    x: Any = 25, y: Any = 50, label: str = "Dog", size: tuple[Any, Any] = (640, 480), **more: Any
) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.2, "labels": [label], "keypointlabels": [label]}
    return {
        "type": "keypointlabels", "from_name": "kp", "value": value,
        "original_width": size[0], "original_height": size[1],
    } | more  # fmt: skip


def rectangle(x: Any, y: Any, width: Any, height: Any, rotation: float = 0, label: str = "Cat") -> dict[str, Any]:
    box = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation, "rectanglelabels": [label]}
    return {"type": "rectanglelabels", "from_name": "rect", "value": box, "original_width": 200, "original_height": 100}


def recorded(name: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = load_payload(name)["params"]["context"]["result"]
    return result


def test_a_missing_is_positive_means_positive(config: ImageConfig) -> None:
    results = [keypoint(), keypoint(is_positive=True), keypoint(is_positive=False)]
    assert parse_prompts(results, config)[0].prompt.point_labels == (1, 1, 0)


def test_keypoints_of_one_label_are_one_prompt_in_pixels(config: ImageConfig) -> None:
    prompts = parse_prompts([keypoint(25, 50), keypoint(100, 0, is_positive=False)], config)
    assert prompts == (LabeledPrompt(Prompt(((160, 240), (640, 0)), (1, 0)), "Dog", Size(640, 480)),)


def test_keypoints_of_two_labels_are_two_prompts(config: ImageConfig) -> None:
    prompts = parse_prompts([keypoint(label="Dog"), keypoint(label="Cat"), keypoint(label="Dog")], config)
    assert [(prompt.label, len(prompt.prompt.point_coords)) for prompt in prompts] == [("Dog", 2), ("Cat", 1)]


def test_each_rectangle_is_one_prompt(config: ImageConfig) -> None:
    prompts = parse_prompts([rectangle(10, 10, 20, 30), rectangle(50, 0, 50, 100)], config)
    assert [prompt.prompt.box_xyxy for prompt in prompts] == [(20, 10, 60, 40), (100, 0, 200, 100)]
    assert [prompt.label for prompt in prompts] == ["Cat", "Cat"]
    assert prompts[0].prompt.point_coords == ()


@pytest.mark.parametrize(
    ("rotation", "box_xyxy"),
    [
        # 40 x 20 pixels with the top left corner at (100, 50), rotated clockwise on the screen about that corner
        (90, (80, 50, 100, 90)),
        (180, (60, 30, 100, 50)),
        (270, (100, 10, 120, 50)),
        (-90, (100, 10, 120, 50)),
        (45, (100 - 20 * 0.5**0.5, 50, 100 + 40 * 0.5**0.5, 50 + 60 * 0.5**0.5)),
    ],
)
def test_a_rotated_rectangle_becomes_the_box_around_it(
    rotation: float, box_xyxy: tuple[float, ...], config: ImageConfig
) -> None:
    (prompt,) = parse_prompts([rectangle(50, 50, 20, 20, rotation)], config)
    assert prompt.prompt.box_xyxy == pytest.approx(box_xyxy)


def test_a_rectangle_across_the_border_is_clipped(config: ImageConfig) -> None:
    (prompt,) = parse_prompts([rectangle(-10, 50, 30, 80)], config)
    assert prompt.prompt.box_xyxy == (0, 50, 40, 100)


@pytest.mark.parametrize(("x", "inside"), [(-0.05, 0.0), (100.05, 640.0)])
def test_a_point_within_the_border_tolerance_is_moved_onto_the_border(
    x: float, inside: float, config: ImageConfig
) -> None:
    (prompt,) = parse_prompts([keypoint(x, 50)], config)
    assert prompt.prompt.point_coords == ((inside, 240),)


def test_recorded_keypoints_are_where_they_were_clicked(config: ImageConfig) -> None:
    """Clicked at about (167, 125) and (210, 125), and with Alt at (137, 171)."""
    (prompt,) = parse_prompts(recorded("interactive_keypoint_negative"), config)
    assert prompt.prompt.point_labels == (1, 1, 0)
    expected = [167.2, 125.5, 210.1, 125.5, 137.0, 171.2]
    assert [number for point in prompt.prompt.point_coords for number in point] == pytest.approx(expected, abs=0.1)
    assert (prompt.label, prompt.drawn_size) == ("Dog", Size(640, 480))


def test_a_recorded_portrait_photo_has_its_upright_size(config: ImageConfig) -> None:
    """640x480 with EXIF orientation 6: the browser shows 480x640."""
    (prompt,) = parse_prompts(recorded("interactive_keypoint_exif"), config)
    assert prompt.drawn_size == Size(480, 640)
    assert prompt.prompt.point_coords[0] == pytest.approx((120.2, 160.0), abs=0.1)


def test_a_recorded_rectangle_is_where_it_was_drawn(config: ImageConfig) -> None:
    (prompt,) = parse_prompts(recorded("interactive_rectangle"), config)
    assert prompt.prompt.box_xyxy == pytest.approx((63.9, 48.2, 255.7, 201.4), abs=0.1)
    assert prompt.label == "Cat"


def test_accepted_masks_stored_under_the_keypoint_control_are_not_prompts(config: ImageConfig) -> None:
    mixed = keypoint() | {"value": {"format": "rle", "rle": [0], "keypointlabels": ["Dog"]}}
    assert parse_prompts([mixed], config) == ()
    assert len(parse_prompts([mixed, keypoint()], config)[0].prompt.point_coords) == 1


def test_a_size_in_floats_is_the_same_size(config: ImageConfig) -> None:
    (floats, integers) = (parse_prompts([keypoint(size=size)], config) for size in ((640.0, 480.0), (640, 480)))
    assert floats == integers
    assert floats[0].drawn_size == Size(640, 480)


def test_an_empty_list_has_no_prompts(config: ImageConfig) -> None:
    assert parse_prompts([], config) == ()


@given(st.floats(0, 100), st.integers(1, 10_000))
def test_percent_to_pixels_and_back_is_the_identity(percent: float, extent: int) -> None:
    assert pixel_to_percent(percent_to_pixel(percent, extent), extent) == pytest.approx(percent, abs=1e-9)


@given(st.floats(0, 100), st.floats(0, 100), st.integers(1, 9999), st.integers(1, 9999))
def test_a_point_inside_in_percent_is_inside_in_pixels(x: float, y: float, width: int, height: int) -> None:
    (prompt,) = parse_prompts([keypoint(x, y, size=(width, height))], CONFIG)
    ((pixel_x, pixel_y),) = prompt.prompt.point_coords
    assert 0 <= pixel_x <= width and 0 <= pixel_y <= height


@given(st.floats(0, 99), st.floats(0, 99), st.floats(0.01, 100), st.floats(0.01, 100), st.floats(-720, 720))
def test_a_box_is_inside_the_image_or_rejected(x: float, y: float, width: float, height: float, angle: float) -> None:
    try:
        (prompt,) = parse_prompts([rectangle(x, y, width, height, angle)], CONFIG)
    except BadPrompt as error:
        assert "lies outside the image" in error.message
        return
    assert prompt.prompt.box_xyxy is not None
    left, top, right, bottom = prompt.prompt.box_xyxy
    assert 0 <= left < right <= 200 and 0 <= top < bottom <= 100


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (keypoint(100.2, 50), r"The point \(100.2 %, 50 %\) lies outside the image.*click inside"),
        (keypoint(50, -3), r"The point \(50 %, -3 %\) lies outside"),
        (
            keypoint(is_positive=0),
            '"is_positive" of a point must be true or false, but is 0.*Send true for a foreground point',
        ),
        (keypoint(is_positive="false"), "must be true or false, but is 'false'"),
        (keypoint(is_positive=None), "must be true or false, but is null"),
        (keypoint("25"), "\"x\" of a prompt must be a number from -1000 to 1000, but is '25'"),
        (keypoint(None), '"x" of a prompt must be a number from -1000 to 1000, but is null'),
        (keypoint(float("nan")), '"x" of a prompt must be a number from -1000 to 1000, but is nan'),
        (keypoint(True), '"x" of a prompt must be a number from -1000 to 1000, but is True'),
        (rectangle(10, 10, 0, 30), "rectangle of 0x30 pixels has no area.*draw it around"),
        (rectangle(10, 10, 20, -1), "rectangle of 40x-1 pixels has no area"),
        (rectangle(10, 10, None, 5), '"width" of a prompt must be a number from -1000 to 1000, but is null'),
        (
            rectangle(10, 10, 20, 20, float("inf")),
            '"rotation" of a prompt must be a number from -1000 to 1000, but is inf',
        ),
        (rectangle(120, 10, 20, 20), r"rectangle at \(120 %, 10 %\) lies outside the image"),
        (rectangle(1e308, 10, 20, 20), r'"x" of a prompt must be a number from -1000 to 1000, but is 1e\+308'),
        (rectangle(10, 10, 1e308, 20), r'"width" of a prompt must be a number from -1000 to 1000, but is 1e\+308'),
        (rectangle(10, 10, 20, 20, -1e308), r'"rotation" of a prompt must be a number from .*, but is -1e\+308'),
        (rectangle(10, 10, 20, 10**400), r'"height" of a prompt must be a number from -1000 to 1000, but is 1000'),
        (keypoint(10**400), '"x" of a prompt must be a number from -1000 to 1000, but is 1000'),
        (keypoint(size=(640, 10**400)), "drawn on an image of 640 x 1000.*whole numbers from 1 to 65535"),
        (keypoint(size=(640, 1e308)), r"drawn on an image of 640 x 1e\+308 pixels"),
        (keypoint(label="Fox"), 'label "Fox" is not in the control "kp", which has: Cat, Dog, Bird'),
        (keypoint(from_name="gone"), r'no keypoint control "gone" for the image \(available: kp\)'),
        (keypoint(value={"x": 1, "y": 2}), "has no label.*Pick a label"),
        (keypoint(size=(None, 480)), "drawn on an image of None x 480 pixels.*original_width"),
        (keypoint(size=(640, 0)), "drawn on an image of 640 x 0 pixels"),
        (keypoint(size=(1e308, 480)), r"drawn on an image of 1e\+308 x 480 pixels"),
        (keypoint(size=(640, float("inf"))), "drawn on an image of 640 x inf pixels"),
        (keypoint(type="polygonlabels"), "Prompts of type polygonlabels are not supported.*smart keypoint"),
    ],
)
def test_an_invalid_prompt_is_rejected(result: dict[str, Any], message: str, config: ImageConfig) -> None:
    with pytest.raises(BadPrompt, match=message):
        parse_prompts([result], config)


@pytest.mark.parametrize("result", [keypoint(value=[1]), keypoint(value=None), ["x"], None])
def test_other_values_than_results_are_rejected(result: Any, config: ImageConfig) -> None:
    with pytest.raises(BadRequest, match=r'"value" of a prompt must be an object, but is (a list|missing)'):
        parse_prompts([result], config)


def test_too_many_prompts_are_rejected(config: ImageConfig) -> None:
    points, boxes = [keypoint()] * (MAX_PROMPTS - 1), [rectangle(10, 10, 20, 20)]
    assert len(parse_prompts([*points, *boxes], config)) == 2
    with pytest.raises(BadPrompt, match=r"has 201 points and boxes; the maximum is 200\..*Accept or reject"):
        parse_prompts([*points, *boxes * 2], config)
    with pytest.raises(BadPrompt, match=r"has 3 points and boxes; the maximum is 2\..*MAX_PROMPTS"):
        parse_prompts([*points[:2], *boxes], config, 2)
