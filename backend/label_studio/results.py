"""Regions → results and predictions, and back. What `build_results` wrote, `parse_regions` reads.

A region is a brush result and, after it (a choice that comes first breaks the region in the browser), its per-region
choices with the same id:

    {"id": "f628e28c", "type": "brushlabels", "from_name": "brush", "to_name": "image", "original_width": 640,
     "original_height": 480, "image_rotation": 0, "score": 0.9,
     "value": {"format": "rle", "rle": […], "brushlabels": ["Dog"]}}
    {"id": "f628e28c", "type": "choices", "from_name": "pclass", "to_name": "image", "value": {"choices": ["Red"]}}
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from backend.errors import BadConfig, BadRegion, BadRle, shorten
from backend.label_studio.brush_rle import encode_brush
from backend.label_studio.config import Control, LabelingConfig
from backend.label_studio.prompts import kind_of
from backend.label_studio.region_values import KINDS, mask_from_value
from backend.values import ClassScore, Region, Size

Result = dict[str, Any]
SHAPES_BY_KEY = {"rle": "brush", "imageDataURL": "bitmask", "points": "polygon", "radiusX": "ellipse"}
RESULT_REMEDY = "The annotation is damaged: delete it in Label Studio and make it anew."

EMPTY_ANSWER: list[Any] = []
"""The answer for one task when there is nothing to say. An empty prediction object would be saved, and the task then
skipped for ever; an empty list is not."""


def new_region_id() -> str:
    """A random id of 64 bits: among a million regions two are the same with a probability of 3e-8."""
    return uuid.uuid4().hex[:16]


def build_results(
    regions: Sequence[Region], config: LabelingConfig, image_choices: Sequence[ClassScore] = ()
) -> list[Result]:
    """Build the result list of an answer: each region's mask, then its choices; at last the class of the whole image.

    Args:
        regions: With masks (H, W) at the size of the upright image.
        config: Names the controls.
        image_choices: Best first; the best is written, where the config has an image-level choice.

    Raises:
        BadConfig: A label or a choice that the labeling config has not got; Label Studio would save it without a word.
    """
    results: list[Result] = []
    for region in regions:
        results.append(_brush_result(region, config.brush))
        if config.region_choices and (chosen := region.choices.get(config.region_choices.name)):
            results.append(_choices_result(region.region_id, chosen, config.region_choices))
    if image_choices and config.image_choices:
        results.append(_choices_result(new_region_id(), (image_choices[0].name,), config.image_choices))
    return results


def build_prediction(results: Sequence[Result], model_version: str, score: float | None) -> dict[str, Any]:
    """A Label Studio prediction; `score` is clipped to 0..1, for SAM may think better of itself than that."""
    return {"result": list(results), "model_version": model_version, "score": _clip_score(score)}


def parse_regions(results: Sequence[Mapping[str, Any]], config: LabelingConfig) -> list[Region]:
    """All that `iterate_regions` reads; a mask of 1080p takes 2 MB."""
    return list(iterate_regions(results, config))


def iterate_regions(results: Sequence[Mapping[str, Any]], config: LabelingConfig) -> Iterator[Region]:
    """Read the masks of an annotation, draft or prediction one by one, in their order: of every kind of region.

    Prompts that were not accepted are passed over: key points, and rectangles of a control with a smart tool. Label
    Studio files an accepted shape a second time under a keypoint or rectangle control when a label of it was selected
    at that moment: of several shapes with one id the first of its own control counts, and where only such a one is left
    it is the region, with that label. A label is returned as it was saved, whether or not the config still has it.

    Raises:
        BadRle: Not a list of results, or a brush whose mask is missing or cannot be decoded.
        BadRegion: Another shape that is missing or cannot be drawn. Both messages name the region.
    """
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for result in check_results(results):
        by_id.setdefault(str(result.get("id") or new_region_id()), []).append(result)
    for region_id, group in by_id.items():
        shapes = [result for result in group if shape_kind(result, config)]
        if shapes:
            own = next((result for result in shapes if _own_kind(result) == shape_kind(result, config)), shapes[0])
            yield _region(region_id, own, str(shape_kind(own, config)), group)


def shape_kind(result: Mapping[str, Any], config: LabelingConfig) -> str | None:
    """What kind of region a result is the shape of; None for prompts, choices and texts, and what holds no mask.

    Saved choices and texts carry a copy of their region's value: only labels and shapes are shapes.
    """
    own = _own_kind(result)
    if not own and not str(result.get("type")).endswith("labels"):
        return None
    found = next((kind for key, kind in SHAPES_BY_KEY.items() if key in _value(result)), None)
    return found or (None if own == "rectangle" and _is_prompt(result, config) else own)


def parse_image_choices(results: Sequence[Mapping[str, Any]], config: LabelingConfig) -> dict[str, tuple[str, ...]]:
    """What was chosen for the whole image, by the name of the control. Raises `BadRle` as `parse_regions` does."""
    check_results(results)
    region_ids = {result.get("id") for result in results if shape_kind(result, config)}
    own = config.region_choices.name if config.region_choices else None
    return {
        str(result.get("from_name")): _choice_names(result)
        for result in results
        if _is_choice(result) and result.get("from_name") != own and result.get("id") not in region_ids
    }


def check_results(results: object) -> Sequence[Mapping[str, Any]]:
    """The results of an annotation, as they are.

    Raises:
        BadRle: Not a list of objects, or an id that is none.
    """
    if not isinstance(results, (list, tuple)):
        raise BadRle(f"An annotation has a list of results, not {kind_of(results)}.", remedy=RESULT_REMEDY)
    for number, result in enumerate(results, start=1):
        if not isinstance(result, Mapping):
            raise BadRle(f"Result {number} of an annotation is {kind_of(result)}, not an object.", remedy=RESULT_REMEDY)
        if not isinstance(result.get("id"), (str, int, type(None))):
            message = f"Result {number} of an annotation has the id {shorten(result['id'])}, which is not a text."
            raise BadRle(message, remedy=RESULT_REMEDY)
    return results


def _brush_result(region: Region, control: Control) -> Result:
    _check_known([region.label], control)
    height, width = region.mask.shape
    result: Result = {
        "id": region.region_id,
        "type": "brushlabels",
        "from_name": control.name,
        "to_name": control.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": encode_brush(region.mask), "brushlabels": [region.label]},
    }
    if region.score is not None:
        result["score"] = _clip_score(region.score)
    return result


def _choices_result(region_id: str, chosen: Sequence[str], control: Control) -> Result:
    _check_known(chosen, control)
    return {
        "id": region_id,
        "type": "choices",
        "from_name": control.name,
        "to_name": control.to_name,
        "value": {"choices": list(chosen)},
    }


def _check_known(names: Sequence[str], control: Control) -> None:
    for name in names:
        if name not in control.label_names:
            known = shorten(", ".join(control.label_names))
            where = f'the control "{shorten(control.name)}" of the labeling config'
            message = f'"{shorten(name)}" is not in {where}, which has: {known}.'
            raise BadConfig(message, remedy="Add it to the labeling config, or answer with one of these.")


def _clip_score(score: float | None) -> float | None:
    return None if score is None else min(max(float(score), 0.0), 1.0)


def _region(region_id: str, shape: Mapping[str, Any], kind: str, group: Sequence[Mapping[str, Any]]) -> Region:
    try:
        mask = mask_from_value(_value(shape), kind, _size(shape))
    except BadRegion as error:
        raise type(error)(f'Region "{shorten(region_id)}": {error.message}', remedy=error.remedy) from error
    choices = {str(result.get("from_name")): _choice_names(result) for result in group if _is_choice(result)}
    return Region(
        mask=mask,
        label=_saved_label(shape, group),
        region_id=region_id,
        score=_saved_score(shape),
        choices=MappingProxyType(choices),
    )


def _saved_score(result: Mapping[str, Any]) -> float | None:
    score = result.get("score")
    try:
        number = float(score) if isinstance(score, (int, float)) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None  # JSON for the export has no NaN


def _saved_label(shape: Mapping[str, Any], group: Sequence[Mapping[str, Any]]) -> str:
    """The first label of the shape, or of a separate Labels control on it; "" if it has none."""
    separate = [result for result in group if result.get("type") == "labels"]
    for result in (shape, *separate):
        labels = _value(result).get(str(result.get("type")))
        if isinstance(labels, list) and labels:
            return str(labels[0])
    return ""


def _size(result: Mapping[str, Any]) -> Size:
    width, height = result.get("original_width"), result.get("original_height")
    if not (type(width) is int and type(height) is int and width > 0 and height > 0):  # bool is an int, too
        raise BadRle(
            f"its image is {shorten(width)} x {shorten(height)} pixels.",
            remedy="original_width and original_height must be saved.",
        )
    return Size(width, height)


def _own_kind(result: Mapping[str, Any]) -> str | None:
    """The kind of region that a result's type names: "polygon" of polygonlabels and of polygon."""
    kind = str(result.get("type")).removesuffix("labels")
    return kind if kind in KINDS else None


def _is_prompt(result: Mapping[str, Any], config: LabelingConfig) -> bool:
    return any(control.smart and control.name == result.get("from_name") for control in config.rectangles)


def _is_choice(result: Mapping[str, Any]) -> bool:
    return result.get("type") == "choices"


def _choice_names(result: Mapping[str, Any]) -> tuple[str, ...]:
    chosen = _value(result).get("choices")
    return tuple(name for name in chosen if isinstance(name, str)) if isinstance(chosen, list) else ()


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value")
    return value if isinstance(value, Mapping) else {}
