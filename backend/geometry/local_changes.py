"""Of the change from one mask to another, the parts at a person's clicks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backend.geometry.click_pixels import Click, clicks_that_count, pixel_of
from backend.geometry.fits import mask_to_box
from backend.values import Mask


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


def parts_at_clicks(mask: Mask, clicks: Sequence[Click]) -> Mask:
    """Return the connected parts of a mask that have a click on them, bool (H, W); corners connect."""
    _, parts = cv2.connectedComponents(np.ascontiguousarray(mask, np.uint8))
    numbers = {int(parts[y, x]) for x, y in (pixel_of(click, mask.shape) for click in clicks)} - {0}
    at: Mask = np.isin(parts, list(numbers))
    return at
