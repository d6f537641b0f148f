"""Regions of an export that a person should know about, counted while the images pass by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backend.errors import shorten
from backend.export.records import EncodedRegion, LabeledImage


@dataclass
class RegionCounts:
    """Counts of regions that are not empty.

    Attributes:
        crowds: Masks that stand for groups.
        several_labels: Masks with more than one label, usually a mistake.
        example: The first of them.
    """

    crowds: int = 0
    several_labels: int = 0
    example: str = ""

    def watch(self, images: Iterable[LabeledImage]) -> Iterator[LabeledImage]:
        """Count the regions of the images and yield these."""
        for image in images:
            for region in image.regions:
                self._add(image, region)
            yield image

    def _add(self, image: LabeledImage, region: EncodedRegion) -> None:
        if not region.area:
            return
        self.crowds += region.is_crowd
        if region.other_labels:
            self.several_labels += 1
            if not self.example:
                labels = shorten(", ".join(map(repr, (region.label, *region.other_labels))))
                self.example = f'region "{shorten(region.region_id)}" of task {image.task_id} with {labels}'
