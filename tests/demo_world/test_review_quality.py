"""The order of review with the committed checkpoints, on few scenes that nothing was trained or tuned on.

`python -m scripts.demo_world.evaluate_review` measures many; docs/reviewing.md has the figures.
"""

from __future__ import annotations

import numpy as np
import pytest

from backend.engine import ImageLabeler
from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.evaluate import load_demo_clip
from scripts.demo_world.evaluate_review import FIRST, VOCABULARY, review_scene
from scripts.demo_world.evaluate_text import build_engine
from scripts.demo_world.review_queues import summarize
from scripts.demo_world.scenes import HELD_OUT_SEED

pytestmark = pytest.mark.slow
SCENES = 10


@pytest.mark.parametrize("make_scene", [scenes.make_scene, second_renderer.make_scene])
def test_the_first_quarter_of_the_masks_holds_most_of_the_errors(make_scene) -> None:
    engine = build_engine()
    labeler = ImageLabeler(engine.segmenter, load_demo_clip(), top_k=len(VOCABULARY))
    first = HELD_OUT_SEED + FIRST + 5000
    figures = summarize(
        [review_scene(engine, labeler, make_scene(first + n), np.random.default_rng(n)) for n in range(SCENES)]
    )
    assert figures["masks"] >= 35, figures
    assert figures["review"]["found"] >= 0.75 * figures["review"]["best"], figures
    assert figures["review"]["auroc"] >= 0.9, figures
    assert figures["review"]["found"] > figures["formulas"]["SAM's own score"]["found"] + 0.2, figures
