"""Which masks look like exemplars, on features made by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from backend.engine.similar_masks import match_exemplars, pick_similar, pick_unlabeled, prefer_parts

SCALE = 10.0
AXES = np.eye(6, dtype=np.float32)


def turned(first: int, second: int, cosine: float) -> np.ndarray:
    """A unit vector between two axes."""
    return cosine * AXES[first] + math.sqrt(1 - cosine**2) * AXES[second]


def square(x: int, y: int, side: int = 4) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def rectangle(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def test_two_masks_of_one_class_with_close_features_look_alike() -> None:
    exemplars, masks = AXES[:1], np.stack([turned(0, 5, 0.9), turned(1, 5, 0.9)])
    similarity = match_exemplars(exemplars, masks, AXES[:2], SCALE)
    # of two classes with logits 10 and 0, and 9 and 0: the Bhattacharyya coefficient by hand
    one, other = 1 / (1 + math.exp(-10)), 1 / (1 + math.exp(-9))
    agreement = math.sqrt(one * other) + math.sqrt((1 - one) * (1 - other))
    assert similarity[0, 0] == pytest.approx(0.9 * agreement, abs=1e-6)
    assert similarity[1, 0] == 0  # another class


def test_the_same_class_is_not_enough_where_the_features_are_far_apart() -> None:
    mask = turned(0, 4, 0.64)[None]
    assert match_exemplars(turned(0, 5, 1.0)[None], mask, AXES[:2], SCALE) == 0
    assert match_exemplars(turned(0, 5, 1.0)[None], turned(0, 4, 0.66)[None], AXES[:2], SCALE) > 0.6


def test_close_features_are_not_enough_where_the_classes_differ() -> None:
    """Both are nearly between two classes, so their cosine is 0.92, but with a large logit scale each has its own."""
    one, other = turned(0, 1, math.cos(math.radians(33))), turned(0, 1, math.cos(math.radians(56)))
    assert one @ other == pytest.approx(math.cos(math.radians(23)))
    assert match_exemplars(one[None], other[None], AXES[:2], 1.0) > 0.9
    assert match_exemplars(one[None], other[None], AXES[:2], 50.0) == 0


def test_each_exemplar_is_compared_with_each_mask() -> None:
    similarity = match_exemplars(AXES[:2], AXES[[1, 0, 2]], AXES[:3], SCALE)
    assert similarity.shape == (3, 2)
    assert (similarity > 0).tolist() == [[False, True], [True, False], [False, False]]


def test_the_most_similar_come_first_and_of_masks_of_one_object_the_one_that_sam_is_surest_of() -> None:
    """The third mask is a part of the second; half of the fourth lies in the first, and of the fifth a quarter."""
    masks = [square(0, 0), square(10, 10, 8), square(11, 11, 6), square(2, 0), square(3, 0), square(30, 20)]
    similarity = np.array([[0.5, 0.1], [0.6, 0.7], [0.2, 0.9], [0.8, 0.0], [0.6, 0.0], [0.0, 0.0]])
    assert pick_similar(similarity, masks, [0.8, 0.9, 0.7, 0.7, 0.6, 1.0]) == [1, 4, 0]
    assert pick_similar(similarity, masks, [0.8, 0.6, 0.7, 0.9, 0.5, 1.0]) == [2, 3]
    assert pick_similar(np.zeros((0, 1)), [], []) == []


def test_of_masks_of_one_object_the_one_that_the_others_agree_with_goes_before_a_slightly_better_score() -> None:
    """The first covers half of the object, with the best score; the other three cover it all but for a column."""
    masks = [square(0, 0, 4), *(rectangle(0, 0, width, 4) for width in (8, 9, 9))]
    similarity = np.full((4, 1), 0.9)
    # mean IoU with all four: the first 1, 1/2, 4/9, 4/9: 0.60; the second 1/2, 1, 8/9, 8/9: 0.82
    assert pick_similar(similarity, masks, [0.95, 0.90, 0.80, 0.80]) == [1]
    assert pick_similar(similarity, masks, [0.95, 0.75, 0.60, 0.60]) == [0]


def test_masks_that_look_like_no_exemplar_do_not_count_as_agreement() -> None:
    masks = [square(0, 0, 4), *(rectangle(0, 0, width, 4) for width in (8, 9, 9))]
    assert pick_similar(np.array([[0.9], [0.9], [0.0], [0.0]]), masks, [0.95, 0.90, 0.80, 0.80]) == [0]


def test_a_thin_mask_of_which_no_pixel_is_compared_is_an_object_of_its_own() -> None:
    """Of 700 rows every second one is looked at: the line is in none of them, and has no other mask's support."""
    line, object_ = np.zeros((2, 700, 500), bool)
    line[101, 50:60] = True
    object_[100:140, 50:90] = True
    assert pick_similar(np.array([[0.9], [0.8]]), [line, object_], [0.7, 0.9]) == [0, 1]


def test_hundreds_of_masks_that_look_alike_are_compared_in_a_second() -> None:
    random = np.random.default_rng(0)
    masks = np.zeros((300, 480, 640), bool)
    for mask, x, y in zip(masks, random.integers(0, 590, 300), random.integers(0, 430, 300), strict=True):
        mask[y : y + 50, x : x + 50] = True
    started = time.thread_time()
    assert len(pick_similar(np.full((300, 1), 0.9), list(masks), random.random(300).tolist())) > 50
    assert time.thread_time() - started < 2  # 16 s, if each pair is compared by itself


def test_parts_stand_for_a_mask_unless_it_looks_more_like_the_exemplars() -> None:
    """Masks 0 and 1 have the parts 2, 3 and 4, 5."""
    whole_of = [None, None, 0, 0, 1, 1]
    similarity = np.array([[0.6, 0.0], [0.8, 0.0], [0.5, 0.6], [0.0, 0.0], [0.7, 0.0], [0.7, 0.75]])
    assert prefer_parts(similarity, whole_of).tolist() == [False, True, True, True, False, False]
    assert prefer_parts(similarity[:2], [None, None]).tolist() == [True, True]


def test_a_mask_that_is_labeled_already_is_left_out_and_one_beside_it_is_not() -> None:
    masks = [square(0, 0), square(1, 0), square(3, 0), square(20, 20)]
    assert pick_unlabeled(masks, [square(0, 0)]) == [2, 3]  # 12 of 20 pixels are shared by the second: 0.6
    assert pick_unlabeled(masks, []) == [0, 1, 2, 3]
    assert pick_unlabeled([], [square(0, 0)]) == []


def test_parts_are_left_out_of_wholes_only() -> None:
    part, whole = square(12, 12, 3), square(10, 10, 10)
    assert pick_unlabeled([part], [whole]) == [0]
    assert pick_unlabeled([part], [whole], wholes=[whole]) == []
    assert pick_unlabeled([whole], [part], wholes=[part]) == [0]
