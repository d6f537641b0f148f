"""Of the change from one mask to another, the parts at a person's clicks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backend.geometry.click_logits import Logits
from backend.geometry.click_pixels import Click, clicks_that_count, pixel_of
from backend.geometry.fits import mask_to_box
from backend.values import Mask

CELL_REACH = 1  # how far from a click a part of the change may be, in low-resolution cells


def change_at_clicks(before: Mask, after: Mask, clicks: Sequence[Click], reach: int) -> Mask:
    """Change a mask where its clicks are, and keep every other pixel.

    A foreground click only adds and a background one only removes. Pixels that touch at a corner belong to one part.

    Args:
        before: bool (H, W), the mask that the clicks correct.
        after: bool (H, W), the answer to them.
        clicks: In pixels, in their order.
        reach: Distance in pixels, across and down, at which a part of the change is still at a click.

    Returns:
        bool (H, W); `after` itself if `before` agrees with every click already, which then asks for something else.
    """
    pixels = [(pixel_of(click, before.shape), bool(click[2])) for click in clicks_that_count(clicks)]
    if all(before[y, x] == inside for (x, y), inside in pixels):
        return after
    changed = before.copy()
    for inside in (True, False):
        at = [pixel for pixel, kind in pixels if kind == inside]
        wanted = after > before if inside else before > after
        box = mask_to_box(wanted) if at else None
        if box is None:
            continue
        left, top, right, bottom = box
        window = np.s_[top:bottom, left:right]
        count, parts = cv2.connectedComponents(np.ascontiguousarray(wanted[window], np.uint8))
        is_kept = np.zeros(count, bool)
        for x, y in ((x - left, y - top) for x, y in at):
            is_kept[parts[max(y - reach, 0) : max(y + reach + 1, 0), max(x - reach, 0) : max(x + reach + 1, 0)]] = True
        is_kept[0] = False  # the pixels without a change
        changed[window][is_kept[parts]] = inside
    return changed


def change_at_cell(before: Logits, after: Logits, click: Click, cells_per_pixel: tuple[float, float]) -> Logits:
    """Change low-resolution logits where the mask changes at a click, and keep those of every other cell.

    The cells right beside them change, too, where that leaves the mask as it is: the new border runs between both.

    Args:
        before, after: float32 (M, M); positive inside the mask.
        click: In pixels of the original image.
        cells_per_pixel: Columns and rows of the logits for each pixel of the original image.

    Returns:
        float32 (M, M), a new array.
    """
    earlier, later = before > 0, after > 0
    cell = (click[0] * cells_per_pixel[0], click[1] * cells_per_pixel[1], click[2])
    changed = change_at_clicks(earlier, later, [cell], CELL_REACH) != earlier
    beside = cv2.dilate(changed.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(changed | (beside & (earlier == later)), after, before)


def stability_of(logits: Logits) -> float:
    """Return the IoU of the masks at thresholds of 1 and -1, in [0, 1]; 0 for logits that are below -1 everywhere.

    Source: segment_anything.utils.amg.calculate_stability_score.
    """
    return np.count_nonzero(logits > 1) / max(np.count_nonzero(logits > -1), 1)


def parts_at_clicks(mask: Mask, clicks: Sequence[Click]) -> Mask:
    """Return the connected parts of a mask that have a click on them, bool (H, W); corners connect."""
    places = np.zeros(mask.shape, bool)
    for x, y in (pixel_of(click, mask.shape) for click in clicks):
        places[y, x] = True
    return parts_at(mask, places)


def parts_at(mask: Mask, places: Mask) -> Mask:
    """Return the connected parts of a mask that have a pixel in `places`, bool (H, W); corners connect."""
    count, parts = cv2.connectedComponents(np.ascontiguousarray(mask, np.uint8))
    is_kept = np.zeros(count, bool)
    is_kept[parts[places]] = True
    is_kept[0] = False  # the pixels outside of the mask
    kept: Mask = is_kept[parts]
    return kept
