"""Mask → polygon: one closed ring that keeps holes and parts, simplified to a tolerance in pixels.

The border of a mask runs along the edges of its pixels. It is traced exactly (`mask_to_rings`), each ring is
simplified, and all rings are joined into one, for Label Studio's polygon is one ring: a bridge of no width is walked
there and back, from vertex to nearest vertex. Under the even-odd rule and the non-zero rule, and in pycocotools, such a
bridge covers nothing, so holes stay holes and one object stays one region however many parts it has.

Worked example: two pixels in the corners of a 3x1 image are the squares (0,0) (1,0) (1,1) (0,1) and (2,0) (3,0) (3,1)
(2,1); joined: (0,0) (1,0) | (2,0) (3,0) (3,1) (2,1) (2,0) | (1,0) (1,1) (0,1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.geometry.fits import mask_to_box
from backend.values import Mask

Ring = NDArray[np.float64]  # (N, 2) XY; the last vertex is joined to the first
Integers = NDArray[np.int64]

MOST_AREA_CHANGE = 0.1
"""A ring whose area changes by more than this part is simplified with half the tolerance, and so on: at a tolerance of
a pixel an object of three pixels would be nothing."""


def mask_to_polygon(mask: Mask, tolerance: float) -> Ring:
    """The mask as one closed ring, parts and holes joined by bridges.

    No point of the mask's border is further than `tolerance` pixels from the ring, and a pixel that
    `polygon_to_mask` gives back differently has its middle at most so far from the border. With 0 every pixel comes
    back.

    Args:
        mask: bool (H, W).
        tolerance: Pixels.

    Returns:
        float (N, 2) XY; N is 0 for an empty mask, otherwise at least 3.
    """
    return join_rings([simplify_ring(ring, tolerance) for ring in mask_to_rings(mask)])


def mask_to_rings(mask: Mask) -> list[Ring]:
    """The exact borders along the pixels' edges: the corners of each, the mask always at the right hand.

    So outer borders run clockwise on the screen and holes the other way round. Pixels that touch at a corner belong
    together, as for OpenCV's contours.
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
    places = np.stack([columns, rows], axis=1) + offset
    return [places[ring] for ring in _walk(along_row.tolist(), along_column.tolist(), starts_right.tolist())]


def _corners(padded: Mask) -> tuple[Integers, Integers]:
    """Where the border turns, row by row; a point where two pixels touch at their corners comes twice."""
    upper, lower = padded[:-1], padded[1:]
    turns = upper[:, :-1] ^ upper[:, 1:] ^ lower[:, :-1] ^ lower[:, 1:]
    saddles = (upper[:, :-1] == lower[:, 1:]) & (upper[:, 1:] == lower[:, :-1]) & (upper[:, :-1] != upper[:, 1:])
    rows, columns = np.nonzero(turns | saddles)
    copies = 1 + saddles[rows, columns]
    return np.repeat(rows, copies), np.repeat(columns, copies)


def _saddle_order(padded: Mask, rows: Integers, columns: Integers) -> Integers:
    """Which copy of a double corner comes first in its column, so that the two pixels stay together.

    The copies come in row order: the first has the edge at its left, the second the one at its right. Where the left
    upper pixel is set the left edge goes on downward and the right one upward; otherwise the other way round.
    """
    order = np.arange(len(rows))
    return np.where(padded[rows, columns], -order, order)


def _partners(order: Integers) -> Integers:
    """Neighbours in pairs: of corners in the order of a line, the first and the second are the ends of an edge."""
    partner = np.empty_like(order)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner


def _walk(along_row: list[int], along_column: list[int], starts_right: list[bool]) -> list[list[int]]:
    """Follow the edges, across and down in turn, until each corner has been met."""
    rings = []
    met = [False] * len(along_row)
    for first in range(len(met)):
        if met[first]:
            continue
        ring, corner = [], first
        steps = (along_row, along_column) if starts_right[first] else (along_column, along_row)
        across = 0
        while not met[corner]:
            met[corner] = True
            ring.append(corner)
            corner = steps[across][corner]
            across = 1 - across
        rings.append(ring)
    return rings


