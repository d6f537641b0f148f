"""That corrections correct: the demo SAM on held-out scenes, whose true masks are known."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from backend.engine import EncodedImage, ImageLabeler
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.models.checkpoints import load_into
from backend.models.registry import DEMO_SAM
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.predict.correctable_masks import distance_of_points
from backend.values import Prompt
from scripts.demo_world.evaluate_sam import corrective_click
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene

SCENES = 10
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Correction:
    """IoU with the truth: after the first click, after a second one with and without the first answer's mask."""

    first: float
    corrected: float
    anew: float
    is_beside: bool


@pytest.fixture(scope="module")
def corrections() -> list[Correction]:
    """As a person does it who accepted the first answer: the second click comes alone, at the largest wrong part."""
    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    segmenter = SamSegmenter(model, device="cpu")
    labeler = ImageLabeler(segmenter, None)
    found = []
    for seed in range(HELD_OUT_SEED, HELD_OUT_SEED + SCENES):
        scene = make_scene(seed)
        file = io.BytesIO()
        Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
        image = SourceImage(file.getvalue())
        encoded = EncodedImage(image, segmenter.encode(image.pixels))
        found += [_correct(labeler, encoded, item.mask) for item in scene.objects]
    return found


def _correct(labeler: ImageLabeler, image: EncodedImage, truth: np.ndarray) -> Correction:
    first = labeler.segment(image, Prompt((click_point(truth),), (1,)))[0].mask
    where, label = corrective_click(first, truth)
    click = Prompt((where,), (label,))
    masks = first, labeler.refine(image, click, first).mask, labeler.segment(image, click)[0].mask
    return Correction(*(mask_iou(mask, truth) for mask in masks), np.isfinite(distance_of_points(click, first)))


def test_a_corrective_click_with_the_mask_improves_the_mean_iou(corrections: list[Correction]) -> None:
    first, corrected, anew = (
        np.mean([getattr(c, name) for c in corrections]) for name in ("first", "corrected", "anew")
    )
    assert len(corrections) >= 40
    assert corrected > first + 0.01 and corrected > anew + 0.3, (first, corrected, anew)


def test_it_improves_most_where_the_first_answer_was_bad(corrections: list[Correction]) -> None:
    bad = [c for c in corrections if c.first < 0.9]
    assert len(bad) >= 10
    assert np.mean([c.corrected - c.first for c in bad]) > 0.04


def test_most_corrective_clicks_are_taken_for_corrections(corrections: list[Correction]) -> None:
    assert np.mean([c.is_beside for c in corrections]) >= 0.8
