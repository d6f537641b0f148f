"""Scenes of the demo world with the true boxes of their objects, and the masks that should be made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.geometry import mask_iou, mask_to_box
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.values import Mask
from scripts.demo_world.scenes import CLASS_NAMES, Scene

Json = dict[str, Any]
LABELS = "".join(f'<Label value="{name}"/>' for name in CLASS_NAMES)
XML = f"""<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image">{LABELS}</RectangleLabels>
<BrushLabels name="brush" toName="image">{LABELS}</BrushLabels></View>"""
CONFIG = parse_labeling_config(XML)


def xywh(mask: Mask) -> list[float]:
    box = mask_to_box(mask)
    assert box is not None
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]


def rectangles(scene: Scene, prefix: str = "r") -> list[Json]:
    """The true boxes of a scene as the page saves rectangles."""
    size = {"original_width": scene.size.width, "original_height": scene.size.height, "image_rotation": 0}
    results = []
    for place, item in enumerate(scene.objects):
        left, top, width, height = xywh(item.mask)
        across, down = 100 / scene.size.width, 100 / scene.size.height
        value = {"x": left * across, "y": top * down, "width": width * across, "height": height * down, "rotation": 0}
        value |= {"rectanglelabels": [item.class_name]}
        shape = {"type": "rectanglelabels", "from_name": "box", "to_name": "image"}
        results.append({"id": f"{prefix}{place}", **shape, **size, "value": value})
    return results


def check_masks(results: list[Json], scene: Scene) -> None:
    """Check that a prediction has a mask with the right label for each object of the scene, in order."""
    regions, objects = parse_regions(results, CONFIG.images[0]), scene.objects
    assert [region.label for region in regions] == [item.class_name for item in objects]
    ious = [mask_iou(region.mask, item.mask) for region, item in zip(regions, objects, strict=True)]
    assert np.mean(ious) >= 0.85, ious
