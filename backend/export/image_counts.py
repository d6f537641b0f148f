"""How many images, masks and key points an export has, of which classes, counted image by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from backend.errors import shorten
from backend.export.records import EncodedRegion, LabeledImage


@dataclass
class ImageCounts:
    """Counts of all images that were seen.

    Attributes:
        negatives: Images without regions and key points.
        masks: Regions that are not empty.
        empty: Regions whose mask has no pixel, for instance because everything was erased again.
        classes: Masks by label.
        splits: Images by split.
        crowds: Masks that stand for groups.
        several_labels: Masks with more than one label, usually a mistake.
        example: One of them.
    """

    images: int = 0
    negatives: int = 0
    masks: int = 0
    empty: int = 0
    key_points: int = 0
    crowds: int = 0
    several_labels: int = 0
    example: str = ""
    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)

    def count(self, images: Iterable[LabeledImage]) -> Iterator[LabeledImage]:
        """Pass the images on and count them."""
        for image in images:
            self.add(image)
            yield image

    def add(self, image: LabeledImage) -> None:
        """Count an image."""
        self.images += 1
        self.negatives += not image.regions and not image.key_points
        self.key_points += len(image.key_points)
        self.splits[image.split] += 1
        self.annotators[image.annotator] += 1
        for region in image.regions:
            self._add_region(image, region)

    def _add_region(self, image: LabeledImage, region: EncodedRegion) -> None:
        if not region.area:
            self.empty += 1
            return
        self.masks += 1
        self.classes[region.label] += 1
        self.crowds += region.is_crowd
        if region.other_labels:
            self.several_labels += 1
            if not self.example:
                labels = shorten(", ".join(map(repr, (region.label, *region.other_labels))))
                self.example = f'region "{shorten(region.region_id)}" of task {image.task_id} with {labels}'
