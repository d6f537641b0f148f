"""Other categories for a stream of images: of a per-region choice, and regions that stand for groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from backend.errors import ExportError, shorten
from backend.export.records import EncodedRegion, LabeledImage

OnBadRegion = Callable[[str], None]


@dataclass(frozen=True)
class CrowdMarks:
    """What marks a region as a group of objects that were not annotated one by one (COCO's `iscrowd`).

    Attributes:
        labels: Labels. A region that has another label as well gets that one as its category.
        choices: Control and value of per-region choices.
    """

    labels: frozenset[str] = frozenset()
    choices: frozenset[tuple[str, str]] = frozenset()

    def apply(self, images: Iterable[LabeledImage]) -> Iterator[LabeledImage]:
        """Yield the images with their groups marked."""
        for image in images:
            yield replace(image, regions=tuple(map(self._mark, image.regions)))

    def _mark(self, region: EncodedRegion) -> EncodedRegion:
        own = (region.label, *region.other_labels)
        if not self.labels.isdisjoint(own):
            first, *others = [label for label in own if label not in self.labels] or [region.label]
            return replace(region, is_crowd=True, label=first, other_labels=tuple(others))
        chosen = {(control, value) for control, values in region.choices.items() for value in values}
        return region if self.choices.isdisjoint(chosen) else replace(region, is_crowd=True)


@dataclass(frozen=True)
class ChoiceClasses:
    """Category of each region from a per-region choice, in place of its label.

    Attributes:
        control: Name of the choices control.
        categories: Its choices.
    """

    control: str
    categories: Collection[str]

    def apply(
        self, images: Iterable[LabeledImage], on_failure: OnBadRegion, on_skipped: OnBadRegion | None = None
    ) -> Iterator[LabeledImage]:
        """Yield the images with other categories.

        A region without a choice, or with one that the labeling config does not have, fails its task: an image that
        lacks an object teaches a model that the object is background.

        Args:
            on_failure: Called with task, region and reason of a task that is left out.
            on_skipped: If given, only such a region is left out, and this is called with the reason.
        """
        for (task_id, annotation_id), group in groupby(images, lambda image: (image.task_id, image.annotation_id)):
            where = f"task {task_id}, annotation {annotation_id}"
            try:
                reclassified = [self._reclassify_image(image, where, on_skipped) for image in group]
            except ExportError as error:
                on_failure(f"{where}: {error}")
            else:
                yield from reclassified

    def _reclassify_image(self, image: LabeledImage, where: str, on_skipped: OnBadRegion | None) -> LabeledImage:
        regions: list[EncodedRegion] = []
        for region in image.regions:
            try:
                regions.append(self._reclassify(region))
            except ExportError as error:
                if on_skipped is None:
                    raise
                on_skipped(f"{where}: {error}")
        return replace(image, regions=tuple(regions))

    def _reclassify(self, region: EncodedRegion) -> EncodedRegion:
        if not region.area:
            return region
        chosen = region.choices.get(self.control) or ()
        where = f'Region "{shorten(region.region_id)}"' + (f" ({region.kind})" if region.kind else "")
        if not chosen:
            raise ExportError(
                f'{where} has no choice of "{shorten(self.control)}".',
                remedy="Choose one in Label Studio, or leave such regions out with --skip-bad-regions.",
            )
        if chosen[0] not in self.categories:
            known = shorten(", ".join(self.categories))
            raise ExportError(
                f'{where} has the choice {shorten(repr(chosen[0]))} of "{shorten(self.control)}", which is not in the '
                f"labeling config: {known}.",
                remedy="Choose one of these in Label Studio, or restore the choice in the labeling config.",
            )
        return replace(region, label=chosen[0], other_labels=tuple(chosen[1:]))
