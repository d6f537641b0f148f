"""Which object of an image is cut out: the clicked, the boxed, the named, or the largest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.engine import EncodedImage, ImageLabeler, clean_candidate
from backend.errors import BadPrompt, BadSettings, shorten
from backend.export import Background, Segment, parse_colour
from backend.folders.segments import propose_masks
from backend.images import SourceImage
from backend.values import Box, Mask, Prompt, ProposalOptions, Size

REMOVE = "remove"
MAX_SIDES = 2  # of the image that an object may touch; what touches more is taken for the ground or the backdrop


@dataclass(frozen=True)
class CutoutRequest:
    """What is cut out, and what is put behind it.

    Attributes:
        points: XY in pixels, all on the object.
        box_xyxy: Around the object; with points, both describe one object.
        is_named: Without points and box: everything that the texts name, not the largest object.
        soft_edges: See `export.encode_cutout`.
    """

    background: Background
    points: tuple[tuple[float, float], ...] = ()
    box_xyxy: Box | None = None
    is_named: bool = False
    soft_edges: float = 0.0


def parse_background(text: str, max_pixels: int) -> Background:
    """Parse "remove", a colour, or the path of an image.

    Raises:
        BadSettings: None of them.
        BadImage: A file that is not an image.
    """
    path = Path(text).expanduser()
    if text == REMOVE:
        return Background()
    if path.is_file():
        return Background(picture=SourceImage(path.read_bytes(), path.name, max_pixels).pixels)
    colour = parse_colour(text)
    if colour is None:
        message = f"The background {shorten(repr(text))} is neither a colour nor an image file."
        raise BadSettings(
            message, remedy='Give "remove", a colour such as white or "#ffcc00", or the path of an image.'
        )
    return Background(colour)


def choose_object(
    labeler: ImageLabeler,
    encoded: EncodedImage,
    request: CutoutRequest,
    segments: Sequence[Segment] | None,
    options: ProposalOptions,
) -> Mask | None:
    """Return the mask of the object; None if there is none.

    Args:
        segments: Those of the image; None if it was not segmented.

    Raises:
        BadPrompt: A point or the box does not lie inside the image.
    """
    if request.points or request.box_xyxy:
        check_inside(request, encoded.image)
        prompt = Prompt(request.points, (1,) * len(request.points), request.box_xyxy)
        candidate = clean_candidate(labeler.segment(encoded, prompt)[0], encoded.image.size, request.points)
        return candidate.mask if candidate.mask.any() else None
    masks = propose_masks(labeler, encoded, options) if segments is None else [one.mask for one in segments]
    if not masks:
        return None
    return np.logical_or.reduce(masks) if request.is_named else choose_largest(masks)


def choose_largest(masks: Sequence[Mask]) -> Mask:
    """Return the largest of the masks that touch at most two sides of the image, or of all if none does."""
    whole = [mask for mask in masks if _touched_sides(mask) <= MAX_SIDES]
    return max(whole or masks, key=lambda mask: int(np.count_nonzero(mask)))


def check_inside(request: CutoutRequest, image: SourceImage) -> None:
    """Raise BadPrompt for a point or a box outside of the image."""
    size: Size = image.size
    for x, y in request.points:
        if not (0 <= x < size.width and 0 <= y < size.height):
            message = f"The point {x:g},{y:g} lies outside of {image.name}, which has {size} pixels."
            raise BadPrompt(message, remedy=f"Give x from 0 to {size.width - 1} and y from 0 to {size.height - 1}.")
    if request.box_xyxy is not None:
        left, top, right, bottom = request.box_xyxy
        if not (0 <= left < right <= size.width and 0 <= top < bottom <= size.height):
            box = f"{left:g},{top:g},{right:g},{bottom:g}"
            message = f"The box {box} does not lie inside {image.name}, which has {size} pixels."
            raise BadPrompt(message, remedy="Give left,top,right,bottom in pixels of the image.")


def _touched_sides(mask: Mask) -> int:
    return sum(bool(side.any()) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
