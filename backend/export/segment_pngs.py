"""Segments as transparent pictures, cropped to the object, in files named `label_id_confidence.png`.

A label becomes part of a file name: letters, digits, `_` and `-` stay, everything else becomes `-`. So no label can
lead out of its folder, hide a file or look like a file ending. The id never has a `_`, so a name is taken apart from
the right: `"red-ring_3fa9c01b2e4d-07_0.97".rsplit("_", 2)`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from backend.geometry import mask_to_box
from backend.values import Mask, Pixels

MAX_NAME_BYTES = 120  # of a label in a file name; file systems allow 255 for the whole name
_UNSAFE = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class Segment:
    """One object of an image.

    Attributes:
        mask: bool (H, W), not empty.
        segment_id: Unique among all images.
        confidence: Probability of the label, in [0, 1].
    """

    mask: Mask
    label: str
    segment_id: str
    confidence: float


class LabelNames:
    """File names of labels, distinct even where the file system ignores case."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        taken: set[str] = set()
        for label in labels:
            if label not in self._names:
                self._names[label] = distinct_name(label_to_name(label), taken)

    def of(self, label: str) -> str:
        """Return the name of one of the labels."""
        return self._names[label]

    def of_segment(self, segment: Segment) -> str:
        """Return the file name of a segment."""
        return f"{self.of(segment.label)}_{segment.segment_id}_{segment.confidence:.2f}.png"


def label_to_name(label: str) -> str:
    """Replace what a file name should not have; of a label without any letter or digit "label" is left."""
    name = _UNSAFE.sub("-", label).strip("-_")
    while len(name.encode()) > MAX_NAME_BYTES:
        name = name[:-1]
    return name or "label"


def encode_segment(pixels: Pixels, mask: Mask) -> bytes:
    """Encode the object under a mask as a PNG with an alpha channel, cropped to the mask's box.

    Args:
        pixels: uint8 RGB (H, W, 3).
        mask: bool (H, W), not empty.
    """
    box = mask_to_box(mask)
    if box is None:
        raise ValueError("An empty mask has no picture.")
    left, top, right, bottom = box
    alpha = np.where(mask[top:bottom, left:right], 255, 0).astype(np.uint8)
    colours = pixels[top:bottom, left:right] * (alpha[..., None] > 0)  # what is cut off must not be in the file
    return encode_png(np.dstack([colours, alpha]))


def encode_png(pixels: Pixels) -> bytes:
    """Encode uint8 RGB or RGBA pixels, (H, W, 3 or 4)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=4)
    return file.getvalue()


def distinct_name(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken already, and note it as taken; upper and lower case are equal."""
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate.casefold())
    return candidate
