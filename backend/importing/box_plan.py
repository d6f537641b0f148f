"""Boxes of a file → boxes of tasks: images are matched as an import's are, and each label needs a control for masks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from backend.bulk import Failures
from backend.errors import BadDataSet, BadSettings, shorten
from backend.export import BoxFile, FoundImage
from backend.importing.choose_control import suggest
from backend.importing.match_images import TaskIndex
from backend.importing.plan import plan_import
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import ImageBoxes, LabeledBox

LABEL_REMEDY = (
    "Rename them with --rename OLD=NEW, name the file with the categories with --coco-images if these are ids, or add "
    "them to a control for masks, such as BrushLabels"
)


@dataclass
class BoxPlan:
    """The boxes that tasks have, and what was left out.

    Attributes:
        tasks: By task id and name of the Image tag; tasks without a box are not in it.
        bad: Boxes that cannot be prompts, a sentence for each.
        low: Boxes with a score below the minimum.
        crowds: Boxes of groups of objects.
        unmatched: Images without a task.
    """

    tasks: dict[int, dict[str, ImageBoxes]] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    low: int = 0
    crowds: int = 0
    unmatched: Failures = field(default_factory=Failures)

    @property
    def count(self) -> int:
        """Number of boxes."""
        return sum(len(image.boxes) for images in self.tasks.values() for image in images.values())


def plan_file_boxes(
    found: BoxFile,
    index: TaskIndex,
    config: LabelingConfig,
    renamed: Mapping[str, str],
    *,
    by_name: bool = False,
) -> BoxPlan:
    """Match the images of a file to tasks.

    Args:
        renamed: Labels of the project by their names in the file.
        by_name: Whether task ids in the file are ignored.

    Raises:
        BadSettings: A renamed label is none of the file.
        BadDataSet: Labels are not in the labeling config; all of them are named.
    """
    if found.data_set.labels:
        check_renamed(renamed, {*found.data_set.labels, *found.data_set.further_labels})
    check_box_labels(found.data_set.labels, config, renamed)
    plan = BoxPlan(bad=found.bad, low=found.low, crowds=found.crowds)
    for task in plan_import(found.data_set, index, plan.unmatched, by_name=by_name):
        plan.tasks[task.task_id] = {
            place.image.name: ImageBoxes(_rename(image, renamed), image.size) for image, place in task.images
        }
    return plan


def check_renamed(renamed: Mapping[str, str], labels: Collection[str]) -> None:
    """Raise `BadSettings` for the first renamed label that no box has or may have.

    Args:
        renamed: New labels by the old ones.
        labels: Of the boxes before they are renamed, and the others that they may have: the same options may be given
            for a part of the tasks, or for a file without boxes of some category.
    """
    names = sorted(labels)
    for old, new in renamed.items():
        if old not in labels:
            message = (
                f"--rename {shorten(old)}={shorten(new)} changes nothing: no box has the label {shorten(repr(old))}"
            )
            known = f"The labels of boxes are {shorten(', '.join(names))}." if names else "The boxes have no labels."
            raise BadSettings(f"{message}{suggest(old, names)}.", remedy=f"{known} Correct it, or leave it out.")


def check_box_labels(labels: Mapping[str, int], config: LabelingConfig, renamed: Mapping[str, str]) -> None:
    """Raise `BadDataSet` if boxes have labels that no control for masks has, with all of them.

    Args:
        labels: How many boxes have each.
    """
    controls = [control for image in config.images for control in image.mask_controls]
    if not controls:
        message = "The labeling config has no control that could hold the masks of boxes."
        raise BadDataSet(message, remedy="Add BrushLabels, BitmaskLabels or PolygonLabels with these labels.")
    names = list(dict.fromkeys(name for control in controls for name in control.label_names))
    counts: dict[str, int] = {}
    for label, count in labels.items():
        name = renamed.get(label, label)
        if not any(image.mask_control_for(name) for image in config.images):
            counts[name] = counts.get(name, 0) + count
    if counts:
        shown = "; ".join(f"{shorten(repr(one))} of {counts[one]} boxes{suggest(one, names)}" for one in counts)
        message = f"Labels of the boxes are in no control for masks: {shown}."
        raise BadDataSet(message, remedy=f"{LABEL_REMEDY} ({shorten(', '.join(names))}).")


def _rename(image: FoundImage, renamed: Mapping[str, str]) -> tuple[LabeledBox, ...]:
    return tuple(LabeledBox(box.box_xyxy, renamed.get(box.label, box.label), box.score) for box in image.boxes)
