"""The mask on the page that a prompt means: the one that its points are on or near.

"Near" is within 15 % of the side of a square with the mask's area (at least 3 pixels), so that the middle of the next
object with the same label does not count.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import BadRegion
from backend.geometry import distance_to_box, distance_to_mask
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import CorrectableRegion, LabeledPrompt, MaskBoxCache
from backend.label_studio.results import LabeledRegion
from backend.runtime import NO_DEADLINE, Deadline
from backend.values import Box, Mask, Prompt

log = logging.getLogger(__name__)

NEAR = 0.15  # of the square root of the mask's area
NEAR_PIXELS = 3.0
MAX_DECODED = 64  # masks with the label of a click, near its points


@dataclass(frozen=True)
class CorrectableMasks:
    """Masks of one image that the prompts of a request may correct.

    Attributes:
        regions: Newest first, not decoded.
        config: Of the image.
        boxes: Cache.
        deadline: Of the request; checked before each mask is read.
    """

    regions: Sequence[CorrectableRegion]
    config: ImageConfig
    boxes: MaskBoxCache
    deadline: Deadline = NO_DEADLINE

    def find(self, prompt: LabeledPrompt) -> LabeledRegion | None:
        """Find the mask with the prompt's label that all points lie on, else the nearest one; of equals the newest.

        A prompt without a label finds a mask with any label.

        Only masks near the points are decoded, at most the `MAX_DECODED` newest; each costs as much as the image has
        pixels. A damaged mask is skipped: it must not make clicks elsewhere fail.

        Raises:
            Overloaded, ClientDisconnected: The answer would come too late.
        """
        nearest, min_distance, decoded_count = None, math.inf, 0
        for region in self.regions:
            if not region.is_meant_by(prompt):
                continue
            self.deadline.raise_if_over()
            try:
                if not _may_be_near(prompt.prompt, self.boxes.box_of(region, self.config)):
                    continue
                decoded_count += 1
                decoded = region.decode(self.config)
            except BadRegion as error:
                log.warning("Skipped a damaged mask on the page: %s", error)
                continue
            if region.may_be_rejected and _shows_rejection(prompt.prompt, decoded.mask):
                continue
            distance = distance_of_points(prompt.prompt, decoded.mask)
            if distance < min_distance:
                nearest, min_distance = decoded, distance
            if min_distance == 0 or decoded_count == MAX_DECODED:
                break
        return nearest

    def with_id(self, region_id: str) -> CorrectableRegion:
        """Return the newest mask with an id that one of them has."""
        return next(region for region in self.regions if region.region_id == region_id)


def distance_of_points(prompt: Prompt, mask: Mask) -> float:
    """Distance of the farthest point from the mask in pixels; infinite if it is not near the mask."""
    limit = _reach(np.count_nonzero(mask))
    if not mask.any():
        return math.inf
    return max(distance_to_mask(mask, point, limit) for point in prompt.point_coords)


def _shows_rejection(prompt: Prompt, mask: Mask) -> bool:
    """Whether the prompt shows that the mask was not accepted: Label Studio sends no positive point on a region."""
    points = zip(prompt.point_coords, prompt.point_labels, strict=True)
    return any(label == 1 and distance_to_mask(mask, at, 0.0) == 0 for at, label in points)


def _may_be_near(prompt: Prompt, box: Box) -> bool:
    """Whether the points may lie near a mask of which only the box is known; a mask is no larger than its box."""
    limit = _reach((box[2] - box[0]) * (box[3] - box[1])) + 1  # pixels are measured from corner to corner
    return all(distance_to_box(point, box) <= limit for point in prompt.point_coords)


def _reach(area: float) -> float:
    return max(NEAR_PIXELS, NEAR * math.sqrt(area))
