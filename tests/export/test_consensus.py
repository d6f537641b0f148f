"""Consensus of several annotators, by hand arithmetic and by what must hold for any annotations."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.errors import ExportError
from backend.export import EncodedRegion, KeyPoint, LabeledImage, encode_region, merge_annotators
from backend.values import Mask, Size

WIDTH = 100


def row(*spans: tuple[int, int]) -> Mask:
    """A mask of one row of pixels, from a start up to an end that does not belong to it."""
    mask = np.zeros((1, WIDTH), bool)
    for start, end in spans:
        mask[0, start:end] = True
    return mask


def cat(region_id: str, *spans: tuple[int, int], label: str = "cat", **fields: Any) -> EncodedRegion:
    return replace(encode_region(row(*spans), label, region_id, kind="brush"), **fields)


def image_of(annotation_id: int, *regions: EncodedRegion, size: Size = Size(WIDTH, 1), **fields: Any) -> LabeledImage:
    return LabeledImage(
        "a.png", size, 7, annotation_id, regions, image_id=7, annotator=f"{annotation_id}@b.org", **fields
    )


def spans_of(region: EncodedRegion) -> list[int]:
    return np.flatnonzero(region.decode_mask()).tolist()


def test_the_worked_example_of_the_docstring() -> None:
    merged, reasons = merge_annotators(
        [image_of(1, cat("a", (0, 4))), image_of(2, cat("b", (0, 4))), image_of(3, cat("c", (1, 5)))]
    )
    (region,) = merged.regions
    assert (spans_of(region), region.area, region.bbox) == ([0, 1, 2, 3], 4, (0, 0, 4, 1))
    assert (region.region_id, region.annotation_id, merged.annotation_id, merged.annotator) == ("a", 1, None, "")
    assert reasons == ()


def test_what_only_one_of_three_drew_is_listed() -> None:
    merged, reasons = merge_annotators(
        [image_of(1, cat("a", (0, 4)), cat("extra", (50, 60))), image_of(2, cat("b", (0, 4))), image_of(3)]
    )
    assert [region.region_id for region in merged.regions] == ["a"]
    assert reasons == ('region "extra" of annotation 1 (cat): 1 of 3 annotators have it',)


def test_half_of_the_annotators_is_not_a_majority() -> None:
    merged, reasons = merge_annotators([image_of(1, cat("a", (0, 4))), image_of(2)])
    assert merged.regions == ()
    assert reasons == ('region "a" of annotation 1 (cat): 1 of 2 annotators have it',)
    twice, _ = merge_annotators(
        [image_of(number, *([cat("a", (0, 4))] if number < 3 else [])) for number in (1, 2, 3, 4)]
    )
    assert twice.regions == ()


def test_a_pixel_that_half_have_is_left_out() -> None:
    """Two annotators: IoU 8 / 12, the intersection is pixels 2 to 9."""
    merged, _ = merge_annotators([image_of(1, cat("a", (0, 10))), image_of(2, cat("b", (2, 12)))])
    assert spans_of(merged.regions[0]) == list(range(2, 10))


@pytest.mark.parametrize(("end", "is_same"), [(20, True), (21, False)])
def test_an_iou_of_a_half_is_one_object_and_less_is_two(end: int, is_same: bool) -> None:
    """Pixels 0-9 of 0-19: IoU 10 / 20; of 0-20: 10 / 21."""
    merged, reasons = merge_annotators([image_of(1, cat("a", (0, 10))), image_of(2, cat("b", (0, end)))])
    assert len(merged.regions) == is_same
    assert len(reasons) == (0 if is_same else 2)


def test_other_labels_at_the_same_place_are_other_objects() -> None:
    merged, reasons = merge_annotators([image_of(1, cat("a", (0, 10))), image_of(2, cat("b", (0, 10), label="dog"))])
    assert merged.regions == ()
    assert [reason.split(": ")[0] for reason in reasons] == [
        'region "a" of annotation 1 (cat)',
        'region "b" of annotation 2 (dog)',
    ]


def test_the_better_pair_is_matched_first_and_each_region_once() -> None:
    """Annotator 2 drew twice over the object: IoU 9/10 and 6/10 with annotator 1's; the second stays alone."""
    merged, reasons = merge_annotators(
        [image_of(1, cat("a", (0, 10))), image_of(2, cat("b", (0, 6)), cat("c", (0, 9)))]
    )
    assert spans_of(merged.regions[0]) == list(range(9))
    assert reasons == ('region "b" of annotation 2 (cat): 1 of 2 annotators have it',)


def test_a_drawn_shape_stays_one_only_if_its_pixels_are_the_majoritys() -> None:
    corners = ((0.0, 0.0), (10.0, 0.0), (10.0, 1.0), (0.0, 1.0))
    box = cat("a", (0, 10), kind="rectangle", outline=corners)
    same, _ = merge_annotators([image_of(1, box), image_of(2, cat("b", (0, 10)))])
    other, _ = merge_annotators([image_of(1, box), image_of(2, cat("b", (0, 9)))])
    assert (same.regions[0].kind, same.regions[0].outline) == ("rectangle", corners)
    assert (other.regions[0].kind, other.regions[0].outline) == ("brush", ())


