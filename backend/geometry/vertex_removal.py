"""Removal of a ring's vertices, the least important first.

A vertex matters as much as the area of the triangle that it forms with its two neighbours: that is what its removal
changes. Source: Visvalingam and Whyatt (1993), "Line generalisation by repeated elimination of points".
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]  # (N, 2) XY; the last vertex is joined to the first
Integers = NDArray[np.int64]
MIN_VERTICES = 3  # of a ring
PAIRS_AT_ONCE = 200_000  # of edges that are compared; 50 MB


class VertexRemoval:
    """The vertices of some rings, and the order in which they are removed.

    Args:
        rings: Each with at least three vertices.
        max_removed: Number of vertices to remove at most; each ring keeps three.
        obstacles: (M, 2) points that no removal may pass over, so that each stays on its side; if they are given, other
            vertices are obstacles as well, so that rings that do not cross stay so. None: no such check, which is ten
            times as fast.
    """

    def __init__(self, rings: Sequence[Ring], max_removed: int, obstacles: Ring | None = None) -> None:
        self._rings = rings
        self._points = np.concatenate(list(rings))
        self._obstacles = obstacles
        self._is_removed = np.zeros(len(self._points), bool)
        self._before, self._after, self._ring_of = _link(rings)
        self._remaining = [len(ring) for ring in rings]
        self.order: list[int] = self._remove(max_removed)

    def kept_after(self, removals: int) -> list[NDArray[np.bool_]]:
        """Return which vertices of each ring are left after that many removals."""
        kept = np.ones(len(self._points), bool)
        kept[self.order[:removals]] = False
        return np.split(kept, np.cumsum([len(ring) for ring in self._rings])[:-1])

    def _remove(self, max_removed: int) -> list[int]:
        x, y = self._points[:, 0].tolist(), self._points[:, 1].tolist()
        before, after, remaining, ring_of = self._before, self._after, self._remaining, self._ring_of

        def area(vertex: int) -> float:
            a, c = before[vertex], after[vertex]
            return abs((x[vertex] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[vertex] - y[a]))

        areas = [area(vertex) for vertex in range(len(x))]
        heap = [(size, vertex) for vertex, size in enumerate(areas)]
        heapq.heapify(heap)
        order: list[int] = []
        while heap and len(order) < max_removed:
            size, vertex = heapq.heappop(heap)
            is_stale = self._is_removed[vertex] or size != areas[vertex]
            if is_stale or remaining[ring_of[vertex]] == MIN_VERTICES or not self._is_free(vertex):
                continue
            self._is_removed[vertex] = True
            order.append(vertex)
            remaining[ring_of[vertex]] -= 1
            a, c = before[vertex], after[vertex]
            after[a], before[c] = c, a
            for neighbour in (a, c):
                areas[neighbour] = area(neighbour)
                heapq.heappush(heap, (areas[neighbour], neighbour))
        return order

    def _is_free(self, vertex: int) -> bool:
        """Whether nothing lies in or on the triangle of a vertex and its neighbours."""
        if self._obstacles is None:
            return True
        a, c = self._before[vertex], self._after[vertex]
        start, tip, end = self._points[[a, vertex, c]]
        others = ~self._is_removed
        others[[a, vertex, c]] = False
        points = np.concatenate([self._points[others], self._obstacles])
        at_base = (points == start).all(axis=1) | (points == end).all(axis=1)  # rings may touch at a corner
        return bool((start != end).any()) and not _in_triangle(points[~at_base], start, tip, end).any()


def _link(rings: Sequence[Ring]) -> tuple[list[int], list[int], list[int]]:
    """Return for each vertex of all rings the one before it, the one after it, and the number of its ring."""
    before, after, ring_of = [], [], []
    start = 0
    for number, ring in enumerate(rings):
        vertices = list(range(start, start + len(ring)))
        before += [vertices[-1], *vertices[:-1]]
        after += [*vertices[1:], vertices[0]]
        ring_of += [number] * len(ring)
        start += len(ring)
    return before, after, ring_of


def _in_triangle(points: Ring, a: Ring, b: Ring, c: Ring) -> NDArray[np.bool_]:
    """Return which points lie in the triangle or on its border."""
    sides = np.stack([_side(points, a, b), _side(points, b, c), _side(points, c, a)])
    within = (sides >= 0).all(axis=0) | (sides <= 0).all(axis=0)
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    in_box = (points >= low).all(axis=1) & (points <= high).all(axis=1)  # matters for a flat triangle
    return np.asarray(within & in_box, np.bool_)


def _side(points: Ring, start: Ring, end: Ring) -> NDArray[np.float64]:
    """Return on which side of a line points lie: positive, negative, or 0 on the line."""
    (along_x, along_y), (off_x, off_y) = end - start, (points - start).T
    return np.asarray(along_x * off_y - along_y * off_x, np.float64)


def rings_meet(rings: Sequence[Ring]) -> bool:
    """Whether any two edges of the rings that do not follow each other cross or touch."""
    starts = np.concatenate(list(rings))
    after = np.array(_link(rings)[1])
    order = np.argsort(np.minimum(starts[:, 0], starts[after][:, 0]), kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    starts, after = starts[order], place[after[order]]  # edges from left to right
    ends = starts[after]
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    reach = np.searchsorted(low[:, 0], high[:, 0], side="right")  # edges from there on begin further to the right
    number = np.arange(len(starts))
    for first, second in _pairs(number, reach):
        follows = (after[first] == second) | (after[second] == first)
        near = ~follows & (low[first, 1] <= high[second, 1]) & (low[second, 1] <= high[first, 1])
        first, second = first[near], second[near]
        a, b, c, d = starts[first], ends[first], starts[second], ends[second]
        straddles = (_cross(a, b, c) * _cross(a, b, d) <= 0) & (_cross(c, d, a) * _cross(c, d, b) <= 0)
        if straddles.any():
            return True
    return False


def _pairs(number: NDArray[np.int64], reach: NDArray[np.int64]) -> Iterator[tuple[Integers, Integers]]:
    """Yield pairs of each number with those after it, up to its reach; about `PAIRS_AT_ONCE` at a time."""
    counts = reach - number - 1
    ends = np.cumsum(counts)
    start = 0
    while start < len(number):
        before = ends[start] - counts[start]
        stop = max(int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")), start + 1)
        some = counts[start:stop]
        first = np.repeat(number[start:stop], some)
        within = np.arange(len(first)) - np.repeat(np.cumsum(some) - some, some)
        yield first, first + 1 + within
        start = stop


def _cross(a: Ring, b: Ring, c: Ring) -> NDArray[np.float64]:
    along, off = b - a, c - a
    return np.asarray(along[:, 0] * off[:, 1] - along[:, 1] * off[:, 0], np.float64)
