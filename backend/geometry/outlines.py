"""Mask → outline: a polygon that a person can edit.

An exact border has hundreds of vertices, and a ring that keeps parts and holes has edges that run back on themselves.
An outline has few vertices and, wherever possible, none of those edges:

| of the mask | in the outline                                                                                      |
|-------------|-----------------------------------------------------------------------------------------------------|
| parts       | the largest one, and each one that was clicked; several are joined by bridges of zero width         |
| holes       | filled in, up to `MAX_FILLED` of the area; a larger one, or one that was clicked, is kept by a bridge |
| border      | within the tolerance, then without its least important vertices, down to `max_points`               |

Vertices are removed only as long as each clicked pixel stays on its side, the IoU with the parts (with all their holes)
stays at least `MIN_IOU`, and no two edges meet. So an outline may need more than `max_points`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.parts import Part, choose_parts, find_parts
from backend.geometry.places import Point, mask_iou
from backend.geometry.polygons import MIN_TOLERANCE, Ring, find_kept, join_rings, mask_to_rings, signed_area
from backend.geometry.rasters import covers, polygon_to_mask
from backend.geometry.vertex_removal import VertexRemoval, rings_meet
from backend.values import Mask, Size

Kept = NDArray[np.bool_]  # which vertices of an exact ring are kept

MIN_IOU = 0.95
MAX_FILLED = 0.02  # holes that are filled in, of the area of the parts
MAX_CAREFUL = 2000  # vertices of a border of which some are removed one by one; the time grows with the square
PROVEN_IOU = 0.96  # a lower bound of the IoU that makes a rasterisation unnecessary
PROVEN_AREA = 2500  # pixels; the bound is one of areas, and pixels of a small mask differ from them


@dataclass(frozen=True)
class OutlineOptions:
    """What an outline may be.

    Attributes:
        tolerance: Distance from the mask's border in pixels within which vertices are removed in any case.
        max_points: Number of vertices beyond which further ones are removed, if that is possible.
        all_parts: Keep all parts and holes, by bridges.
    """

    tolerance: float = 1.0
    max_points: int = 60
    all_parts: bool = False


@dataclass(frozen=True)
class Outline:
    """An outline of a mask.

    Attributes:
        ring: (N, 2) XY; all parts and holes are joined into one ring. N is 0 for an empty mask.
        holes: Number of holes that are joined to it by a bridge.
        parts: Number of parts.
        left_out: Share of the mask's area that belongs to other parts.
    """

    ring: Ring
    holes: int = 0
    parts: int = 1
    left_out: float = 0.0


def mask_to_outline(mask: Mask, options: OutlineOptions = OutlineOptions(), clicks: Sequence[Point] = ()) -> Outline:
    """Outline a mask.

    Args:
        mask: bool (H, W).
        clicks: XY of clicks; the outline covers the pixel of each one if and only if the mask does.
    """
    parts = find_parts(mask_to_rings(mask))
    if not parts:
        return Outline(np.zeros((0, 2)), parts=0)
    pixels = _pixels_of(clicks, mask)
    kept = parts if options.all_parts else choose_parts(parts, pixels)
    border = _Border(kept, pixels, options)
    left_out = 1 - border.area / sum(part.area for part in parts)
    return Outline(join_rings(border.simplify()), border.holes, len(kept), left_out)


class _Border:
    """The rings of the parts of a mask that are kept, and how they are simplified.

    Args:
        parts: Those that are kept.
        pixels: (M, 2) centres of the clicked pixels.
    """

    def __init__(self, parts: Sequence[Part], pixels: Ring, options: OutlineOptions) -> None:
        self._pixels, self._options = pixels, options
        self.area = sum(part.area for part in parts)
        every_hole = [hole for part in parts for hole in part.holes]
        kept_holes = every_hole if options.all_parts else self._choose_holes(every_hole)
        self.holes = len(kept_holes)
        self._filled = -sum(map(signed_area, every_hole)) + sum(map(signed_area, kept_holes))
        self._borders = [part.border for part in parts]
        self._exact = [*self._borders, *kept_holes]
        self._every_ring = [*self._borders, *every_hole]
        self._is_covered = covers(self._every_ring, pixels)

    def simplify(self) -> list[Ring]:
        """Return the simplified rings."""
        tolerance = self._options.tolerance
        kept = [find_kept(ring, tolerance) for ring in self._exact]
        surplus = self._surplus(kept)
        if surplus > 0:
            removal = VertexRemoval(self._rings(kept), surplus)
            surplus -= len(removal.order)
            kept = _select(kept, removal.kept_after(len(removal.order)))
        return self._rings(kept if surplus <= 0 and self._is_good(kept) else self._simplify_carefully())

    def _simplify_carefully(self) -> list[Kept]:
        """Remove vertices one at a time from rings that are good, and none whose removal would change that."""
        every: list[Kept] = [np.ones(len(ring), bool) for ring in self._exact]
        before = next(filter(self._is_good, self._finer()), every)
        if sum(map(np.count_nonzero, before)) > MAX_CAREFUL:
            return before
        removal = VertexRemoval(self._rings(before), max(self._surplus(before), 0), self._pixels)
        enough, too_many, tried = 0, len(removal.order) + 1, len(removal.order)
        while enough < tried:  # all removals at first, which usually are fine; then by bisection
            if self._has_min_iou(_select(before, removal.kept_after(tried))):
                enough = tried
            else:
                too_many = tried
            tried = (enough + too_many) // 2
        return _select(before, removal.kept_after(enough))

    def _finer(self) -> Iterator[list[Kept]]:
        """Yield what smaller and smaller tolerances keep."""
        tolerance = self._options.tolerance
        while tolerance > MIN_TOLERANCE:
            yield [find_kept(ring, tolerance) for ring in self._exact]
            tolerance /= 2

    def _is_good(self, kept: Sequence[Kept]) -> bool:
        rings = self._rings(kept)
        holds = np.array_equal(covers(rings, self._pixels), self._is_covered)
        return holds and not rings_meet(rings) and self._has_min_iou(kept)

    def _has_min_iou(self, kept: Sequence[Kept]) -> bool:
        if self.area >= PROVEN_AREA:
            changed = self._filled + sum(map(_changed_area, self._exact, kept))
            if 1 - changed / self.area >= PROVEN_IOU:
                return True
        return self._iou(self._rings(kept)) >= MIN_IOU

    def _iou(self, rings: Sequence[Ring]) -> float:
        """Return the IoU in pixels."""
        low = np.min([ring.min(axis=0) for ring in self._borders], axis=0)
        width, height = (np.max([ring.max(axis=0) for ring in self._borders], axis=0) - low).astype(int)
        size = Size(int(width), int(height))
        return mask_iou(_fill(rings, low, size), _fill(self._every_ring, low, size))

    def _rings(self, kept: Sequence[Kept]) -> list[Ring]:
        return [ring[stays] for ring, stays in zip(self._exact, kept, strict=True)]

    def _surplus(self, kept: Sequence[Kept]) -> int:
        """Return by how many vertices the joined ring exceeds the maximum; each bridge adds two."""
        return sum(map(np.count_nonzero, kept)) + 2 * (len(kept) - 1) - self._options.max_points

    def _choose_holes(self, holes: Sequence[Ring]) -> list[Ring]:
        """Return the holes that are kept: clicked ones, and the large ones."""
        kept, filled = [], 0.0
        for hole in sorted(holes, key=lambda hole: -signed_area(hole)):
            area = -signed_area(hole)
            if filled + area > MAX_FILLED * self.area or covers([hole], self._pixels).any():
                kept.append(hole)
            else:
                filled += area
        return kept


def _select(kept: Sequence[Kept], of_those: Sequence[Kept]) -> list[Kept]:
    """Return which vertices are kept, given which are kept of those that are kept."""
    selected = [stays.copy() for stays in kept]
    for stays, chosen in zip(selected, of_those, strict=True):
        stays[stays] = chosen
    return selected


def _fill(rings: Sequence[Ring], origin: Ring, size: Size) -> Mask:
    """Rasterise rings by the even-odd rule, all together."""
    mask = np.zeros((size.height, size.width), bool)
    for ring in rings:
        mask ^= polygon_to_mask(ring - origin, size)
    return mask


def _changed_area(exact: Ring, kept: Kept) -> float:
    """Return an upper bound of the area between a ring and the same ring with only some of its vertices.

    Between two vertices that are kept the area is at most the integral of the distance from the new edge along it.
    """
    places = np.flatnonzero(kept)
    closed = np.roll(exact, -places[0], axis=0)
    closed = np.concatenate([closed, closed[:1]])
    ends = np.append(places - places[0], len(exact))
    along = np.diff(closed[ends], axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)[:, None]
    x, y = np.repeat(along, np.diff(ends), axis=0).T  # the direction of the edge in place of each exact edge
    from_start = closed[:-1] - np.repeat(closed[ends[:-1]], np.diff(ends), axis=0)
    step = np.diff(closed, axis=0)
    away, rise = x * from_start[:, 1] - y * from_start[:, 0], x * step[:, 1] - y * step[:, 0]
    return float(((np.abs(away) + np.abs(away + rise)) / 2 * np.abs(x * step[:, 0] + y * step[:, 1])).sum())


def _pixels_of(clicks: Sequence[Point], mask: Mask) -> Ring:
    """Return the centres of the clicked pixels, (M, 2) XY."""
    height, width = mask.shape
    points = np.array(clicks, float).reshape(-1, 2)
    pixels: Ring = np.minimum(np.floor(points), (width - 1, height - 1)) + 0.5
    return pixels
