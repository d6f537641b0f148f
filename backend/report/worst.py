"""The regions that show best what went wrong: candidates kept while tasks are read, then cut out of their images.

Of each kind of error the worst few are kept with their masks as RLE, so nothing is read twice and memory is bounded.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from backend.errors import BackendError
from backend.export import EncodedRegion
from backend.geometry import mask_to_rings, simplify_ring
from backend.images import SourceImage, encode_preview
from backend.report.matching import Match
from backend.report.outcomes import GOOD_IOU, Outcome, RegionRow
from backend.values import Mask, Size

Json = Mapping[str, Any]
MAX_PICTURES = 24
PREVIEW_SIDE = 320
MARGIN = 0.25  # of the longer side of the two masks' box, on each side
MIN_SIDE = 48  # pixels of a crop
TOLERANCE = 0.6  # pixels of the preview


@dataclass(frozen=True)
class Candidate:
    """An error with both masks, and the task's data, which name its image."""

    row: RegionRow
    proposal: EncodedRegion | None
    region: EncodedRegion | None
    data: Json


@dataclass(frozen=True)
class Picture:
    """A crop of an image with the outlines before and after.

    Attributes:
        size: Of the crop, in pixels of the image.
        preview: A JPEG; empty if the image could not be fetched.
        proposed_path, final_path: SVG path data in pixels of the crop; "" for a side without a region.
        problem: Why there is no image.
    """

    row: RegionRow
    size: Size
    preview: bytes
    proposed_path: str
    final_path: str
    problem: str = ""


@dataclass
class WorstRegions:
    """The worst errors of each kind, at most `MAX_PICTURES` of a kind."""

    heaps: dict[Outcome, list[tuple[float, int, Candidate]]] = field(default_factory=dict)
    seen: int = 0

    def add(self, row: RegionRow, match: Match, task: Json) -> None:
        """Remember a region if it belongs to the worst of its kind so far."""
        badness = measure_badness(row)
        if badness is None:
            return
        self.seen += 1
        data: Json = task.get("data") or {}
        entry = (badness, -self.seen, Candidate(row, match.proposal, match.region, data))  # of equals the first stays
        heap = self.heaps.setdefault(row.outcome, [])
        if len(heap) < MAX_PICTURES:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def pick(self, max_count: int = MAX_PICTURES) -> list[Candidate]:
        """Return the worst of each kind in turn: edited, reclassified, deleted, added, edited, …

        What several people did to one proposal, or added in the same place, is one picture.
        """
        kinds = [sorted(self.heaps.get(kind, []), reverse=True) for kind in Outcome if kind is not Outcome.UNTOUCHED]
        in_turn = chain.from_iterable(zip_longest(*kinds))
        different: dict[tuple[object, ...], Candidate] = {}
        for entry in in_turn:
            if entry is not None:
                different.setdefault(_place_of(entry[2]), entry[2])
        return list(different.values())[:max_count]


def _place_of(candidate: Candidate) -> tuple[object, ...]:
    row, region = candidate.row, candidate.region
    if candidate.proposal is not None:
        return row.task, row.prediction, row.image, row.proposal_id
    return row.task, row.image, region and region.bbox


def measure_badness(row: RegionRow) -> float | None:
    """Rate an error against others of its kind, the worst highest; None for what needed no work.

    Edited masks by what was wrong with them; wrong classes and deleted masks by how sure the model was; missed objects
    by their size.
    """
    if row.outcome is Outcome.EDITED:
        return 1 - (row.iou or 0.0) if (row.iou or 0.0) < GOOD_IOU else None
    if row.outcome in (Outcome.RECLASSIFIED, Outcome.DELETED):
        return row.score if row.score is not None else 0.0
    return float(row.final_area) if row.outcome is Outcome.ADDED else None


def draw_picture(candidate: Candidate, fetch_image: Callable[[Candidate], SourceImage]) -> Picture:
    """Cut a region out of its image; without the image the picture has only the outlines."""
    proposal, region = candidate.proposal, candidate.region
    masks = [one.decode_mask() if one else None for one in (proposal, region)]
    left, top, right, bottom = _crop([one for one in masks if one is not None])
    size = Size(right - left, bottom - top)
    paths = [_path(one[top:bottom, left:right]) if one is not None else "" for one in masks]
    preview, problem = b"", ""
    try:
        pixels = fetch_image(candidate).pixels
        height, width = next(one for one in masks if one is not None).shape
        if pixels.shape[:2] == (height, width):
            preview = encode_preview(np.ascontiguousarray(pixels[top:bottom, left:right]), PREVIEW_SIDE)
        else:
            problem = f"The image now has {pixels.shape[1]}x{pixels.shape[0]} pixels, the mask {width}x{height}."
    except BackendError as error:
        problem = error.message
    return Picture(candidate.row, size, preview, paths[0], paths[1], problem)


def _crop(masks: list[Mask]) -> tuple[int, int, int, int]:
    """Return a box around all masks with a margin, within the image: left, top, right, bottom."""
    together = np.logical_or.reduce(masks)
    height, width = together.shape
    rows, columns = np.flatnonzero(together.any(axis=1)), np.flatnonzero(together.any(axis=0))
    longer = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
    side = max(longer * (1 + 2 * MARGIN), MIN_SIDE)
    left, right = _around(int(columns[0]), int(columns[-1]) + 1, side, width)
    top, bottom = _around(int(rows[0]), int(rows[-1]) + 1, side, height)
    return left, top, right, bottom


def _around(first: int, end: int, side: float, extent: int) -> tuple[int, int]:
    middle = (first + end) / 2
    return max(0, min(first, round(middle - side / 2))), min(extent, max(end, round(middle + side / 2)))


def _path(mask: Mask) -> str:
    tolerance = TOLERANCE * max(1.0, max(mask.shape) / PREVIEW_SIDE)
    rings = [simplify_ring(ring, tolerance) for ring in mask_to_rings(mask)]
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in ring.tolist()) + "Z" for ring in rings if len(ring))
