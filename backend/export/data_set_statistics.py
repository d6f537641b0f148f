"""What a data set holds, counted while its images pass by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from backend.export.records import LabeledImage
from backend.values import Size


@dataclass
class ClassCount:
    """Objects of one class.

    Attributes:
        images: Number of images with at least one.
        pixels: Area of all of them together.
        by_split: Number of objects in each split.
    """

    objects: int = 0
    images: int = 0
    pixels: int = 0
    by_split: Counter[str] = field(default_factory=Counter)

    @property
    def mean_area(self) -> float:
        """In pixels; 0 without objects."""
        return self.pixels / self.objects if self.objects else 0.0


@dataclass
class DataSetStatistics:
    """Counts over the images of a data set; regions with an empty mask do not count.

    Attributes:
        negatives: Number of images without regions and key points.
        classes: By label.
        sizes: Number of images of each size.
        by_split: Number of images in each split; a split without images is there only if it was set to 0 before.
    """

    images: int = 0
    negatives: int = 0
    key_points: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)
    sizes: Counter[Size] = field(default_factory=Counter)
    by_split: Counter[str] = field(default_factory=Counter)

    @property
    def objects(self) -> int:
        return sum(count.objects for count in self.classes.values())

    def watch(self, images: Iterable[LabeledImage]) -> Iterator[LabeledImage]:
        """Count the images and yield them."""
        for image in images:
            self.add(image)
            yield image

    def add(self, image: LabeledImage) -> None:
        """Count an image."""
        regions = [region for region in image.regions if region.area]
        self.images += 1
        self.negatives += not regions and not image.key_points
        self.key_points += len(image.key_points)
        self.sizes[image.size] += 1
        if image.split:
            self.by_split[image.split] += 1
        for region in regions:
            count = self.classes.setdefault(region.label, ClassCount())
            count.objects += 1
            count.pixels += region.area
            if image.split:
                count.by_split[image.split] += 1
        for label in {region.label for region in regions}:
            self.classes[label].images += 1

    def to_json(self) -> dict[str, Any]:
        """Return the counts for `export.json`."""
        classes = {name: {"objects": one.objects, "images": one.images} for name, one in sorted(self.classes.items())}
        return {
            "images": self.images,
            "negatives": self.negatives,
            "objects": self.objects,
            "key_points": self.key_points,
            "classes": classes,
            "splits": dict(sorted(self.by_split.items())),
        }
