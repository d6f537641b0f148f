"""What becomes of a detector's boxes with the committed checkpoints, on the first of the scenes that are measured.

`python -m scripts.demo_world.evaluate_boxes` measures all; docs/text_prompts.md has the figures. Some scenes have
objects that others cover, so fewer scenes say little.
"""

from __future__ import annotations

import pytest

from scripts.demo_world.evaluate import RENDERERS
from scripts.demo_world.evaluate_boxes import FIRST, measure
from scripts.demo_world.scenes import HELD_OUT_SEED

_SCENES = 20
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("renderer", RENDERERS)
def test_noisy_boxes_become_masks_of_their_objects_with_the_class_of_the_text(renderer: str) -> None:
    first = HELD_OUT_SEED + FIRST
    found = measure(RENDERERS[renderer], range(first, first + _SCENES), 0.1)
    assert len(found.ious) >= 60
    assert found.mean_iou >= 0.9, found
    assert found.wrong <= 0.05 * found.masks, found
