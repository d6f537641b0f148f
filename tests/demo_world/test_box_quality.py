"""Masks of boxes with the committed checkpoint: true boxes with noise, as a detector gives them, on held-out scenes."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry import mask_iou, mask_to_box
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import ImageBoxes, LabeledBox
from backend.predict.box_masks import masks_of_boxes
from backend.projects import DEFAULTS
from backend.values import Box, Mask
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.evaluate import RENDERERS, UNSEEN
from scripts.demo_world.evaluate_text import build_engine
from scripts.demo_world.scenes import CLASS_NAMES, HELD_OUT_SEED

pytestmark = pytest.mark.slow
SCENES = 8
FIRST = HELD_OUT_SEED + UNSEEN + 900
NOISE = 0.05  # of the box's side, standard deviation of each edge
LABELS = "".join(f'<Label value="{name}"/>' for name in CLASS_NAMES)
XML = f'<View><Image name="i" value="$i"/><BrushLabels name="b" toName="i">{LABELS}</BrushLabels></View>'
CONFIG = parse_labeling_config(XML).images[0]


def shake(mask: Mask, random: np.random.Generator) -> Box:
    """The box around a mask, each edge moved by noise."""
    box = mask_to_box(mask)
    assert box is not None
    left, top, right, bottom = box
    across, down = NOISE * (right - left), NOISE * (bottom - top)
    moved = np.array(box) + random.normal(0, 1, 4) * [across, down, across, down]
    return tuple(float(edge) for edge in moved)  # type: ignore[return-value]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_boxes_of_a_detector_become_the_masks_of_their_objects(renderer: str) -> None:
    engine, random = build_engine(), np.random.default_rng(7)
    ious, lost = list[float](), list[str]()
    for number in range(SCENES):
        scene = RENDERERS[renderer](FIRST + number)
        encoded = engine.encode(SourceImage(encode_png(scene)))
        boxes = tuple(LabeledBox(shake(item.mask, random), item.class_name, 0.75) for item in scene.objects)
        regions = masks_of_boxes(engine.labeler, encoded, ImageBoxes(boxes), CONFIG, DEFAULTS, lost.append)
        assert [region.label for region in regions] == [item.class_name for item in scene.objects]
        ious += [mask_iou(region.mask, item.mask) for region, item in zip(regions, scene.objects, strict=True)]
    print(f"{renderer}: mean IoU {np.mean(ious):.3f}, lowest {min(ious):.3f}, {len(ious)} objects")
    assert lost == [] and len(ious) >= 30
    assert np.mean(ious) >= 0.90
