"""Regions → results and predictions. `parse.parse_regions` reads what `build_results` writes.

A region is several results with one id: the shape, the label if the control stores it separately, the per-region
classes and the score. The shape comes first; a choice before it breaks the region in the browser:

    {"id": "f628e28c", "type": "brushlabels", "from_name": "brush", "to_name": "image", "original_width": 640,
     "original_height": 480, "image_rotation": 0, "score": 0.9,
     "value": {"format": "rle", "rle": […], "brushlabels": ["Dog"]}}
    {"id": "f628e28c", "type": "choices", "from_name": "pclass", "to_name": "image", "value": {"choices": ["Red"]}}

With <Polygon name="poly"/> and <Labels name="what"> there are two results in place of the first:

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
from backend.label_studio.results.region_notes import build_meta
from backend.label_studio.results.region_values import build_value

Result = dict[str, Any]

EMPTY_ANSWER: list[Any] = []
"""The answer for a task without regions. Label Studio would save an empty prediction object and skip the task from
then on; it does not save an empty list."""


def build_results(
    regions: Sequence[LabeledRegion],
    config: ImageConfig,
    image_choices: Mapping[str, Sequence[str]] | None = None,
    *,
    tolerance: float = 1.0,
) -> list[Result]:
    """Build the result list of an answer: each region's mask, then its classes; at the end those of the whole image.

    Args:
        regions: Their masks (H, W) have the size of the upright image.
        config: Labeling config with the controls.
        image_choices: Choices for the whole image by the name of their control.
        tolerance: Maximum distance of a polygon from its mask, in pixels.

    Raises:
        BadConfig: A label or choice that is not in the labeling config; Label Studio would save it without an error.
    """
    results = [result for region in regions for result in _region_results(region, config, tolerance)]
    for control in config.image_choices:
        if chosen := (image_choices or {}).get(control.name):
            results.append(_class_result(new_region_id(), chosen, control))
    return results


def build_prediction(results: Sequence[Result], model_version: str, score: float | None) -> dict[str, Any]:
    """Build a Label Studio prediction. `score` is clipped to 0..1, because SAM's predicted IoU may exceed 1."""
    return {"result": list(results), "model_version": model_version, "score": _clip_score(score)}


def _region_results(region: LabeledRegion, config: ImageConfig, tolerance: float) -> list[Result]:
    control = control_of(region, config)
    results = _shape_results(region, control, tolerance)
    if not results:  # an empty mask, which a polygon cannot represent
        return []
    for classes in config.region_choices:
        if chosen := region.choices.get(classes.name):
            results.append(_class_result(region.region_id, chosen, classes))
    scores = [_score_result(region, shown) for shown in config.scores]
    return [*results, *(score for score in scores if score is not None)]


def control_of(region: LabeledRegion, config: ImageConfig) -> Control:
    """Return the control that carries a region: the one that it names, if possible with its label, else the first with
    the label."""
    named = config.answers_of(region.control)
    labeled = next((control for control in named if control.has_label(region.label)), None)
    return labeled or (named[0] if named else config.control_for(region.label))


def _shape_results(region: LabeledRegion, control: Control, tolerance: float) -> list[Result]:
    others = region.other_labels if control.takes_several else ()
    labels = [region.label, *filter(control.has_label, others)] if control.label_names else []
    _check_known(labels, control, control.labels_name or control.name)
    height, width = region.mask.shape
    results = []
    ring = None if region.outline is None else region.outline.ring
    for value in build_value(region.mask, control.kind, tolerance=tolerance, ring=ring):
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
        if region.notes:
            result["meta"] = build_meta(region.notes)
        if region.score is not None:
            result["score"] = _clip_score(region.score)
        results.append(result)
    if results and control.labels_name and labels:
        value = {**results[0]["value"], "labels": labels}  # Label Studio refuses predictions that omit the shape here
        results.append(_attribute(region.region_id, "labels", control.labels_name, control.to_name, value))
    return results


def _class_result(region_id: str, chosen: Sequence[str], control: ClassControl) -> Result:
    _check_known(chosen, control, control.name)
    value = {control.kind: [control.name_to_value(name) for name in chosen]}
    return _attribute(region_id, control.kind, control.name, control.to_name, value)


def _score_result(region: LabeledRegion, control: ScoreControl) -> Result | None:
    """Build the result of a score as a number or a text; None if the region has no score."""
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


def _check_known(names: Sequence[str], control: Control, control_name: str) -> None:
    for name in names:
        if not control.has_label(name):
            known = shorten(", ".join(control.label_names))
            where = f'the control "{shorten(control_name)}" of the labeling config'
            message = f'"{shorten(name)}" is not in {where}, which has: {known}.'
            raise BadConfig(message, remedy="Add it to the labeling config, or use one of these.")


def _clip_score(score: float | None) -> float | None:
    return None if score is None else min(max(float(score), 0.0), 1.0)
