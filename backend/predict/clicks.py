"""The click rules: whether a prompt selects a new object, the next larger candidate, or corrects a mask on the page.

| points                                                       | answer                                            |
|--------------------------------------------------------------|---------------------------------------------------|
| all on or near a mask with their label, or with any label if | that mask, corrected, under its own id            |
| they have none                                               |                                                   |
| only negative, on a mask with another label                  | that mask, corrected, with the label of the click |
| positive, near such a mask, and SAM is sure of another object | that other object, as a new region               |
| several positive at (nearly) the same place, nothing else    | SAM's next larger candidate, cyclically           |
| only negative, no box, no mask there                         | refused; it does not count with the next ones     |
| one positive, on nothing (see `click_on_nothing`)            | refused; it does not count with the next ones     |
| any others, a box, or both                                   | SAM's best candidate, as a new region             |

"Near" is within 15 % of the side of a square with the mask's area (at least 3 pixels), so that the middle of the next
object with the same label does not count. SAM is sure of another object if its answer to the points alone has a
predicted IoU of at least 0.5 and at most a tenth of it lies inside the mask: objects of one class often touch, and a
click on a neighbour must not change an accepted mask. "Nearly the same place" is 1 % of the image's diagonal.

Label Studio saves a changed label some seconds later. A person who picks the mask's new label before an Alt+click must
not be refused for that, and the tick would give the mask the picked label anyway.

A mask that was answered a moment ago and is in no draft yet is corrected by the same rules, except that a positive
point on it never means it: Label Studio sends no click on an accepted mask, so that one was rejected.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt, BadRegion
from backend.geometry import distance_to_box, distance_to_mask
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import CorrectableRegion, LabeledPrompt, MaskBoxCache
from backend.label_studio.results import LabeledRegion
from backend.predict.click_on_nothing import IGNORED, ClicksOnNothing
from backend.predict.messages import describe_size
from backend.runtime import NO_DEADLINE, Deadline, timed
from backend.values import Box, Candidate, Mask, Prompt, Size

log = logging.getLogger(__name__)

NEAR = 0.15  # of the square root of the mask's area
NEAR_PIXELS = 3.0
MAX_DECODED = 64  # masks with the label of a click, near its points
SAME_PLACE = 0.01  # of the image's diagonal
OTHER_SCORE = 0.5  # minimum predicted IoU of another object
OTHER_OVERLAP = 0.1  # maximum share of that object inside the mask
MIN_COVER = 0.5  # minimum share of a mask that may have been rejected, inside what SAM finds at the points alone
CORRECTS_LAST = "Correcting the last mask."


@dataclass(frozen=True)
class ClickAnswer:
    """A mask for one prompt.

    Attributes:
        corrected: The region on the page that it corrects; None for a new region.
        message: What to tell the person about it, one line; "" for nothing.
        takes_label: Whether the corrected region gets the label of the click; else it keeps its own.
    """

    candidate: Candidate
    corrected: LabeledRegion | None = None
    message: str = ""
    takes_label: bool = False


@timed("sam")
def answer_prompt(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    prompt: LabeledPrompt,
    correctable: Sequence[CorrectableRegion],
    config: ImageConfig,
    boxes: MaskBoxCache,
    nothing: ClicksOnNothing,
    deadline: Deadline = NO_DEADLINE,
    *,
    min_score: float = 0.0,
) -> ClickAnswer:
    """Answer one prompt by the rules above.

    Args:
        correctable: Masks on the page, newest first.
        boxes, nothing: Caches.
        deadline: Of the request, which ends the work between two masks or two runs of SAM.
        min_score: Minimum predicted IoU of a single click; see `click_on_nothing`.

    Raises:
        BadPrompt: Only negative points, and no mask to subtract from; or a click on nothing.
        Overloaded, ClientDisconnected: The answer would come too late.
    """

    def answer_rest(counting: Prompt) -> ClickAnswer:
        others = replace(prompt, prompt=counting)
        answer = answer_prompt(
            labeler, encoded, others, correctable, config, boxes, nothing, deadline, min_score=min_score
        )
        return answer if IGNORED in answer.message else replace(answer, message=f"{answer.message} {IGNORED}".strip())

    corrected, takes_label = find_corrected(prompt, correctable, config, boxes, deadline), False
    if corrected is None and prompt.label and is_background(prompt.prompt):
        corrected, takes_label = find_corrected(replace(prompt, label=""), correctable, config, boxes, deadline), True
    if corrected is not None:
        found = next(region for region in correctable if region.region_id == corrected.region_id)
        min_cover = MIN_COVER if found.may_be_rejected else 0.0
        other = find_other_object(labeler, encoded, prompt.prompt, corrected.mask, deadline, min_cover=min_cover)
        if other is not None:
            return ClickAnswer(other)
        candidate = labeler.refine(encoded, prompt.prompt, corrected.mask, deadline=deadline)
        return ClickAnswer(candidate, corrected, CORRECTS_LAST if found.is_recent else "", takes_label)
    points = prompt.prompt
    if is_background(points) and points.box_xyxy is None:
        if len(points.point_labels) > 1:  # the first one was refused, stayed on the page and does not count
            counting = replace(points, point_coords=points.point_coords[1:], point_labels=points.point_labels[1:])
            return answer_rest(counting)
        raise BadPrompt("No mask here to take a part from.", remedy="Click the object first.")
    repeats = count_repeats(points, encoded.image.size)
    if repeats:
        first = Prompt(points.point_coords[:1], points.point_labels[:1])
        larger = labeler.segment_larger(encoded, first, repeats)
        return ClickAnswer(larger.candidate, message=describe_size(larger.place, larger.count))
    if points.is_single_click:
        return ClickAnswer(nothing.answer(labeler, encoded, points, min_score, deadline))
    counting, is_short = nothing.settle(labeler, encoded, points, min_score, deadline)
    if is_short:
        return answer_rest(counting)
    return ClickAnswer(labeler.segment(encoded, counting, deadline=deadline)[0])


def is_background(prompt: Prompt) -> bool:
    """Whether all points of a prompt take something away."""
    return bool(prompt.point_labels) and not any(prompt.point_labels)


def find_other_object(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    points: Prompt,
    mask: Mask,
    deadline: Deadline = NO_DEADLINE,
    *,
    min_cover: float = 0.0,
) -> Candidate | None:
    """Another object than the mask that positive points near it select; None if they may mean the mask itself.

    Args:
        min_cover: Minimum share of the mask that an answer to the points alone covers if they mean the mask.
    """
    if not all(points.point_labels) or any(distance_to_mask(mask, at, 0.0) == 0 for at in points.point_coords):
        return None
    alone = labeler.segment(encoded, points, deadline=deadline)[0]
    inside = int(np.count_nonzero(alone.mask & mask))
    is_apart = inside < OTHER_OVERLAP * int(np.count_nonzero(alone.mask))
    is_apart = is_apart or inside < min_cover * int(np.count_nonzero(mask))
    return alone if is_apart and alone.score >= OTHER_SCORE else None


def find_corrected(
    prompt: LabeledPrompt,
    correctable: Sequence[CorrectableRegion],
    config: ImageConfig,
    boxes: MaskBoxCache,
    deadline: Deadline = NO_DEADLINE,
) -> LabeledRegion | None:
    """Find the mask with the prompt's label that all points lie on, else the nearest one; of equals the newest.

    A prompt without a label finds a mask with any label.

    Only masks near the points are decoded, at most the `MAX_DECODED` newest; each costs as much as the image has
    pixels. A damaged mask is skipped: it must not make clicks elsewhere fail.
    """
    nearest, min_distance, decoded_count = None, math.inf, 0
    for region in correctable:
        if not region.is_meant_by(prompt):
            continue
        deadline.raise_if_over()
        try:
            if not _may_be_near(prompt.prompt, boxes.box_of(region, config)):
                continue
            decoded_count += 1
            decoded = region.decode(config)
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


def distance_of_points(prompt: Prompt, mask: Mask) -> float:
    """Distance of the farthest point from the mask in pixels; infinite if it is not near the mask."""
    limit = _reach(np.count_nonzero(mask))
    if not mask.any():
        return math.inf
    return max(distance_to_mask(mask, point, limit) for point in prompt.point_coords)


def count_repeats(prompt: Prompt, size: Size) -> int:
    """Number of times a single click was repeated at nearly the same place; 0 for any other prompt."""
    if prompt.box_xyxy is not None or not prompt.point_labels or not all(prompt.point_labels):
        return 0
    reach = SAME_PLACE * math.hypot(size.width, size.height)
    first = prompt.point_coords[0]
    is_same_place = all(math.dist(first, point) <= reach for point in prompt.point_coords)
    return len(prompt.point_coords) - 1 if is_same_place else 0
