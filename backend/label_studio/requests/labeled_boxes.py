"""Boxes that exist already, and the request of a bulk run for their masks.

The document of each task carries its boxes to the models, into another process, too:

    {"id": 7, "data": {"image": …}, "boxes": {"image": ImageBoxes((LabeledBox((8.0, 9.0, 40.0, 30.0), "cat"),))}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.values import Box, Size

BOXES = "boxes"
"""Key of a task's boxes in its document, by the name of the Image tag."""


@dataclass(frozen=True)
class LabeledBox:
    """A box around one object; it can be pickled.

    Attributes:
        box_xyxy: In pixels of the upright image; it may reach over the image's edges.
        label: As in the labeling config.
        score: Of the detector, in [0, 1]; None for a box that a person drew.
        choices: Values chosen for it, by the name of the per-region control.
        region_id: Id of the rectangle in Label Studio; "" for a box of a file.
    """

    box_xyxy: Box
    label: str
    score: float | None = None
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    region_id: str = ""


@dataclass(frozen=True)
class ImageBoxes:
    """The boxes of one image of a task, in their order.

    Attributes:
        size: Of the image that they were drawn on; None if it is not known.
    """

    boxes: tuple[LabeledBox, ...]
    size: Size | None = None


@dataclass(frozen=True)
class FromBoxes:
    """Request of a bulk run for the masks of boxes that exist; the documents of the tasks carry them.

    Attributes:
        source: Where the boxes come from and which of them count, as JSON; it is part of the model version.
        review: Whether the masks are scored for the order of their review.
    """

    source: Mapping[str, Any]
    review: bool = False
