"""Images that a data set's files describe, before anybody knows which tasks they belong to: what every reader gives.

An image is found first, and its regions are read when its size is known: outlines of some formats are shares of it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from backend.errors import BadDataSet, shorten
from backend.export.records import Choices, EncodedRegion, KeyPoint
from backend.values import Box, Size

OnBadRegion = Callable[[BadDataSet], None]
NO_CHOICES: Choices = MappingProxyType({})
MAX_SIDE = 1 << 16


@dataclass(frozen=True)
class FoundRegions:
    """What an image has; ids of regions differ from each other."""

    regions: tuple[EncodedRegion, ...] = ()
    key_points: tuple[KeyPoint, ...] = ()


@dataclass(frozen=True)
class FoundBox:
    """A box as a file has it.

    Attributes:
        box_xyxy: In pixels; it may reach over the image's edges.
        score: In [0, 1]; None if the file has none.
    """

    box_xyxy: Box
    label: str
    score: float | None = None


@dataclass(frozen=True)
class FoundImage:
    """An image of a data set.

    Attributes:
        name: For messages, such as `image 5 ("a.jpg")`.
        file_name: Name of its picture, perhaps with folders.
        has_ending: Whether `file_name` has the picture's ending; files of labels are only named like the picture.
        path: Path of its picture in the data set's folder, without ending as `file_name`; "" if that is the path.
        uri: Location of the picture; "" if unknown.
        task_id: Task in Label Studio that it was exported from; None if unknown.
        image_id: Of the data set; 0 if it has none.
        size: Of the upright picture; None if unknown.
        choices: Image-level choices by the name of their control.
        read: Reads its regions for an image of that size. A region that cannot be read is told to the second argument,
            which may raise; otherwise the region is left out.
        boxes: In place of regions, where only boxes were read.
    """

    name: str
    file_name: str
    read: Callable[[Size, OnBadRegion], FoundRegions]
    has_ending: bool = True
    path: str = ""
    uri: str = ""
    task_id: int | None = None
    image_id: int = 0
    size: Size | None = None
    choices: Choices = field(default_factory=lambda: NO_CHOICES)
    boxes: tuple[FoundBox, ...] = ()


@dataclass(frozen=True)
class FoundDataSet:
    """A data set that was found in files.

    Attributes:
        labels: Names of the labels that regions use, and how many regions do.
        key_points: The same of key points.
        digest: Eight hexadecimal digits of its content.
        crowds: Regions that stand for groups of objects.
        further_labels: Names that regions may have, where that is known only when they are read.
        left_out: A sentence about pictures beside the files that are none of the images; "" if there are none.
    """

    images: Sequence[FoundImage]
    labels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    key_points: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    digest: str = ""
    crowds: int = 0
    further_labels: frozenset[str] = frozenset()
    left_out: str = ""


class RegionList:
    """Regions of one image as they are read, each id once.

    Args:
        image: For messages.
    """

    def __init__(self, image: str, on_bad_region: OnBadRegion) -> None:
        self._image, self._on_bad_region = image, on_bad_region
        self._regions: dict[str, EncodedRegion] = {}
        self._key_points: dict[str, KeyPoint] = {}

    def __contains__(self, region_id: str) -> bool:
        return region_id in self._regions

    def add(self, where: str, read: Callable[[], EncodedRegion | Sequence[KeyPoint]]) -> None:
        """Read a region or some key points, or tell what is wrong with them.

        Args:
            where: For messages, such as "annotation 7".
        """
        try:
            found = read()
            if isinstance(found, EncodedRegion):
                self._add_region(found)
            else:
                for point in found:
                    self._check_new(point.region_id)
                    self._key_points[point.region_id] = point
        except BadDataSet as error:
            where = f"{where[:1].upper()}{where[1:]} of {self._image}"
            self._on_bad_region(BadDataSet(f"{where} {error.message}", remedy=error.remedy))

    def collect(self) -> FoundRegions:
        """Return all that was added."""
        return FoundRegions(tuple(self._regions.values()), tuple(self._key_points.values()))

    def _add_region(self, region: EncodedRegion) -> None:
        if not region.area:
            raise BadDataSet("covers no pixel.", remedy="Remove it from the file, or use --skip-bad-regions.")
        self._check_new(region.region_id)
        self._regions[region.region_id] = region

    def _check_new(self, region_id: str) -> None:
        if region_id in self._regions or region_id in self._key_points:
            message = f"has the region id {shorten(repr(region_id))}, which another region of the image has."
            raise BadDataSet(message, remedy="Give each region of an image an id of its own.")


def build_region_id(*parts: object) -> str:
    """Build the id of a region that has none in its file: the same whenever the file is read."""
    text = "\0".join(map(str, parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def parse_size(width: Any, height: Any) -> Size | None:
    """Return the size of an image; None if it is not stated: a side is missing, or both are 0.

    Raises:
        BadDataSet: A side is no whole number from 1 to 65535. The message continues "Image …".
    """
    if width is None or height is None or (width == 0 and height == 0):
        return None
    for name, side in (("width", width), ("height", height)):
        if not is_number(side) or side != int(side) or not 0 < side < MAX_SIDE:
            message = f"has the {name} {shorten(repr(side))}, which is no whole number from 1 to {MAX_SIDE - 1}."
            raise BadDataSet(message, remedy="Correct it in the file, or leave out both width and height.")
    return Size(int(width), int(height))
