"""Key points → results. `drawn_regions.key_point_xy` reads what `build_key_point` writes.

    {"id": "…", "type": "keypointlabels", "from_name": "pose", "to_name": "image", "original_width": 640,
     "original_height": 480, "image_rotation": 0, "parentID": "f628e28c",
     "value": {"x": 25.0, "y": 24.9, "width": 0.25, "keypointlabels": ["nose"]}}

With a plain <KeyPoint name="pose"/> and <Labels name="what"> the type is "keypoint", and a second result has the label.
There is no `is_positive`: it marks clicks of the smart tool.
"""

from __future__ import annotations

from typing import Any

from backend.geometry import pixel_to_percent
from backend.label_studio.config import Control
from backend.values import Size

WIDTH_PERCENT = 0.25  # of the dot in the page


def build_key_point(
    region_id: str, label: str, xy: tuple[float, float], size: Size, control: Control, parent_id: str = ""
) -> list[dict[str, Any]]:
    """Build the results of a key point.

    Args:
        xy: In pixels of the upright image.
        size: Of the image.
        control: Has the label.
        parent_id: Id of the region that it belongs to; "" for none.
    """
    value: dict[str, Any] = {
        "x": pixel_to_percent(xy[0], size.width),
        "y": pixel_to_percent(xy[1], size.height),
        "width": WIDTH_PERCENT,
    }
    result: dict[str, Any] = {
        "id": region_id,
        "type": control.result_type,
        "from_name": control.name,
        "to_name": control.to_name,
        "original_width": size.width,
        "original_height": size.height,
        "image_rotation": 0,
        "value": value,
    }
    if parent_id:
        result["parentID"] = parent_id
    if control.labels_name is None:
        value[control.result_type] = [label]
        return [result]
    if not control.labels_name:
        return [result]
    labeled = {**result, "type": "labels", "from_name": control.labels_name, "value": {**value, "labels": [label]}}
    return [result, labeled]