def simplify_ring(ring: Ring, tolerance: float) -> Ring:
    """Leave out vertices so that no point of the ring is further than `tolerance` from what is left.

    Where that changes the area by more than a tenth, half the tolerance is taken, and so on. Vertices keep their
    places. Source: Douglas and Peucker (1973), from the two vertices that lie far apart.
    """
    area = signed_area(ring)
    while tolerance > 1 / 8:  # in a border along pixel edges nothing is nearer to a line than that
        kept = ring[_douglas_peucker(ring, tolerance)]
        if len(kept) > 2 and abs(signed_area(kept) - area) <= MOST_AREA_CHANGE * abs(area):
            return kept
        tolerance /= 2
    return ring


def signed_area(ring: Ring) -> float:
    """Shoelace formula; positive for a ring that runs clockwise on the screen."""
    x, y = (ring - ring[0]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _douglas_peucker(ring: Ring, tolerance: float) -> NDArray[np.bool_]:
    """Which vertices stay. All open spans between two that stay are split at once, which is what makes it fast."""
    first = int(((ring - ring.mean(axis=0)) ** 2).sum(axis=1).argmax())
    closed = np.concatenate([ring[first:], ring[: first + 1]])
    kept = np.zeros(len(closed), bool)
    kept[[0, int(((closed - closed[0]) ** 2).sum(axis=1).argmax()), len(closed) - 1]] = True
    while True:
        ends = np.flatnonzero(kept)
        span = np.repeat(np.arange(len(ends) - 1), np.diff(ends))  # of each vertex but the last
        squared = _squared_distances(closed[:-1], closed[ends[:-1]][span], closed[ends[1:]][span])
        furthest = np.maximum.reduceat(squared, ends[:-1])
        splits = np.flatnonzero((squared == furthest[span]) & (squared > tolerance**2))
        if not len(splits):
            return np.roll(kept[:-1], first)
        kept[splits[np.unique(span[splits], return_index=True)[1]]] = True  # of equally far ones the first


def _squared_distances(points: Ring, starts: Ring, ends: Ring) -> NDArray[np.float64]:
    """From each point to the segment from its start to its end."""
    along, away = ends - starts, points - starts
    length = np.maximum(np.einsum("ij,ij->i", along, along), 1e-12)  # start and end may be one place
    share = np.clip(np.einsum("ij,ij->i", along, away) / length, 0, 1)
    off = away - share[:, None] * along
    return np.einsum("ij,ij->i", off, off)


def join_rings(rings: list[Ring]) -> Ring:
    """One ring of all: the nearest one is joined next, by a bridge between the two vertices that are nearest."""
    if not rings:
        return np.zeros((0, 2))
    joined, waiting = rings[0], rings[1:]
    nearest = [_nearest(joined, ring) for ring in waiting]
    while waiting:
        chosen = min(range(len(waiting)), key=lambda number: nearest[number][0])
        (_, place, start), ring = nearest.pop(chosen), waiting.pop(chosen)
        at = int((joined == place).all(axis=1).argmax())
        there_and_back = np.concatenate([joined[at : at + 1], ring[start:], ring[: start + 1]])
        joined = np.concatenate([joined[:at], there_and_back, joined[at:]])
        nearest = [min(old, _nearest(ring, other), key=_distance) for old, other in zip(nearest, waiting, strict=True)]
    return joined


def _nearest(ring: Ring, other: Ring) -> tuple[float, Ring, int]:
    """Squared distance of the two nearest vertices, the one of the ring, and which it is of the other."""
    squared = ((ring[:, None] - other[None]) ** 2).sum(axis=2)
    at, start = divmod(int(squared.argmin()), len(other))
    return float(squared[at, start]), ring[at], start


def _distance(bridge: tuple[float, Ring, int]) -> float:
    return bridge[0]
