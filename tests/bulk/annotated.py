"""Annotated tasks as Label Studio exports them, and the mixed project of boxes, masks and key points."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.bulk import Collected, ControlChoice, collect
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.label_studio.results import build_value
from backend.values import Mask, Size

Json = dict[str, Any]
SIZE = Size(40, 20)
OWN_ID = "0123456789abcdef"  # as this backend makes them
MIXED = """
<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image">
    <Label value="cat"/><Label value="dog"/><Label value="sign"/>
  </RectangleLabels>
  <RectangleLabels name="drag" toName="image" smart="true" smartOnly="true"><Label value="cat"/></RectangleLabels>
  <KeyPointLabels name="point" toName="image"><Label value="cat"/><Label value="nose" model_index="1"/></KeyPointLabels>
  <KeyPointLabels name="click" toName="image" smartOnly="true"><Label value="cat"/></KeyPointLabels>
  <KeyPointLabels name="pose" toName="image" smart="false">
    <Label value="nose" model_index="1"/><Label value="tail" model_index="0"/>
  </KeyPointLabels>
  <PolygonLabels name="outline" toName="image"><Label value="cat"/><Label value="dog"/></PolygonLabels>
  <BrushLabels name="mask" toName="image"><Label value="cat" background="#ff0000"/><Label value="dog"/></BrushLabels>
</View>
"""


def block(left: int, top: int, width: int, height: int) -> Mask:
    mask = np.zeros((SIZE.height, SIZE.width), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def result(kind: str, control: str, value: Json, label: str | None = "cat", region_id: str = "r1", **more: Any) -> Json:
    return {
        "original_width": SIZE.width,
        "original_height": SIZE.height,
        "image_rotation": 0,
        "id": region_id,
        "type": f"{kind}labels",
        "from_name": control,
        "to_name": "image",
        "origin": "manual",
        "value": {**value, **({} if label is None else {f"{kind}labels": [label]})},
        **more,
    }


def brush(mask: Mask, label: str | None = "cat", region_id: str = "m1", **more: Any) -> Json:
    return result("brush", "mask", build_value(mask, "brush", tolerance=1)[0], label, region_id, **more)


def box(left: int, top: int, width: int, height: int, **more: Any) -> Json:
    """A rectangle in pixels, of the control "box" unless `control` is another."""
    value = {"x": left / 0.4, "y": top / 0.2, "width": width / 0.4, "height": height / 0.2, "rotation": 0}
    return result("rectangle", more.pop("control", "box"), value, **more)


def point(x: float, y: float, **more: Any) -> Json:
    """A key point in pixels, of the control "point" unless `control` is another."""
    return result("keypoint", more.pop("control", "point"), {"x": x / 0.4, "y": y / 0.2, "width": 0.3}, **more)


def annotation(*results: Json, number: int = 1, **more: Any) -> Json:
    return {"id": number, "result": list(results), "was_cancelled": False, **more}


def task(number: int, *annotations: Json, **more: Any) -> Json:
    return {"id": number, "data": {"image": f"/data/{number}.png"}, "annotations": list(annotations), **more}


def no_size(image: TaskImage) -> Size:
    raise AssertionError(f"task {image.task_id}: nobody should have to look at the image")


def read(*tasks: Any, keep: str = "", drop: str = "", config: str = MIXED, **options: Any) -> Collected:
    """Read tasks; `keep` and `drop` are names of controls."""
    controls = ControlChoice(frozenset(keep.split()), frozenset(drop.split()))
    return collect(tasks, parse_labeling_config(config), no_size, controls, **options)
