"""Masks of a task that a click may correct."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.errors import BadRle
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.correctable_regions import find_correctable
from backend.label_studio.requests.ordinary_regions import Result
from backend.label_studio.requests.prompts import parse_prompts
from backend.label_studio.results import encode_brush
from backend.values import Size
from tests.label_studio.requests.drawn import draft, mask, point, rectangle
from tests.recorded import load_payload


def regions(
    config: ImageConfig, context: list[dict[str, Any]] | None = None, **task: Any
) -> list[tuple[str, tuple[Result, ...]]]:
    context = context or [point(25, 25)]
    prompts = parse_prompts(context, config)
    return [(region.region_id, region.results) for region in find_correctable(prompts, context, task, config)]


def ids(config: ImageConfig, context: list[dict[str, Any]] | None = None, **task: Any) -> list[str]:
    return [region_id for region_id, _ in regions(config, context, **task)]


def annotation(*results: dict[str, Any], by: int = 1, at: str = "2026-11-20T20:00:00Z") -> dict[str, Any]:
    return {"id": 1, "completed_by": by, "updated_at": at, "result": list(results)}


def test_masks_of_the_draft_with_the_label_of_the_click_newest_first(config: ImageConfig) -> None:
    saved = draft(mask(id="old"), mask("Dog", id="dog"), mask(id="new"))
    assert ids(config, drafts=[saved]) == ["new", "old"]


def test_a_mask_whose_size_is_in_floats_is_of_the_same_size(config: ImageConfig) -> None:
    assert ids(config, drafts=[draft(mask(id="a", original_width=640.0, original_height=480.0))]) == ["a"]
    assert ids(config, drafts=[draft(mask(id="a", original_width=True))]) == []


def test_a_click_may_correct_the_mask_with_its_label_in_the_recorded_draft(config: ImageConfig) -> None:
    task = load_payload("interactive_rectangle")["tasks"][0]
    context = [point(25, 25, label="Dog")]
    (region,) = find_correctable(parse_prompts(context, config), context, task, config)
    assert (region.region_id, region.label, region.drawn_size) == ("2f9c66b4", "Dog", Size(640, 480))
    assert region.decode(config).mask.any()
    assert ids(config, **task) == []  # the click has the label Cat


def test_only_the_draft_is_used_if_there_is_one(config: ImageConfig) -> None:
    annotations, predictions = [annotation(mask(id="a"))], [{"id": 1, "result": [mask(id="p")]}]
    assert ids(config, drafts=[draft()], annotations=annotations, predictions=predictions) == []
    assert ids(config, annotations=annotations, predictions=predictions) == []
    assert ids(config, annotations=[], predictions=predictions) == ["p"]


def test_a_saved_annotation_may_be_another_annotators_and_is_never_corrected(config: ImageConfig) -> None:
    assert ids(config, annotations=[annotation(mask(id="a"))]) == []
    assert ids(config, annotations=[annotation(mask(id="a")), annotation(mask(id="b"), by=2)]) == []


def test_only_the_newest_prediction_is_copied_into_a_new_annotation(config: ImageConfig) -> None:
    old = {"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": [mask(id="old")]}
    assert ids(config, predictions=[{**old, "id": 2, "result": [mask(id="new")]}, old]) == ["new"]


def test_a_recorded_mask_is_decoded_with_its_choices(config: ImageConfig) -> None:
    saved = load_payload("annotation_from_prediction")
    context = [point(25, 25, label="Dog")]
    (region,) = find_correctable(parse_prompts(context, config), context, {"drafts": [saved]}, config)
    decoded = region.decode(config)
    assert (decoded.region_id, decoded.label, dict(decoded.choices)) == ("r2", "Dog", {"pclass": ("Blue",)})


def test_a_mask_among_the_keypoints_of_the_context_comes_first_and_only_once(config: ImageConfig) -> None:
    mixed = point(1, 1, id="mixed") | {"value": {"format": "rle", "rle": [0], "keypointlabels": ["Cat"]}}
    saved = draft(mask(id="mixed"), mask(id="other"))
    assert ids(config, [mixed, point(25, 25)], drafts=[saved]) == ["mixed", "other"]


def test_a_box_has_nothing_to_correct(config: ImageConfig) -> None:
    assert ids(config, [rectangle()], drafts=[draft(mask())]) == []


@pytest.mark.parametrize(
    "other",
    [
        mask(original_width=320),
        mask(original_height=None),
        mask(to_name="second"),
        mask(id=None),
        mask() | {"value": {"brushlabels": ["Cat"]}},
        mask() | {"value": None},
        mask("Fox"),
        mask() | {"type": "choices", "value": {"rle": [0], "choices": ["Cat"]}},
    ],
)
def test_results_other_than_masks_of_the_image_and_label_are_ignored(
    other: dict[str, Any], config: ImageConfig
) -> None:
    assert ids(config, drafts=[draft(other)]) == []


def test_a_mask_is_decoded_only_on_request(config: ImageConfig) -> None:
    drawn = np.zeros((480, 640), bool)
    drawn[10:20, 30:50] = True
    good = mask(id="good") | {"value": {"format": "rle", "rle": encode_brush(drawn), "brushlabels": ["Cat"]}}
    context = [point(25, 25)]
    task = {"drafts": [draft(mask(id="broken"), good)]}
    one, other = find_correctable(parse_prompts(context, config), context, task, config)
    assert np.array_equal(one.decode(config).mask, drawn)
    with pytest.raises(BadRle, match=r'Region "broken" \(brush\): The brush mask is truncated'):
        other.decode(config)
