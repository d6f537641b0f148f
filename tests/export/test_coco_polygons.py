"""Masks as COCO's polygons, read by pycocotools."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as coco_mask

from backend.export.writers.coco import CocoWriter
from backend.geometry import mask_iou
from backend.values import Mask, Size
from tests.export.coco_files import coco_of, judge_itself, load
from tests.export.sets import disc, image, one_pixel, region, ring, two_parts, write


def restore(document: dict, folder: Path) -> list[Mask]:
    coco = load(document, folder)
    return [coco.annToMask(entry).astype(bool) for entry in coco.dataset["annotations"]]


def test_a_square_with_a_hole_is_one_polygon_with_a_detour() -> None:
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    (entry,) = coco_of([image(region(mask), size=Size(3, 3))], tolerance=0)["annotations"]
    (polygon,) = entry["segmentation"]
    corners = list(zip(polygon[::2], polygon[1::2], strict=True))
    assert set(corners) == {(0, 0), (3, 0), (3, 3), (0, 3), (1, 1), (2, 1), (2, 2), (1, 2)}
    assert len(corners) == 10  # two of them are passed twice: the ends of the bridge
    assert (entry["area"], entry["bbox"]) == (8, [0, 0, 3, 3])


@settings(max_examples=80, deadline=None)
@given(mask=npst.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_without_a_tolerance_pycocotools_restores_every_mask(
    tmp_path_factory: pytest.TempPathFactory, mask: Mask
) -> None:
    if mask.any():
        size = Size(mask.shape[1], mask.shape[0])
        document = coco_of([image(region(mask), size=size)], tolerance=0)
        (restored,) = restore(document, tmp_path_factory.mktemp("judge"))
        np.testing.assert_array_equal(restored, mask)


def test_each_part_is_a_polygon_and_all_stay_one_annotation() -> None:
    (entry,) = coco_of([image(region(two_parts()))], tolerance=1)["annotations"]
    assert len(entry["segmentation"]) == 2


def test_the_loss_is_measured_as_pycocotools_sees_it(tmp_path: Path) -> None:
    masks = [ring(), two_parts(), one_pixel(3, 4)]
    labeled = image(*(region(mask, region_id=f"r{number}") for number, mask in enumerate(masks)))
    document = coco_of([labeled], tolerance=1.5)
    ious = [mask_iou(mask, restored) for mask, restored in zip(masks, restore(document, tmp_path), strict=True)]
    notes = write(CocoWriter(1.5), tmp_path / "out", [labeled])
    assert min(ious) < 1  # something was lost
    worst = ious.index(min(ious))
    lowest = f'lowest {min(ious):.4f} (region "r{worst}" of task 7)'
    assert notes[0] == f"IoU of polygons and mask: mean {np.mean(ious):.4f} of 3, {lowest}"
    assert notes[1] == "1 masks have holes, joined to the outline by bridges without area"


def test_polygons_against_themselves_are_perfect_for_cocoeval(tmp_path: Path) -> None:
    images = [image(region(ring()), region(disc(50, 30, 9), "blue", "s")), image(task_id=8)]
    precision = judge_itself(load(coco_of(images, tolerance=1), tmp_path), "segm").eval["precision"]
    assert precision[precision > -1].min() == pytest.approx(1, abs=1e-9)


def test_groups_keep_their_exact_mask_as_coco_s_own_files_have_it() -> None:
    """Readers of polygons, such as transformers' DETR, call `frPyObjects`, which knows uncompressed RLE only."""
    labeled = image(region(ring(), is_crowd=True), region(ring(), region_id="s"))
    group, single = (entry["segmentation"] for entry in coco_of([labeled], tolerance=1)["annotations"])
    assert isinstance(single, list)
    assert all(type(count) is int for count in group["counts"])
    restored = coco_mask.decode(coco_mask.frPyObjects(group, *group["size"]))
    np.testing.assert_array_equal(restored.astype(bool), ring())


def test_a_mask_of_a_thousand_holes_takes_no_minutes_and_comes_back(tmp_path: Path) -> None:
    mask = np.ones((200, 200), bool)
    mask[1:-1:6, 1:-1:6] = False
    started = time.process_time()
    document = coco_of([image(region(mask), size=Size(200, 200))], tolerance=1)
    assert time.process_time() - started < 2
    (restored,) = restore(document, tmp_path)
    np.testing.assert_array_equal(restored, mask)
