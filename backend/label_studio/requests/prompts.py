"""Prompts in percent → prompts in pixels.

Label Studio sends a prompt as a result: x, y, width and height in percent of the upright image, and `is_positive` next
to `value` (missing means positive). `context.result` holds all prompts of one kind and label: its keypoints are one
object together, and each rectangle is one object. A plain `KeyPoint` or `Rectangle` has its label in a second result
(see `results.join_labels`), or no label.

    {"original_width": 640, "original_height": 480, "value": {"x": 25.0, "y": 50.0, "keypointlabels": ["Dog"]},
     "is_positive": false, "from_name": "kp", "type": "keypointlabels", …}     → background point (160, 240)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import BadPrompt, BadRequest, shorten
from backend.geometry import percent_to_pixel
from backend.label_studio.config import Control, ImageConfig
from backend.label_studio.results import (
    KEYPOINT,
    MAX_PERCENT,
    MAX_SIDE,
    RECTANGLE,
    drawn_size_of,
    is_percent,
    join_labels,
    json_type_of,
    kind_of_region,
    label_of,
)
from backend.values import Box, Prompt, Size

MAX_PROMPTS = 200  # points and boxes per request, unless a setting changes it; each one is a run of SAM's decoder
BORDER_TOLERANCE_PERCENT = 0.1  # rounding in the browser can move a point on the border this far outside
SEND_REMEDY = "Send a request body as Label Studio does, with tasks, label_config and params.context."


@dataclass(frozen=True)
class LabeledPrompt:
    """Prompt with its label.

    Attributes:
        prompt: In pixels of an image of size `drawn_size`.
        label: The label that was picked; "" if none was, which a plain control allows.
        drawn_size: Size of the image that the prompt was drawn on.
    """

    prompt: Prompt
    label: str
    drawn_size: Size


def parse_prompts(
    results: Sequence[Mapping[str, Any]], config: ImageConfig, max_prompts: int = MAX_PROMPTS
) -> tuple[LabeledPrompt, ...]:
    """Parse results into prompts: one prompt per rectangle, and one for all keypoints of a label and image size.

    Results without a point or a box are skipped: Label Studio sends accepted masks along with the prompts if it stores
    them under the keypoint control (its "mixed" results).

    Raises:
        BadPrompt: No keypoint or rectangle among the results, an invalid one, or more than `max_prompts`.
    """
    points: dict[tuple[str, Size], list[Mapping[str, Any]]] = {}
    prompts: list[LabeledPrompt] = []
    for result in join_labels(results):
        value, kind = _value(result), kind_of_region(result)
        if kind not in (KEYPOINT, RECTANGLE) or "rle" in value:
            continue
        size, label = _drawn_size(result), _label(result, config)
        if kind == KEYPOINT:
            points.setdefault((label, size), []).append(result)
        else:
            prompts.append(LabeledPrompt(Prompt(box_xyxy=_box(value, size)), label, size))
    count = len(prompts) + sum(map(len, points.values()))
    if count > max_prompts:
        message = f"The request has {count} points and boxes; the maximum is {max_prompts}."
        remedy = "Accept or reject the suggestions on the page before you continue, or raise the backend's MAX_PROMPTS."
        raise BadPrompt(message, remedy=remedy)
    prompts += [LabeledPrompt(_points_prompt(group, size), label, size) for (label, size), group in points.items()]
    if results and not any(kind_of_region(result) in (KEYPOINT, RECTANGLE) for result in results):
        kinds = shorten(", ".join(sorted({shorten(result.get("type")) for result in results})))
        remedy = "Draw a smart keypoint or a smart rectangle (KeyPointLabels, RectangleLabels with smart)."
        raise BadPrompt(f"Prompts of type {kinds} are not supported.", remedy=remedy)
    return tuple(prompts)


def _points_prompt(results: Sequence[Mapping[str, Any]], size: Size) -> Prompt:
    coords = tuple(_point(_value(result), size) for result in results)
    return Prompt(coords, tuple(1 if _is_positive(result) else 0 for result in results))


def _is_positive(result: Mapping[str, Any]) -> bool:
    positive = result.get("is_positive", True)
    if not isinstance(positive, bool):
        message = f'"is_positive" of a point must be true or false, but is {_show(positive)}.'
        raise BadPrompt(message, remedy="Send true for a foreground point and false for a background point.")
    return positive


def _point(value: Mapping[str, Any], size: Size) -> tuple[float, float]:
    x, y = _number(value, "x"), _number(value, "y")
    if not all(-BORDER_TOLERANCE_PERCENT <= percent <= 100 + BORDER_TOLERANCE_PERCENT for percent in (x, y)):
        message = f"The point ({x:g} %, {y:g} %) lies outside the image."
        raise BadPrompt(message, remedy="Delete it and click inside the image.")
    return percent_to_pixel(_clip(x), size.width), percent_to_pixel(_clip(y), size.height)


def _box(value: Mapping[str, Any], size: Size) -> Box:
    """Return the box around a rectangle, clipped to the image; `rotation` is clockwise about the top left corner."""
    x, y, across_percent, down_percent = (_number(value, key) for key in ("x", "y", "width", "height"))
    left, top = percent_to_pixel(x, size.width), percent_to_pixel(y, size.height)
    width, height = percent_to_pixel(across_percent, size.width), percent_to_pixel(down_percent, size.height)
    if width <= 0 or height <= 0:
        message = f"The rectangle of {width:g}x{height:g} pixels has no area."
        raise BadPrompt(message, remedy="Delete it and draw it around the object.")
    angle = math.radians(_number(value, "rotation", 0.0))
    across = (width * math.cos(angle), width * math.sin(angle))
    down = (-height * math.sin(angle), height * math.cos(angle))
    xs = [left, left + across[0], left + down[0], left + across[0] + down[0]]
    ys = [top, top + across[1], top + down[1], top + across[1] + down[1]]
    box = (max(min(xs), 0.0), max(min(ys), 0.0), min(max(xs), float(size.width)), min(max(ys), float(size.height)))
    if box[0] >= box[2] or box[1] >= box[3]:
        message = f"The rectangle at ({x:g} %, {y:g} %) lies outside the image."
        raise BadPrompt(message, remedy="Delete it and draw it inside the image.")
    return box


def _label(result: Mapping[str, Any], config: ImageConfig) -> str:
    """Return the picked label, which must be in the control of the prompt; "" for a plain control without a label."""
    controls = _prompt_controls(result, config)
    label = label_of(result) or _first(_value(result).get("labels"))
    if label is None:
        if controls[0].labels_name is not None:
            return ""
        raise BadPrompt("A prompt has no label.", remedy="Pick a label before you click.")
    if not any(control.has_label(label) for control in controls):
        name, known = controls[0].name, shorten(", ".join(name for control in controls for name in control.label_names))
        message = f'The label "{shorten(label)}" is not in the control "{shorten(name)}", which has: {known}.'
        raise BadPrompt(message, remedy="Reload the page if the labeling config has changed, or add the label to it.")
    return label


def _first(labels: object) -> str | None:
    return str(labels[0]) if isinstance(labels, list) and labels else None


def _prompt_controls(result: Mapping[str, Any], config: ImageConfig) -> Sequence[Control]:
    """Return the control that sent a prompt; for a plain tag, one `Control` per Labels control of the image."""
    kind, name = kind_of_region(result), result.get("from_name")
    matching = config.senders(kind, name)
    if matching:
        return matching
    controls = config.keypoints if kind == KEYPOINT else config.rectangles
    known = shorten(", ".join(control.name for control in controls)) or "none"
    message = f'The labeling config has no {kind} control "{shorten(name)}" for the image (available: {known}).'
    raise BadPrompt(message, remedy="Reload the page, because the labeling config has changed.")


def _drawn_size(result: Mapping[str, Any]) -> Size:
    size = drawn_size_of(result)
    if size is None:
        width, height = shorten(result.get("original_width")), shorten(result.get("original_height"))
        message = f"A prompt was drawn on an image of {width} x {height} pixels."
        raise BadPrompt(message, remedy=f"Send original_width and original_height, whole numbers from 1 to {MAX_SIDE}.")
    return size


def _number(value: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """Read a coordinate or a side in percent, or the rotation in degrees."""
    number = value.get(key, default)
    if is_percent(number):
        return float(number)
    limits = f"{-MAX_PERCENT:g} to {MAX_PERCENT:g}"
    message = f'"{key}" of a prompt must be a number from {limits}, but is {_show(number)}.'
    raise BadPrompt(message, remedy="Delete it and draw it again.")


def _show(value: object) -> str:
    """Format a value of the wrong type for a message."""
    if value is None:
        return "null"
    return shorten(value if isinstance(value, int) else repr(value))


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value") if isinstance(result, Mapping) else None
    if not isinstance(value, Mapping):
        raise BadRequest(f'"value" of a prompt must be an object, but is {json_type_of(value)}.', remedy=SEND_REMEDY)
    return value


def _clip(percent: float) -> float:
    return min(max(percent, 0.0), 100.0)
