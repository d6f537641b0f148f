"""Regions → results and predictions. What `build_results` wrote, `saved.parse_regions` reads.

A region is several results with one id: the shape, the label where a plain shape has it apart, the per-region classes,
the score. The shape comes first (a choice that comes before it breaks the region in the browser):

    {"id": "f628e28c", "type": "brushlabels", "from_name": "brush", "to_name": "image", "original_width": 640,
     "original_height": 480, "image_rotation": 0, "score": 0.9,
     "value": {"format": "rle", "rle": […], "brushlabels": ["Dog"]}}
    {"id": "f628e28c", "type": "choices", "from_name": "pclass", "to_name": "image", "value": {"choices": ["Red"]}}

With <Polygon name="poly"/> and <Labels name="what"> the first of them is two:

    {"id": …, "type": "polygon", "from_name": "poly", …, "value": {"points": [[10, 20], …], "closed": true}}
    {"id": …, "type": "labels", "from_name": "what", "to_name": "image", "value": {"points": …, "labels": ["Dog"]}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.errors import BadConfig, shorten
from backend.label_studio.config import ClassControl, Control, ImageConfig, ScoreControl
from backend.label_studio.results.labeled_region import LabeledRegion
from backend.label_studio.results.region_ids import new_region_id
from backend.label_studio.results.region_values import build_value

Result = dict[str, Any]

EMPTY_ANSWER: list[Any] = []
"""The answer for one task when there is nothing to say. An empty prediction object would be saved, and the task then
skipped for ever; an empty list is not."""


def build_results(
    regions: Sequence[LabeledRegion],
    config: ImageConfig,
    image_choices: Mapping[str, Sequence[str]] | None = None,
    *,
    tolerance: float = 1.0,
) -> list[Result]:
    """Build the result list of an answer: each region's mask, then its classes; at last those of the whole image.

    Args:
        regions: With masks (H, W) at the size of the upright image.
        config: Names the controls.
        image_choices: What is chosen for the whole image, by the name of the control.
        tolerance: How far a polygon may run from its mask, in pixels.

    Raises:
        BadConfig: A label or a choice that the labeling config has not got; Label Studio would save it without a word.
    """
    results = [result for region in regions for result in _region_results(region, config, tolerance)]
    for control in config.image_choices:
        if chosen := (image_choices or {}).get(control.name):
            results.append(_class_result(new_region_id(), chosen, control))
    return results


def build_prediction(results: Sequence[Result], model_version: str, score: float | None) -> dict[str, Any]:
    """A Label Studio prediction; `score` is clipped to 0..1, for SAM may think better of itself than that."""
    return {"result": list(results), "model_version": model_version, "score": _clip_score(score)}


def _region_results(region: LabeledRegion, config: ImageConfig, tolerance: float) -> list[Result]:
    control = _answer_control(region, config)
    results = _shape_results(region, control, tolerance)
    if not results:  # an empty mask, which a polygon cannot hold
        return []
    for classes in config.region_choices:
        if chosen := region.choices.get(classes.name):
            results.append(_class_result(region.region_id, chosen, classes))
    scores = [_score_result(region, shown) for shown in config.scores]
    return [*results, *(score for score in scores if score is not None)]


def _answer_control(region: LabeledRegion, config: ImageConfig) -> Control:
    """The control the region names, with the region's label; else the first that has the label."""
    named = [control for control in config.answers if control.name == region.control]
    found = next((control for control in named if region.label in control.label_names), None)
    return found or (named[0] if named else config.control_for(region.label))


def _shape_results(region: LabeledRegion, control: Control, tolerance: float) -> list[Result]:
    labels = [region.label] if control.label_names else []
    _check_known(labels, control.label_names, control.labels_name or control.name)
    height, width = region.mask.shape
    results = []
    for value in build_value(region.mask, control.kind, tolerance=tolerance):
        result: Result = {
            "id": region.region_id,
            "type": control.result_type,
            "from_name": control.name,
            "to_name": control.to_name,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": value,
        }
        if control.labels_name is None:
            value[control.result_type] = labels
        if region.score is not None:
            result["score"] = _clip_score(region.score)
        results.append(result)
    if results and control.labels_name and labels:
        value = {
            **results[0]["value"],
            "labels": labels,
        }  # Label Studio refuses predictions that do not repeat the shape
        results.append(_attribute(region.region_id, "labels", control.labels_name, control.to_name, value))
    return results


def _class_result(region_id: str, chosen: Sequence[str], control: ClassControl) -> Result:
    _check_known(chosen, control.label_names, control.name)
    value = {control.kind: [control.name_to_value(name) for name in chosen]}
    return _attribute(region_id, control.kind, control.name, control.to_name, value)


def _score_result(region: LabeledRegion, control: ScoreControl) -> Result | None:
    """The score as a number or a text; None where the region has none."""
    best = region.class_scores[0].score if region.class_scores else None
    score = _clip_score(best if control.of_class else region.score)
    if score is None:
        return None
    shown = round(score * control.max_value, 4)
    if control.step:
        shown = round(round(shown / control.step) * control.step, 10)
    value: dict[str, Any] = {"number": shown} if control.kind == "number" else {"text": [f"{shown:.3f}"]}
    return _attribute(region.region_id, control.kind, control.name, control.to_name, value)


def _attribute(region_id: str, kind: str, from_name: str, to_name: str, value: dict[str, Any]) -> Result:
    return {"id": region_id, "type": kind, "from_name": from_name, "to_name": to_name, "value": value}


def _check_known(names: Sequence[str], known_names: Sequence[str], control_name: str) -> None:
    for name in names:
        if name not in known_names:
            known = shorten(", ".join(known_names))
            where = f'the control "{shorten(control_name)}" of the labeling config'
            message = f'"{shorten(name)}" is not in {where}, which has: {known}.'
            raise BadConfig(message, remedy="Add it to the labeling config, or answer with one of these.")


def _clip_score(score: float | None) -> float | None:
    return None if score is None else min(max(float(score), 0.0), 1.0)
