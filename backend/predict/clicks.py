"""What a click asks for: a new object, the same one larger, or a correction of a mask that is on the page.

| the points                                                   | the answer                                        |
|--------------------------------------------------------------|---------------------------------------------------|
| all on or beside a mask of their label                       | that mask, corrected, under its own id            |
| positive ones beside it, where SAM is sure of another object | that other object, as a new region                |
| several positive ones at (nearly) one place and nothing else | SAM's next larger candidate, in a circle          |
| negative ones alone, no box, no mask there                   | refused: there is nothing to take them from       |
| any others, a box, both                                      | SAM's best candidate, as a new region             |

"Beside" is within 15 % of the side of a square as large as the mask (3 pixels at least), so that the middle of the next
object of the same label does not count. SAM is sure of another object when its answer to the points alone has a
predicted IoU of at least 0.5 and lies outside the mask but for a tenth: things of one class often stand close together,
and an accepted mask must not be changed by a click on its neighbour. "Nearly one place" is 1 % of the image's diagonal.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt, BadRegion
from backend.geometry import distance_to_box, distance_to_mask
from backend.images import SourceImage
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import CorrectableRegion, LabeledPrompt, MaskBoxCache
from backend.label_studio.results import LabeledRegion
from backend.values import Box, Candidate, Mask, Prompt, Size

log = logging.getLogger(__name__)

BESIDE = 0.15  # of the square root of the mask's area
BESIDE_PIXELS = 3.0
SAME_PLACE = 0.01  # of the image's diagonal
OTHER_SCORE = 0.5  # SAM's predicted IoU of an object it is sure of
OTHER_OVERLAP = 0.1  # of that object's area


@dataclass(frozen=True)
class ClickAnswer:
    """A mask, and the region on the page that it corrects; None for a new one."""

    candidate: Candidate
    corrected: LabeledRegion | None = None


def answer_prompt(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    prompt: LabeledPrompt,
    correctable: Sequence[CorrectableRegion],
    config: ImageConfig,
    boxes: MaskBoxCache,
) -> ClickAnswer:
    """SAM's answer to one prompt; the table above says which.

    Args:
        correctable: Masks on the page, newest first.
        boxes: Remembers where masks lie.

    Raises:
        BadPrompt: Negative points with nothing to take them from.
    """
    corrected = find_corrected(prompt, correctable, config, boxes)
    if corrected is not None:
        other = find_other_object(labeler, encoded, prompt.prompt, corrected.mask)
        if other is not None:
            return ClickAnswer(other)
        return ClickAnswer(labeler.refine(encoded, prompt.prompt, corrected.mask), corrected)
    points = prompt.prompt
    if points.point_labels and not any(points.point_labels) and points.box_xyxy is None:
        message = f'A negative point needs a mask with the label "{prompt.label}" under it, and there is none.'
        raise BadPrompt(message, remedy="Click on the object first; hold Alt only to take something away from it.")
    repeats = count_repeats(points, encoded.image.size)
    if repeats:
        first = Prompt(points.point_coords[:1], points.point_labels[:1])
        return ClickAnswer(labeler.segment_larger(encoded, first, repeats))
    return ClickAnswer(labeler.segment(encoded, points)[0])


def find_other_object(labeler: ImageLabeler, encoded: EncodedImage, points: Prompt, mask: Mask) -> Candidate | None:
    """What positive points beside a mask mean, if it is another object than the mask; None if it may be the same."""
    if not all(points.point_labels) or any(distance_to_mask(mask, at, 0.0) == 0 for at in points.point_coords):
        return None
    alone = labeler.segment(encoded, points)[0]
    inside = int(np.count_nonzero(alone.mask & mask))
    is_apart = inside < OTHER_OVERLAP * int(np.count_nonzero(alone.mask))
    return alone if is_apart and alone.score >= OTHER_SCORE else None


def keep_identity(region: LabeledRegion, answer: ClickAnswer, config: ImageConfig) -> LabeledRegion:
    """A corrected region keeps its id, which lets Label Studio replace it, its control, and what a person chose."""
    old = answer.corrected
    if old is None:
        return region
    choices = dict(region.choices)
    for control in config.region_choices:
        chosen = old.choices.get(control.name, ())
        if chosen and set(chosen) <= set(control.label_names):
            choices[control.name] = chosen
    homes = [control for control in config.answers if control.name == old.control]
    fits = any(not control.labels or region.label in control.label_names for control in homes)
    control_name = old.control if fits else region.control
    return replace(region, region_id=old.region_id, choices=MappingProxyType(choices), control=control_name)


def find_corrected(
    prompt: LabeledPrompt, correctable: Sequence[CorrectableRegion], config: ImageConfig, boxes: MaskBoxCache
) -> LabeledRegion | None:
    """The mask of the prompt's label that all points lie on, else the nearest they lie beside; of equals the newest.

    Of the masks with that label only those near the points are decoded. A damaged one is passed over, for it is no
    reason to refuse a click elsewhere.
    """
    best, least = None, math.inf
    for region in correctable:
        if (region.label, region.drawn_size) != (prompt.label, prompt.drawn_size) or not prompt.prompt.point_coords:
            continue
        try:
            if not _may_be_beside(prompt.prompt, boxes.box_of(region, config)):
                continue
            decoded = region.decode(config)
        except BadRegion as error:
            log.warning("A mask on the page cannot be corrected: %s", error)
            continue
        distance = distance_of_points(prompt.prompt, decoded.mask)
        if distance < least:
            best, least = decoded, distance
        if least == 0:
            break
    return best


def _may_be_beside(prompt: Prompt, box: Box) -> bool:
    """Whether the points may lie beside a mask of which only the box is known: no mask is larger than its box."""
    limit = _reach((box[2] - box[0]) * (box[3] - box[1])) + 1  # pixels are measured from corner to corner
    return all(distance_to_box(point, box) <= limit for point in prompt.point_coords)


def _reach(area: float) -> float:
    return max(BESIDE_PIXELS, BESIDE * math.sqrt(area))


def distance_of_points(prompt: Prompt, mask: Mask) -> float:
    """How far the farthest point is from the mask, in pixels; infinite if it is not beside the mask."""
    limit = _reach(np.count_nonzero(mask))
    if not mask.any():
        return math.inf
    return max(distance_to_mask(mask, point, limit) for point in prompt.point_coords)


def count_repeats(prompt: Prompt, size: Size) -> int:
    """How often a single click was repeated at nearly its place; 0 if anything else was drawn."""
    if prompt.box_xyxy is not None or not prompt.point_labels or not all(prompt.point_labels):
        return 0
    reach = SAME_PLACE * math.hypot(size.width, size.height)
    first = prompt.point_coords[0]
    together = all(math.dist(first, point) <= reach for point in prompt.point_coords)
    return len(prompt.point_coords) - 1 if together else 0


def check_drawn_size(prompt: LabeledPrompt, image: SourceImage) -> None:
    """Raises `BadPrompt` for a prompt that was drawn on an image of another size."""
    if prompt.drawn_size != image.size:
        raise BadPrompt(
            f"The prompt was drawn on an image of {prompt.drawn_size} pixels, but {image.name} has {image.size}.",
            remedy="Reload the page: the image was replaced after it was opened.",
        )
