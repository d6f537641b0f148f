"""Prompts in percent → prompts in pixels.

Label Studio sends a prompt as a result: x, y, width, height in percent of the upright image, `is_positive` beside
`value` (missing means positive). `context.result` holds all prompts of one kind and one label at once, so the keypoints
of a list are one object and every rectangle is one. A plain `KeyPoint` or `Rectangle` has its label in a second result
(see `labels`), or none.

    {"original_width": 640, "original_height": 480, "value": {"x": 25.0, "y": 50.0, "keypointlabels": ["Dog"]},
     "is_positive": false, "from_name": "kp", "type": "keypointlabels", …}     is the background point (160, 240)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import BadPrompt, BadRequest, shorten
from backend.geometry import percent_to_pixel
from backend.label_studio.config import Control, ImageConfig
from backend.label_studio.results import KEYPOINT, RECTANGLE, join_labels, kind_of, kind_of_region, label_of
from backend.values import Box, Prompt, Size

MOST_PROMPTS = 500  # points and boxes in one request, each of which costs SAM's decoder a run
HAIR_PERCENT = 0.1  # rounding in the browser may put a point at the border this far outside
SEND_REMEDY = "Send what Label Studio sends to an ML backend: tasks, label_config and params.context."


@dataclass(frozen=True)
class LabeledPrompt:
    """A prompt, the label that was picked for it, and the size of the image it was drawn on, whose pixels it is in.

    `label` is "" where nothing was picked, as a plain control allows.
    """

    prompt: Prompt
    label: str
    drawn_size: Size


def parse_prompts(results: Sequence[Mapping[str, Any]], config: ImageConfig) -> tuple[LabeledPrompt, ...]:
    """Keypoints of one label and size become one prompt, each rectangle becomes one.

    Results without a point or a box are passed over: accepted masks that Label Studio files under the keypoint control
    (its "mixed" results) come along with the prompts.

    Raises:
        BadPrompt: No keypoint and no rectangle among the results, one that cannot be answered, or more than
            `MOST_PROMPTS`.
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
    if count > MOST_PROMPTS:
        message = f"{count} points and boxes came at once, more than the {MOST_PROMPTS} that are answered."
        raise BadPrompt(message, remedy="Accept or reject what is suggested before you go on.")
    prompts += [LabeledPrompt(_points_prompt(group, size), label, size) for (label, size), group in points.items()]
    if results and not any(kind_of_region(result) in (KEYPOINT, RECTANGLE) for result in results):
        kinds = shorten(", ".join(sorted({shorten(result.get("type")) for result in results})))
        remedy = "Draw a smart keypoint or a smart rectangle (KeyPointLabels, RectangleLabels with smart)."
        raise BadPrompt(f"A prompt of the kind {kinds} cannot be answered.", remedy=remedy)
    return tuple(prompts)


def _points_prompt(results: Sequence[Mapping[str, Any]], size: Size) -> Prompt:
    coords = tuple(_point(_value(result), size) for result in results)
    return Prompt(coords, tuple(1 if _is_positive(result) else 0 for result in results))


def _is_positive(result: Mapping[str, Any]) -> bool:
    positive = result.get("is_positive", True)
    if not isinstance(positive, bool):
        message = f'A point has "is_positive" {_show(positive)} instead of true or false.'
        raise BadPrompt(message, remedy="Send true for what belongs to the object and false for what does not.")
    return positive


def _point(value: Mapping[str, Any], size: Size) -> tuple[float, float]:
    x, y = _number(value, "x"), _number(value, "y")
    if not all(-HAIR_PERCENT <= percent <= 100 + HAIR_PERCENT for percent in (x, y)):
        message = f"The point ({x:g} %, {y:g} %) lies outside the image."
        raise BadPrompt(message, remedy="Delete it and click inside the image.")
    return percent_to_pixel(_clip(x), size.width), percent_to_pixel(_clip(y), size.height)


def _box(value: Mapping[str, Any], size: Size) -> Box:
    """The box around a rectangle, clipped to the image; `rotation` turns it clockwise about its top left corner."""
    left, top = percent_to_pixel(_number(value, "x"), size.width), percent_to_pixel(_number(value, "y"), size.height)
    width = percent_to_pixel(_number(value, "width"), size.width)
    height = percent_to_pixel(_number(value, "height"), size.height)
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
        message = f"The rectangle at ({value['x']:g} %, {value['y']:g} %) lies outside the image."
        raise BadPrompt(message, remedy="Delete it and draw it inside the image.")
    return box


def _label(result: Mapping[str, Any], config: ImageConfig) -> str:
    """The picked label, checked against the control it came from; "" where a plain control was used without one."""
    controls = _prompt_controls(result, config)
    label = label_of(result) or _first(_value(result).get("labels"))
    if label is None:
        if controls[0].labels_name is not None:
            return ""
        raise BadPrompt("A prompt has no label.", remedy="Pick a label before you click.")
    if not any(label in control.label_names for control in controls):
        name, known = controls[0].name, shorten(", ".join(name for one in controls for name in one.label_names))
        message = f'The label "{shorten(label)}" is not in the control "{shorten(name)}", which has: {known}.'
        raise BadPrompt(message, remedy="Reload the page: the labeling config has changed. Or add the label to it.")
    return label


def _first(labels: object) -> str | None:
    return str(labels[0]) if isinstance(labels, list) and labels else None


def _prompt_controls(result: Mapping[str, Any], config: ImageConfig) -> list[Control]:
    """The control that sent a prompt; a plain one once for each Labels control beside it."""
    controls = config.keypoints if kind_of_region(result) == KEYPOINT else config.rectangles
    name = result.get("from_name")
    found = [control for control in controls if control.name == name]
    if found:
        return found
    known = shorten(", ".join(control.name for control in controls)) or "none"
    message = f'The prompt comes from the control "{shorten(name)}", but the controls of its kind are: {known}.'
    raise BadPrompt(message, remedy="Reload the page: the labeling config has changed.")


def _drawn_size(result: Mapping[str, Any]) -> Size:
    width, height = result.get("original_width"), result.get("original_height")
    if not (_is_side(width) and _is_side(height)):
        message = f"A prompt was drawn on an image of {shorten(width)} x {shorten(height)} pixels."
        raise BadPrompt(message, remedy="Send original_width and original_height, whole numbers from 1 on.")
    return Size(int(width), int(height))  # type: ignore[arg-type]


def _is_side(side: object) -> bool:
    if isinstance(side, bool):
        return False
    return side >= 1 if isinstance(side, int) else isinstance(side, float) and side >= 1 and side.is_integer()


def _number(value: Mapping[str, Any], key: str, default: float | None = None) -> float:
    number = value.get(key, default)
    if isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number):
        return float(number)
    message = f'A prompt has "{key}" {_show(number)} instead of a number.'
    raise BadPrompt(message, remedy="Delete it and draw it anew.")


def _show(value: object) -> str:
    return shorten(value if isinstance(value, int) else repr(value))


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value") if isinstance(result, Mapping) else None
    if not isinstance(value, Mapping):
        raise BadRequest(f'A prompt has "value" {kind_of(value)}, not an object.', remedy=SEND_REMEDY)
    return value


def _clip(percent: float) -> float:
    return min(max(percent, 0.0), 100.0)
