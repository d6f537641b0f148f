"""Mask → polygon: one closed ring that keeps holes and parts, simplified to a tolerance in pixels.

The border of a mask runs along the edges of its pixels. It is traced exactly (`mask_to_rings`), each ring is
simplified, and all rings are joined into one, because Label Studio's polygon is a single ring. Two rings are joined by
a bridge of zero width between their nearest vertices, which is traversed in both directions. Under the even-odd rule,
under the non-zero rule and in pycocotools such a bridge covers nothing, so holes remain holes, and one object remains
one region however many parts it has.

Worked example: the first and the last pixel of a 3x1 image are the squares (0,0) (1,0) (1,1) (0,1) and (2,0) (3,0)
(3,1) (2,1); joined: (0,0) (1,0) | (2,0) (3,0) (3,1) (2,1) (2,0) | (1,0) (1,1) (0,1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.geometry.click_pixels import pixel_of
from backend.geometry.fits import mask_to_box
from backend.geometry.places import Point
from backend.values import Mask

Ring = NDArray[np.float64]  # (N, 2) XY; the last vertex is joined to the first
Integers = NDArray[np.int64]

MAX_AREA_CHANGE = 0.1
"""Largest relative change of a ring's area. Beyond it the tolerance is halved repeatedly: with a tolerance of one pixel
an object of three pixels would vanish."""


MIN_TOLERANCE = 1 / 8  # pixels; no vertex of a border along pixel edges is closer to a line than that


def mask_to_polygon(mask: Mask, tolerance: float, keep: Sequence[Point] = ()) -> Ring:
    """Convert a mask into one closed ring, parts and holes joined by bridges.

    No point of the mask's border is further than `tolerance` from the ring, and every pixel that `polygon_to_mask`
    restores wrongly has its centre within `tolerance` of the border. A tolerance of 0 restores every pixel.

    Args:
        mask: bool (H, W).
        tolerance: In pixels; halved, repeatedly if necessary, until the ring agrees with the mask at `keep`.
        keep: XY of points whose pixels `polygon_to_mask` restores correctly.

    Returns:
        float (N, 2) XY; N is 0 for an empty mask, otherwise at least 3.
    """
    rings = mask_to_rings(mask)
    while True:
        ring = join_rings([simplify_ring(ring, tolerance) for ring in rings])
        if tolerance <= MIN_TOLERANCE or _agrees(ring, mask, keep):
            return ring
        tolerance /= 2


def mask_to_rings(mask: Mask) -> list[Ring]:
    """Trace the exact borders along the pixels' edges and return the corners of each.

    The mask is always on the right-hand side, so outer borders run clockwise on the screen and holes counterclockwise.
    Pixels that touch at a corner are connected, as in OpenCV's contours.
    """
    box = mask_to_box(mask)
    if box is None:
        return []
    left, top, right, bottom = box
    padded = np.pad(mask[top:bottom, left:right], 1)
    rows, columns = _corners(padded)
    along_row = _partners(np.arange(len(rows)))
    along_column = _partners(np.lexsort((_saddle_order(padded, rows, columns), rows, columns)))
    starts_right = padded[rows + 1, columns + 1]
    offset = np.array([left - 0.0, top - 0.0])
    corners = np.stack([columns, rows], axis=1) + offset
    return [corners[ring] for ring in _walk(along_row.tolist(), along_column.tolist(), starts_right.tolist())]


def _corners(padded: Mask) -> tuple[Integers, Integers]:
    """Return rows and columns where the border turns, row by row; a corner where two pixels touch is listed twice."""
    upper, lower = padded[:-1], padded[1:]
    turns = upper[:, :-1] ^ upper[:, 1:] ^ lower[:, :-1] ^ lower[:, 1:]
    saddles = (upper[:, :-1] == lower[:, 1:]) & (upper[:, 1:] == lower[:, :-1]) & (upper[:, :-1] != upper[:, 1:])
    rows, columns = np.nonzero(turns | saddles)
    copies = 1 + saddles[rows, columns]
    return np.repeat(rows, copies), np.repeat(columns, copies)


def _saddle_order(padded: Mask, rows: Integers, columns: Integers) -> Integers:
    """Return the sort key of the copies of a double corner within its column, so the two pixels stay connected.

    The copies are in row order: the first belongs to the edge on the left, the second to the edge on the right. If the
    upper left pixel is set, the left edge continues downward and the right one upward; otherwise the other way round.
    """
    order = np.arange(len(rows))
    return np.where(padded[rows, columns], -order, order)


def _partners(order: Integers) -> Integers:
    """Pair up corners along their row or column: the first two are the ends of one edge, and so on."""
    partner = np.empty_like(order)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner


def _walk(along_row: list[int], along_column: list[int], starts_right: list[bool]) -> list[list[int]]:
    """Follow horizontal and vertical edges in turn until every corner has been visited."""
    rings = []
    visited = [False] * len(along_row)
    for first in range(len(visited)):
        if visited[first]:
            continue
        ring, corner = [], first
        partners = (along_row, along_column) if starts_right[first] else (along_column, along_row)
        turn = 0
        while not visited[corner]:
            visited[corner] = True
            ring.append(corner)
            corner = partners[turn][corner]
            turn = 1 - turn
        rings.append(ring)
    return rings


def simplify_ring(ring: Ring, tolerance: float) -> Ring:
    """Remove vertices such that no point of the ring is further than `tolerance` from the result.

    If that changes the area by more than a tenth, the tolerance is halved, repeatedly if necessary. The remaining
    vertices do not move. Source: Douglas and Peucker (1973), starting from two vertices that are far apart.
    """
    area = signed_area(ring)
    while tolerance > MIN_TOLERANCE:
        kept = ring[_douglas_peucker(ring, tolerance)]
        if len(kept) > 2 and abs(signed_area(kept) - area) <= MAX_AREA_CHANGE * abs(area):
            return kept
        tolerance /= 2
    return ring


def _agrees(ring: Ring, mask: Mask, points: Sequence[Point]) -> bool:
    """Whether a ring covers the pixels of the points exactly where the mask does."""
    pixels = [pixel_of(point, mask.shape) for point in points]
    return all(_covers(ring, x + 0.5, y + 0.5) == mask[y, x] for x, y in pixels)


def _covers(ring: Ring, x: float, y: float) -> bool:
    """Whether a point lies in a ring by the even-odd rule, as `polygon_to_mask` decides it for centres of pixels."""
    start, end = ring, np.roll(ring, -1, axis=0)
    upper, lower = np.where((start[:, 1] > end[:, 1])[:, None], (end, start), (start, end))
    crosses = (upper[:, 1] <= y) & (lower[:, 1] > y)
    (x0, y0), (x1, y1) = upper[crosses].T, lower[crosses].T
    return bool(np.count_nonzero(x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x) % 2)


def signed_area(ring: Ring) -> float:
    """Return the area by the shoelace formula; positive for a ring that runs clockwise on the screen."""
    x, y = (ring - ring[0]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _douglas_peucker(ring: Ring, tolerance: float) -> NDArray[np.bool_]:
    """Return which vertices stay. All spans that are too far from their line are split in one vectorised step."""
    first = int(((ring - ring.mean(axis=0)) ** 2).sum(axis=1).argmax())
    closed = np.concatenate([ring[first:], ring[: first + 1]])
    kept = np.zeros(len(closed), bool)
    kept[[0, int(((closed - closed[0]) ** 2).sum(axis=1).argmax()), len(closed) - 1]] = True
    while True:
        ends = np.flatnonzero(kept)
        span = np.repeat(np.arange(len(ends) - 1), np.diff(ends))  # index of each vertex's span, without the last one
        squared = _squared_distances(closed[:-1], closed[ends[:-1]][span], closed[ends[1:]][span])
        furthest = np.maximum.reduceat(squared, ends[:-1])
        splits = np.flatnonzero((squared == furthest[span]) & (squared > tolerance**2))
        if not len(splits):
            return np.roll(kept[:-1], first)
        kept[splits[np.unique(span[splits], return_index=True)[1]]] = True  # the first of equally distant vertices


def _squared_distances(points: Ring, starts: Ring, ends: Ring) -> NDArray[np.float64]:
    """Return the squared distance of each point from its segment."""
    along, away = ends - starts, points - starts
    length = np.maximum(np.einsum("ij,ij->i", along, along), 1e-12)  # start and end may coincide
    share = np.clip(np.einsum("ij,ij->i", along, away) / length, 0, 1)
    off = away - share[:, None] * along
    return np.einsum("ij,ij->i", off, off)


def join_rings(rings: list[Ring]) -> Ring:
    """Join all rings into one. The nearest ring is joined next, by a bridge between the two nearest vertices."""
    if not rings:
        return np.zeros((0, 2))
    joined, waiting = rings[0], rings[1:]
    bridges = [_find_bridge(joined, ring) for ring in waiting]
    while waiting:
        chosen = min(range(len(waiting)), key=lambda number: bridges[number][0])
        (_, vertex, start), ring = bridges.pop(chosen), waiting.pop(chosen)
        at = int((joined == vertex).all(axis=1).argmax())
        detour = np.concatenate([joined[at : at + 1], ring[start:], ring[: start + 1]])
        joined = np.concatenate([joined[:at], detour, joined[at:]])
        bridges = [
            min(bridge, _find_bridge(ring, other), key=_length) for bridge, other in zip(bridges, waiting, strict=True)
        ]
    return joined


def _find_bridge(ring: Ring, other: Ring) -> tuple[float, Ring, int]:
    """Return the squared distance of the two nearest vertices, the ring's vertex, and the index of the other's."""
    squared = ((ring[:, None] - other[None]) ** 2).sum(axis=2)
    at, start = divmod(int(squared.argmin()), len(other))
    return float(squared[at, start]), ring[at], start


def _length(bridge: tuple[float, Ring, int]) -> float:
    return bridge[0]
