"""The parts of a mask: for each one the exact ring around it and the rings around its holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.geometry.polygons import Ring, mask_to_rings, signed_area, simplify_ring
from backend.geometry.rasters import covers
from backend.values import Mask


@dataclass(frozen=True)
class Part:
    """Connected pixels of a mask: the exact ring around them, and the rings around the holes in them."""

    border: Ring
    holes: tuple[Ring, ...]

    @property
    def area(self) -> float:
        return signed_area(self.border) + sum(map(signed_area, self.holes))

    def covers(self, pixel: Ring) -> bool:
        """Whether the centre of a pixel, XY, belongs to it."""
        return bool(covers([self.border, *self.holes], pixel[None])[0])


def find_parts(rings: Sequence[Ring]) -> list[Part]:
    """Group the rings of `mask_to_rings`: each hole with the part around it."""
    areas = [signed_area(ring) for ring in rings]
    borders = [ring for _, ring in sorted(((a, r) for a, r in zip(areas, rings, strict=True) if a > 0), key=_first)]
    holes: list[list[Ring]] = [[] for _ in borders]
    low, high = _boxes(borders)
    for ring, area in zip(rings, areas, strict=True):
        if area < 0:
            inside = _pixel_left_of(ring)
            near = np.flatnonzero((low < inside).all(axis=1) & (inside < high).all(axis=1))
            number = next(number for number in near if covers([borders[number]], inside[None])[0])
            holes[number].append(ring)  # of the smallest border around it
    return [Part(border, tuple(inner)) for border, inner in zip(borders, holes, strict=True)]


def mask_to_polygons(mask: Mask, tolerance: float) -> tuple[list[Ring], int]:
    """Convert a mask into one closed ring per part, whose holes are joined to it by bridges of zero width.

    Args:
        mask: bool (H, W).
        tolerance: Distance in pixels within which vertices are removed. The others stay at corners of pixels.

    Returns:
        For each part float (N, 2) XY; and the number of holes.
    """
    parts = find_parts(mask_to_rings(mask))
    rings = [
        _join_holes(simplify_ring(part.border, tolerance), [simplify_ring(hole, tolerance) for hole in part.holes])
        for part in parts
    ]
    return rings, sum(len(part.holes) for part in parts)


def _join_holes(border: Ring, holes: Sequence[Ring]) -> Ring:
    """Join holes to their border from left to right, each by its leftmost vertex to the nearest one of the ring so far.

    `join_rings` finds shorter bridges, but takes minutes for a mask with thousands of holes.
    """
    joined = border
    for hole in sorted(holes, key=_leftmost):
        start = int(hole[:, 0].argmin())
        at = int(((joined - hole[start]) ** 2).sum(axis=1).argmin())
        joined = np.concatenate([joined[: at + 1], hole[start:], hole[: start + 1], joined[at:]])
    return joined


def choose_parts(parts: Sequence[Part], pixels: Ring) -> list[Part]:
    """Return the largest part and those that cover one of the pixels.

    Args:
        pixels: (M, 2) XY of their centres.
    """
    if len(parts) == 1:
        return list(parts)
    chosen = {max(range(len(parts)), key=lambda number: parts[number].area)}
    low, high = _boxes([part.border for part in parts])
    for pixel in pixels:
        near = np.flatnonzero((low < pixel).all(axis=1) & (pixel < high).all(axis=1))
        chosen |= {int(number) for number in near if parts[number].covers(pixel)}
    return [part for number, part in enumerate(parts) if number in chosen]


def _boxes(rings: Sequence[Ring]) -> tuple[Ring, Ring]:
    """Return the smallest and the largest coordinates of each ring, (N, 2) XY."""
    lows, highs = [ring.min(axis=0) for ring in rings], [ring.max(axis=0) for ring in rings]
    return np.array(lows).reshape(-1, 2), np.array(highs).reshape(-1, 2)


def _leftmost(ring: Ring) -> float:
    return float(ring[:, 0].min())


def _first(pair: tuple[float, Ring]) -> float:
    return pair[0]


def _pixel_left_of(ring: Ring) -> Ring:
    """Return the centre of a pixel on the left of a ring's first edge, where there is no mask."""
    along = np.sign(ring[1] - ring[0])
    middle: Ring = ring[0] + along / 2 + np.array([along[1], -along[0]]) / 2
    return middle
