"""Search by example with the committed checkpoints, on few scenes that nothing was trained or tuned on.

`python -m scripts.demo_world.evaluate_similar` measures many; docs/text_prompts.md has the figures.
"""

from __future__ import annotations

import pytest

from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.evaluate_similar import FIRST, KINDS, measure
from scripts.demo_world.evaluate_text import build_engine
from scripts.demo_world.scenes import HELD_OUT_SEED

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("make_scene", "min_recall", "min_precision"),
    [(scenes.make_scene, 0.75, 0.85), (second_renderer.make_scene, 0.5, 0.75)],  # see docs/text_prompts.md
)
def test_one_accepted_mask_finds_the_others_of_its_class(make_scene, min_recall: float, min_precision: float) -> None:
    found = measure(build_engine(), make_scene, KINDS[::6], HELD_OUT_SEED + FIRST + 5000)
    assert found.objects >= 50, found
    assert found.recall >= min_recall, found
    assert found.precision >= min_precision, found
