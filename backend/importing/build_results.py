"""Regions of a data set's image → results of Label Studio, in the controls that the labeling config has for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from backend.errors import BackendError, BadDataSet, shorten
from backend.export import EncodedRegion, FoundRegions, KeyPoint, OnBadRegion
from backend.importing.choose_control import EXACT, choose_control, holds_exactly, suggest
from backend.label_studio.config import ClassControl, Control, ImageConfig
from backend.label_studio.results import LabeledRegion, build_key_point, build_results
from backend.values import Size

Choices = Mapping[str, tuple[str, ...]]
Json = dict[str, Any]


@dataclass
class ResultCounts:
    """What the results of an import hold, and what they could not.

    Attributes:
        labels: Regions by label.
        key_points: Their number.
        inexact: Regions that became a shape which is not their mask, by its kind.
        no_control: Attributes without a control of their name, by name: how many regions or images had one.
        no_key_point: Key points without a control for their label, by label.
    """

    labels: Counter[str] = field(default_factory=Counter)
    key_points: int = 0
    inexact: Counter[str] = field(default_factory=Counter)
    no_control: Counter[str] = field(default_factory=Counter)
    no_key_point: Counter[str] = field(default_factory=Counter)

    def add(self, other: ResultCounts) -> None:
        """Add the counts of another one."""
        self.labels += other.labels
        self.key_points += other.key_points
        self.inexact += other.inexact
        self.no_control += other.no_control
        self.no_key_point += other.no_key_point


@dataclass(frozen=True)
class ResultOptions:
    """How regions become results.

    Attributes:
        shape: Kind of control for all regions; "" for the control that holds each exactly.
        tolerance: Pixels that a polygon may leave its mask; 0 for none.
        renamed: Labels of the project by their names in the data set.
        crowd: Control and value of the per-region choice that regions of groups (`iscrowd`) get; None for none.
    """

    shape: str = ""
    tolerance: float = 0.0
    renamed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    crowd: tuple[str, str] | None = None


@dataclass(frozen=True)
class ResultBuilder:
    """Builder of one image's results.

    Attributes:
        image: With `add_ordinary_rectangles`.
        counts: What is built is added to it.
    """

    image: ImageConfig
    options: ResultOptions
    counts: ResultCounts

    def build(
        self, found: FoundRegions, choices: Choices, name: str, on_bad_region: OnBadRegion, size: Size
    ) -> list[Json]:
        """Build the results of regions and key points, then those of the image.

        Args:
            choices: Of the image.
            name: Of the image, for messages.
            on_bad_region: Told what cannot be built; the region is left out unless it raises.
            size: Of the image.
        """
        results: list[Json] = []
        for region in found.regions:
            try:
                results += self._build_region(region)
            except BackendError as error:
                where = f'Region "{shorten(region.region_id)}" of {name}'
                on_bad_region(BadDataSet(f"{where} {error.message}", remedy=error.remedy))
        for point in found.key_points:
            results += self._build_point(point, size)
        try:
            own = self._known_choices(choices, self.image.image_choices)
        except BadDataSet as error:
            on_bad_region(BadDataSet(f"{name[:1].upper()}{name[1:]} {error.message}", remedy=error.remedy))
        else:
            # with the size, so that no picture is fetched to measure it
            sides = {"original_width": size.width, "original_height": size.height, "image_rotation": 0}
            results += [result | sides for result in build_results([], self.image, own)]
        return results

    def _build_region(self, region: EncodedRegion) -> list[Json]:
        options, mask = self.options, region.decode_mask()
        region = replace(region, label=options.renamed.get(region.label, region.label))
        control = choose_control(region, mask, self.image, options.shape, options.tolerance)
        choices = dict(region.choices)
        if region.is_crowd and options.crowd:
            choices[options.crowd[0]] = (options.crowd[1],)
        labeled = LabeledRegion(
            mask,
            region.label if control.label_names else "",
            region.region_id,
            score=region.score,
            choices=self._known_choices(choices, self.image.region_choices),
            control=control.name,
        )
        results = build_results([labeled], self.image, tolerance=options.tolerance)
        self.counts.labels[region.label] += 1
        if control.kind not in EXACT and not holds_exactly(mask, control.kind, options.tolerance):
            self.counts.inexact[control.kind] += 1
        return results

    def _build_point(self, point: KeyPoint, size: Size) -> list[Json]:
        label = self.options.renamed.get(point.label, point.label)
        control = self._point_control(label)
        if control is None:
            self.counts.no_key_point[label] += 1
            return []
        self.counts.key_points += 1
        return build_key_point(point.region_id, label, (point.x, point.y), size, control, point.parent_id)

    def _point_control(self, label: str) -> Control | None:
        """Return the control for a key point, if possible one that sends no clicks."""
        fitting = [one for one in self.image.keypoints if one.has_label(label) and not one.smart_only]
        return min(fitting, key=lambda one: one.smart, default=None)

    def _known_choices(self, choices: Choices, controls: Sequence[ClassControl]) -> Choices:
        """Return the choices that have a control; count the others.

        Raises:
            BadDataSet: A control does not have the choice. The message continues "Region …".
        """
        by_name, known = {control.name: control for control in controls}, dict[str, tuple[str, ...]]()
        for name, values in choices.items():
            if name not in by_name:
                self.counts.no_control[name] += 1
                continue
            control = by_name[name]
            for value in values:
                if not control.has_label(value):
                    what = f'has the choice {shorten(repr(value))} of "{shorten(name)}"'
                    message = f"{what}, which the labeling config does not have{suggest(value, control.label_names)}."
                    raise BadDataSet(message, remedy="Correct it in the file, or add it to the labeling config.")
            known[name] = values
        return known
