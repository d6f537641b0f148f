"""Which categories an export has: the command's options, and the checks against the labeling config."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from backend.bulk import ControlChoice, category_names
from backend.errors import BadSettings, shorten
from backend.export import ChoiceClasses, CrowdMarks, LabeledImage
from backend.label_studio.config import LabelingConfig

OnBadRegion = Callable[[str], None]


def add_class_options(parser: argparse.ArgumentParser) -> None:
    """Add --class-from and --crowd."""
    group = parser.add_argument_group("classes", "by default each region has the category of its label")
    group.add_argument(
        "--class-from",
        metavar="CONTROL",
        help="the choices of this per-region control are the categories, in place of the labels",
    )
    group.add_argument(
        "--crowd",
        action="append",
        default=[],
        metavar="LABEL",
        help="regions with this label, or with CONTROL=CHOICE of a per-region control, stand for a group of objects "
        "(iscrowd in COCO); may be repeated",
    )


@dataclass(frozen=True)
class Classes:
    """Categories of an export, and what makes them out of labels and choices."""

    categories: tuple[str, ...]
    crowds: CrowdMarks
    choice_classes: ChoiceClasses | None = None

    def apply(
        self, images: Iterable[LabeledImage], on_failure: OnBadRegion, on_skipped: OnBadRegion | None
    ) -> Iterator[LabeledImage]:
        """Yield the images with their categories and groups; see `ChoiceClasses.apply`."""
        marked = self.crowds.apply(images)  # before the labels are gone
        return self.choice_classes.apply(marked, on_failure, on_skipped) if self.choice_classes else iter(marked)


def choose_classes(arguments: argparse.Namespace, config: LabelingConfig, controls: ControlChoice) -> Classes:
    """Return the categories that the options choose.

    Raises:
        BadSettings: The labeling config has no such control, label or choice.
    """
    labels = category_names(config, controls.keep)
    choices = region_choices(config)
    crowds = _parse_crowds(arguments.crowd, labels, choices)
    if arguments.class_from is None:
        return Classes(labels, crowds)
    if arguments.class_from not in choices:
        known = shorten(", ".join(choices)) or "none"
        message = f"The labeling config has no per-region choices named {shorten(repr(arguments.class_from))}."
        raise BadSettings(message, remedy=f"Name one of these with --class-from: {known}.")
    categories = choices[arguments.class_from]
    return Classes(categories, crowds, ChoiceClasses(arguments.class_from, categories))


def region_choices(config: LabelingConfig) -> dict[str, tuple[str, ...]]:
    """Return the per-region controls of the page with their choices in the order of the labeling config."""
    found: dict[str, tuple[str, ...]] = {}
    for image in config.images:
        for control in image.region_choices:
            found[control.name] = tuple(dict.fromkeys((*found.get(control.name, ()), *control.label_names)))
    return found


def _parse_crowds(texts: Iterable[str], labels: tuple[str, ...], choices: dict[str, tuple[str, ...]]) -> CrowdMarks:
    marking_labels: set[str] = set()
    marking_choices: set[tuple[str, str]] = set()
    for text in texts:
        control, _, choice = text.partition("=")
        if text in labels:
            marking_labels.add(text)
        elif choice in choices.get(control, ()):
            marking_choices.add((control, choice))
        else:
            pairs = [f"{name}={value}" for name, values in choices.items() for value in values]
            known = shorten(", ".join((*labels, *pairs))) or "none"
            message = f"The labeling config has neither a label nor a choice CONTROL=CHOICE {shorten(repr(text))}."
            raise BadSettings(message, remedy=f"Name one of these with --crowd: {known}.")
    return CrowdMarks(frozenset(marking_labels), frozenset(marking_choices))