def test_choices_are_kept_where_more_than_half_agree() -> None:
    given_choices = [
        {"colour": ("red",), "size": ("big",)},
        {"colour": ("red",), "size": ("small",)},
        {"colour": ("blue",)},
    ]
    images = [image_of(number, cat("r", (0, 9), choices=one)) for number, one in enumerate(given_choices, start=1)]
    merged, reasons = merge_annotators(images)
    assert dict(merged.regions[0].choices) == {"colour": ("red",)}
    assert reasons == ('region "r" of annotation 1 (cat): no values of size that more than half agree on',)


def test_choices_for_the_image_are_kept_where_more_than_half_agree() -> None:
    merged, reasons = merge_annotators(
        [image_of(1, choices={"scene": ("day",)}), image_of(2, choices={"scene": ("night",)})]
    )
    assert dict(merged.choices) == {}
    assert reasons == ("the image: no values of scene that more than half agree on",)


def test_key_points_near_each_other_become_their_mean_with_the_new_parent() -> None:
    """One per cent of 100 pixels is 1 pixel: points at 10 and 11 match, and lie at 10.5."""
    images = [
        image_of(1, cat("a", (0, 20)), key_points=(KeyPoint("p", "nose", 10.0, 0.5, "a"),)),
        image_of(
            2, cat("b", (0, 20)), key_points=(KeyPoint("q", "nose", 11.0, 0.5, "b"), KeyPoint("s", "eye", 11.0, 0.5))
        ),
    ]
    merged, reasons = merge_annotators(images)
    (point,) = merged.key_points
    assert (point.region_id, point.x, point.y, point.parent_id, point.annotation_id) == ("p", 10.5, 0.5, "a", 1)
    assert reasons == ('region "s" of annotation 2 (eye): 1 of 2 annotators have it',)


def test_a_key_point_whose_object_was_not_kept_is_listed() -> None:
    image = image_of(1, cat("a", (0, 20)), key_points=(KeyPoint("p", "nose", 10.0, 0.5, "a"),))
    merged, reasons = merge_annotators([image, image_of(2)])
    assert merged.key_points == ()
    assert reasons[-1] == 'region "p" of annotation 1 (nose): its object was not kept'


def chain(count: int) -> list[LabeledImage]:
    """Annotators who drew 30 pixels each, every one 10 further right: neighbours have an IoU of 20 / 40."""
    return [image_of(at + 1, cat("r", (10 * at, 10 * at + 30))) for at in range(count)]


def test_a_chain_of_overlaps_is_one_object_of_the_pixels_that_most_have() -> None:
    """Of four, three have pixels 20 to 39."""
    merged, reasons = merge_annotators(chain(4))
    assert [spans_of(region) for region in merged.regions] == [list(range(20, 40))]
    assert reasons == ()


def test_an_object_without_a_pixel_that_most_have_is_listed() -> None:
    """Of seven in a chain, at most three have the same pixel."""
    merged, reasons = merge_annotators(chain(7))
    assert merged.regions == ()
    assert len(reasons) == 7
    assert reasons[0] == 'region "r" of annotation 1 (cat): no pixel that more than half of them have'


def test_different_sizes_of_the_image_are_refused() -> None:
    with pytest.raises(ExportError, match="different sizes of the image: 100x1 in annotation 1, 50x1 in annotation 2"):
        merge_annotators([image_of(2, size=Size(50, 1)), image_of(1)])


def test_one_annotator_alone_is_left_as_it_is() -> None:
    image = image_of(5, cat("a", (0, 4)), cat("b", (0, 4)))
    assert merge_annotators([image]) == (image, ())


masks = st.lists(hnp.arrays(np.bool_, st.just((4, 5))).filter(lambda mask: bool(mask.any())), max_size=3)


def annotations(draw_masks: list[list[Mask]]) -> list[LabeledImage]:
    size = Size(5, 4)
    return [
        image_of(number, *(encode_region(m, "ab"[at % 2], f"r{at}") for at, m in enumerate(own)), size=size)
        for number, own in enumerate(draw_masks, start=1)
    ]


@given(st.lists(masks, min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_annotators_makes_no_difference(drawn: list[list[Mask]], order: random.Random) -> None:
    images = annotations(drawn)
    shuffled = list(images)
    order.shuffle(shuffled)
    assert merge_annotators(shuffled) == merge_annotators(images)


@given(masks, st.integers(2, 4))
@settings(deadline=None)
def test_annotators_who_drew_the_same_agree_on_all_of_it(own: list[Mask], count: int) -> None:
    distinct = list({mask.tobytes(): mask for mask in own}.values())
    images = annotations([distinct] * count)
    merged, reasons = merge_annotators(images)
    assert merged.regions == tuple(replace(region, annotation_id=1) for region in images[0].regions)
    assert reasons == ()


@given(st.lists(masks, min_size=2, max_size=4))
@settings(deadline=None)
def test_each_region_is_in_one_kept_object_or_listed(drawn: list[list[Mask]]) -> None:
    images = annotations(drawn)
    merged, reasons = merge_annotators(images)
    count = sum(len(image.regions) for image in images)
    in_kept = count - len(reasons)
    assert len(merged.regions) * (len(images) // 2 + 1) <= in_kept <= len(merged.regions) * len(images)
