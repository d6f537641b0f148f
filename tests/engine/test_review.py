"""Trust in a mask: how well SAM's answers to its box and to a click inside it agree with it, times p(class)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from backend.engine import ImageLabeler, trust_in
from backend.engine.review import measure_agreement
from backend.values import Candidate, ClassScore, ImageEmbedding, Mask, Prompt, Size
from tests.fakes import FakeSegmenter, encoded, png


def rectangle(left: int, top: int, right: int, bottom: int, *, width: int = 40, height: int = 30) -> Mask:
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def embedding_of(width: int, height: int) -> ImageEmbedding:
    return FakeSegmenter().encode(np.zeros((height, width, 3), np.uint8))


def agreement(masks: Sequence[Mask], segmenter: FakeSegmenter) -> list[float]:
    height, width = masks[0].shape
    return measure_agreement(segmenter, embedding_of(width, height), masks)


def test_agreement_is_the_mean_iou_with_the_answers_to_the_box_and_to_a_click_inside() -> None:
    # the fake fills the box, and draws 5x5 around a click
    square, ten, corner = rectangle(3, 3, 8, 8), rectangle(5, 5, 15, 15), rectangle(20, 10, 30, 20)
    corner[10:15, 20:25] = False  # three of four quarters: the box has 100 pixels, the mask 75
    segmenter = FakeSegmenter()
    first, second, third = agreement([square, ten, corner], segmenter)
    assert first == 1
    assert second == pytest.approx((1 + 25 / 100) / 2)
    in_corner = (corner & _drawn(segmenter.decoded[-1])).sum()
    assert third == pytest.approx((75 / 100 + in_corner / (75 + 25 - in_corner)) / 2)


def _drawn(click: Prompt) -> Mask:
    (x, y) = (int(value) for value in click.point_coords[0])
    return rectangle(x - 2, y - 2, x + 3, y + 3)


def test_the_prompts_are_the_box_and_a_click_deep_inside_and_never_the_mask() -> None:
    segmenter = FakeSegmenter()
    agreement([rectangle(4, 6, 13, 17)], segmenter)
    box, click = segmenter.decoded
    assert (box.box_xyxy, box.point_coords, box.mask_logits) == ((4, 6, 13, 17), (), None)
    ((x, y),) = click.point_coords
    assert (click.point_labels, click.box_xyxy, click.mask_logits) == ((1,), None, None)
    assert min(x - 4, 13 - x, y - 6, 17 - y) == pytest.approx(4.5)  # as far from the border as can be


def test_an_answer_that_is_not_the_mask_lowers_the_agreement_of_that_mask_only() -> None:
    class Elsewhere(FakeSegmenter):
        """For boxes at the left it answers what lies beside them."""

        def decode(self, embedding: ImageEmbedding, prompt: Prompt, **options: object) -> list[Candidate]:
            (candidate, *_) = super().decode(embedding, prompt)
            is_left = prompt.box_xyxy is not None and prompt.box_xyxy[0] < 10
            return [Candidate(np.roll(candidate.mask, 20, axis=1) if is_left else candidate.mask, candidate.score)]

    left, right = agreement([rectangle(3, 3, 8, 8), rectangle(20, 3, 25, 8)], Elsewhere())
    assert (left, right) == (0.5, 1)


def test_masks_of_a_large_image_are_compared_at_a_reduced_size() -> None:
    class Recording(FakeSegmenter):
        def decode(self, embedding: ImageEmbedding, prompt: Prompt, **options: object) -> list[Candidate]:
            sizes.append(embedding.original_size)
            return super().decode(embedding, prompt)

    sizes: list[Size] = []
    segmenter = Recording()
    wide = rectangle(400, 800, 800, 1200, width=4000, height=3000)  # 7 pixels become one
    (share,) = agreement([wide], segmenter)
    box, click = segmenter.decoded
    assert set(sizes) == {Size(571, 429)}
    assert box.box_xyxy == pytest.approx((400 / 7, 800 / 7, 800 / 7, 1200 / 7))
    assert click.point_coords[0] == pytest.approx((600 / 7, 1000 / 7), abs=1)
    assert share == pytest.approx((1 + 25 / (400 / 7) ** 2) / 2, abs=0.02)


def test_a_mask_that_vanishes_at_the_reduced_size_is_not_trusted() -> None:
    speck = rectangle(0, 0, 2, 2, width=4000, height=3000)
    assert agreement([speck], FakeSegmenter()) == [0]


def test_without_masks_sam_is_not_asked() -> None:
    segmenter = FakeSegmenter()
    assert ImageLabeler(segmenter, None).measure_agreement(encoded(png(40, 30)), []) == []
    assert segmenter.decoded == []


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="An empty mask has neither a box nor an inner point"):
        agreement([rectangle(0, 0, 0, 0)], FakeSegmenter())


def test_trust_is_agreement_times_the_probability_of_the_best_class() -> None:
    assert trust_in(0.8, (ClassScore("red ring", 0.5), ClassScore("red circle", 0.3))) == pytest.approx(0.4)
    assert trust_in(0.8, ()) == 0.8  # without CLIP there is nothing to doubt in the class
