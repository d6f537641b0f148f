"""A mask made a little larger or smaller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.geometry.places import Point, signed_distance
from backend.values import Mask, Size

STEP = 0.05  # of the mask's area
SMOOTHING = 1.5  # pixels; sigma of the blur of the distance, so that corners go before straight borders
REACH = 0.25  # of the square root of the area; pixels farther from the mask are never added
MIN_REACH = 3.0  # pixels


def resize_mask(
    mask: Mask, *, grows: bool, keep: Sequence[Point] = (), levels: NDArray[Any] | None = None, step: float = STEP
) -> Mask | None:
    """Add or remove the pixels that belong to a mask the most or the least.

    The area changes by `step` of it, and by one pixel at the least. Every added pixel is connected to the mask, and
    near it. The work is done in a window around the mask.

    Args:
        mask: bool (H, W).
        keep: XY of the clicks; the pixel of each stays as it is, inside or outside.
        levels: float (H, W), larger where a pixel belongs to the mask more, such as SAM's logits; None for the distance
            from the border.

    Returns:
        bool (H, W); None if there is no pixel to add, or if only those under clicks would be left.
    """
    box = mask_to_box(mask)
    if box is None:
        return None
    area = int(np.count_nonzero(mask))
    reach = max(MIN_REACH, REACH * math.sqrt(area))
    window = _window(box, mask.shape, math.ceil(reach) + 1)
    inner = np.ascontiguousarray(mask[window])
    distance = np.clip(signed_distance(inner), -max(mask.shape), max(mask.shape))
    changeable = ~inner & (distance > -reach) if grows else inner.copy()
    for x, y in keep:
        column, row = min(int(x), mask.shape[1] - 1) - window[1].start, min(int(y), mask.shape[0] - 1) - window[0].start
        if 0 <= row < inner.shape[0] and 0 <= column < inner.shape[1]:
            changeable[row, column] = False
    order = cv2.GaussianBlur(distance, (0, 0), SMOOTHING) if levels is None else levels[window]
    count = max(1, round(area * step))
    changed = _grow(inner, order, changeable, count) if grows else _shrink(inner, order, changeable, count)
    if changed is None:
        return None
    resized = mask.copy()
    resized[window] = changed
    return resized


def enlarge_logits(logits: NDArray[np.float32], input_size: Size, original_size: Size) -> NDArray[np.float32]:
    """Upscale low-resolution logits to the size of the image.

    Args:
        logits: (M, M), of a square whose side is the longer side of `input_size`; the rest of it is padding.
        input_size: Of the image in the model's input.
        original_size: Of the image.

    Returns:
        float32 (H, W).
    """
    scale = logits.shape[0] / max(input_size.width, input_size.height)
    rows, columns = max(round(input_size.height * scale), 1), max(round(input_size.width * scale), 1)
    size = (original_size.width, original_size.height)
    return np.asarray(cv2.resize(logits[:rows, :columns], size, interpolation=cv2.INTER_LINEAR), np.float32)


def _shrink(mask: Mask, order: NDArray[Any], changeable: Mask, count: int) -> Mask | None:
    if np.count_nonzero(changeable) <= count:
        return None
    return mask & ~_top(-order, changeable, count)


def _grow(mask: Mask, order: NDArray[Any], changeable: Mask, count: int) -> Mask | None:
    """Add the fewest best pixels of which `count` are connected to the mask; all that are if there are fewer."""
    low, high, grown = 1, int(np.count_nonzero(changeable)), None
    middle = min(count, high)
    while low <= high:
        connected = _connected(mask, _top(order, changeable, middle))
        is_enough = int(np.count_nonzero(connected)) - int(np.count_nonzero(mask)) >= count
        if is_enough or grown is None:
            grown = connected
        low, high = (low, middle - 1) if is_enough else (middle + 1, high)
        if is_enough and middle == count:
            break  # all of them are connected
        middle = (low + high) // 2
    return grown if grown is not None and (grown & ~mask).any() else None


def _connected(mask: Mask, added: Mask) -> Mask:
    """Return the mask with those of the added parts that touch it."""
    count, parts = cv2.connectedComponents((mask | added).astype(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    kept[np.unique(parts[mask])] = True
    return kept[parts]


def _top(order: NDArray[Any], among: Mask, count: int) -> Mask:
    """Return the `count` pixels of a mask with the largest values; of equal ones the first."""
    places = np.flatnonzero(among)
    values = order.ravel()[places]
    least = np.partition(values, len(values) - count)[len(values) - count]
    surely = places[values > least]
    equal = places[values == least][: count - len(surely)]
    chosen = np.zeros(among.size, bool)
    chosen[surely] = chosen[equal] = True
    return chosen.reshape(among.shape)


def _window(box: tuple[int, int, int, int], shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
    left, top, right, bottom = box
    rows = slice(max(top - margin, 0), min(bottom + margin, shape[0]))
    return rows, slice(max(left - margin, 0), min(right + margin, shape[1]))
