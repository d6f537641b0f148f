"""Boxes that become masks: the command's options, where the boxes come from, and tasks that carry theirs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.bulk import ClosableRunner, Outcomes, list_reasons
from backend.errors import BadDataSet, BadSettings, shorten
from backend.export import read_boxes
from backend.importing import BoxPlan, DrawnBoxes, TaskIndex, plan_file_boxes
from backend.label_studio.api import AnnotatedTasks, PredictionClient, TaskFilter, TaskListing
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import BOXES, FromBoxes, ImageBoxes
from backend.predict import NO_MASK, OUTSIDE
from scripts.console import fraction, show_progress
from scripts.importing_annotations.options import parse_pair

Json = dict[str, Any]
PROJECT = "project"
ANNOTATIONS, PREDICTIONS = "annotations", "predictions"
OF_BOXES = ("coco_images", "boxes_of", "rename", "by_name", "min_score")
OF_MASKS = (
    "text",
    "text_from_labels",
    "points_per_side",
    "pred_iou_thresh",
    "stability_score_thresh",
    "box_nms_thresh",
    "mask_nms_thresh",
    "min_mask_region_area",
    "crop_n_layers",
    "fast",
    "score_threshold",
    "max_masks",
    "class_threshold",
    "background",
    "background_label",
    "smallest",
    "max_area_share",
    "nesting",
    "containment_thresh",
)
MATCH_REMEDY = "Name the project that the file was made for, or see docs/preannotating.md for how images are matched."
CROWD_REMEDY = "SAM makes the mask of one object: give each its own box, with iscrowd 0."
EMPTY_REMEDY = (
    'Name a COCO data set with "annotations" that have a bbox, or a detector\'s results that are not an empty list.'
)
DRAW_REMEDY = "Draw some, or say with --boxes-of whose rectangles are meant."
OPTION_NAMES = {"smallest": "--min-area", "max_area_share": "--max-area", "nesting": "--keep"}


def add_box_options(parser: argparse.ArgumentParser) -> None:
    """Add --from-boxes and the options that go with it."""
    group = parser.add_argument_group("boxes", "boxes that exist become masks with their labels; CLIP is not needed")
    group.add_argument(
        "--from-boxes",
        metavar="FILE|project",
        default="",
        help="a COCO data set or a detector's results in COCO's format, or the rectangles of this project",
    )
    group.add_argument(
        "--coco-images",
        type=Path,
        metavar="FILE",
        help="the COCO file with the images and categories of a detector's results",
    )
    group.add_argument(
        "--boxes-of",
        default="",
        metavar="annotations|predictions|VERSION",
        help="whose rectangles of the project: people's, any model's, or those of one model version (default: "
        "people's; any model's in tasks that nobody has annotated)",
    )
    group.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="a label of the boxes; may be repeated"
    )
    group.add_argument(
        "--by-name", action="store_true", help="match images of the file by their names, whatever task ids they have"
    )
    group.add_argument("--min-score", type=fraction, metavar="X", help="leave out boxes with a lower score")


def check_box_options(arguments: argparse.Namespace) -> None:
    """Raise BadSettings for options that do not go together."""
    if not arguments.from_boxes:
        _refuse_any(arguments, OF_BOXES, "is for boxes", "Add --from-boxes, or leave it out.")
        return
    _refuse_any(arguments, OF_MASKS, "has no effect on the masks of boxes", "Leave it out, or leave out --from-boxes.")
    if arguments.from_boxes == PROJECT:
        _refuse_any(arguments, ("coco_images", "by_name"), "is for the boxes of a file", "Leave it out.")
    else:
        _refuse_any(arguments, ("boxes_of",), "is for the boxes of a project", "Give --from-boxes project.")


def _refuse_any(arguments: argparse.Namespace, names: Iterable[str], what: str, remedy: str) -> None:
    for name in names:
        if getattr(arguments, name):
            option = OPTION_NAMES.get(name, f"--{name.replace('_', '-')}")
            raise BadSettings(f"{option} {what}.", remedy=remedy)


@dataclass(frozen=True)
class Boxes:
    """The boxes of a run.

    Attributes:
        request: What is asked of every task.
    """

    plan: BoxPlan
    request: FromBoxes

    def describe(self) -> str:
        """Describe in lines what becomes masks and what does not."""
        plan = self.plan
        lines = [f"{plan.count} boxes in {len(plan.tasks)} tasks; other tasks are left as they are"]
        if plan.low:
            lines.append(f"  {plan.low} boxes with a score below --min-score are left out")
        if plan.crowds:
            lines.append(f"  {plan.crowds} boxes of groups of objects (iscrowd) are left out")
        if plan.bad:
            lines += [f"  {len(plan.bad)} boxes are left out:", *list_reasons(plan.bad, indent="    ")]
        if plan.unmatched.failed:
            lines += [f"  {plan.unmatched.failed} images have no task:", *list_reasons(plan.unmatched.reasons, "    ")]
        return "\n".join(lines)


def collect_boxes(
    arguments: argparse.Namespace, client: PredictionClient, project_id: str, config: LabelingConfig
) -> Boxes:
    """Read the boxes and find their tasks.

    Raises:
        BadDataSet: There are none, the file cannot be read, or labels are not in the labeling config.
        BadSettings: No task has a prediction of that version.
        LabelStudioError: The tasks could not be listed.
    """
    renamed = dict(parse_pair("--rename", text) for text in arguments.rename)
    source: Json = {"renamed": renamed} if renamed else {}
    source |= {"min_score": arguments.min_score} if arguments.min_score else {}
    if arguments.from_boxes == PROJECT:
        source |= {"project": arguments.boxes_of}
        plan = _read_project(arguments, client, project_id, config, renamed)
    else:
        found = read_boxes(Path(arguments.from_boxes), arguments.coco_images, min_score=arguments.min_score or 0.0)
        source |= {"file": found.data_set.digest} | ({"by_name": True} if arguments.by_name else {})
        tasks = TaskListing(client).iterate(project_id)
        index = TaskIndex(show_progress(tasks, "listing"), config, project_id)
        plan = plan_file_boxes(found, index, config, renamed, by_name=arguments.by_name)
    boxes = Boxes(plan, FromBoxes(source, arguments.review))
    if not plan.tasks:
        raise _refuse_nothing(arguments, project_id, plan)
    print(boxes.describe(), flush=True)
    return boxes


def _refuse_nothing(arguments: argparse.Namespace, project_id: str, plan: BoxPlan) -> BadDataSet:
    """Build the error of a run without boxes: what became of all that there are, and what to do about each."""
    is_project, lost = arguments.from_boxes == PROJECT, []
    if plan.unmatched.failed:
        what = f"None of its {plan.unmatched.failed} images with boxes is in project {project_id}."
        lost.append((f"{what} {plan.unmatched.reasons[0]}", MATCH_REMEDY))
    if plan.low:
        lost.append((f"{plan.low} boxes have a score below --min-score.", "Lower --min-score."))
    if plan.crowds:
        lost.append((f"{plan.crowds} boxes are of groups of objects (iscrowd).", CROWD_REMEDY))
    if plan.bad:
        lost.append((f"{len(plan.bad)} boxes cannot be used. {plan.bad[0]}", "" if is_project else "Correct the file."))
    if is_project:
        start = f"No task of project {project_id} has a rectangle to make a mask of."
        remedies = [remedy for _, remedy in lost] + [DRAW_REMEDY]
    else:
        start = f"{arguments.from_boxes} has no box to make a mask of."
        remedies = [remedy for _, remedy in lost] or [EMPTY_REMEDY]
    return BadDataSet(" ".join([start, *(what for what, _ in lost)]), remedy=" ".join(filter(None, remedies)))


def _read_project(
    arguments: argparse.Namespace,
    client: PredictionClient,
    project_id: str,
    config: LabelingConfig,
    renamed: Mapping[str, str],
) -> BoxPlan:
    drawn = DrawnBoxes(config, renamed, arguments.min_score or 0.0)
    of, ids = arguments.boxes_of, arguments.task_ids
    if of not in ("", ANNOTATIONS, PREDICTIONS) and of not in (known := client.versions(project_id)):
        message = f"No task of project {project_id} has a prediction of version {shorten(of)}."
        raise BadSettings(message, remedy=f"It has: {shorten(', '.join(known)) or 'no predictions'}.")
    if of in ("", ANNOTATIONS):
        tasks = show_progress(AnnotatedTasks(client).iterate(project_id, ids), "reading annotations")
        ids = drawn.add_annotations(tasks)
    if of != ANNOTATIONS and ids != []:
        version = "" if of == PREDICTIONS else of
        chosen = TaskFilter(with_versions=[version] if version else [], task_ids=ids)
        listed = TaskListing(client).iterate_reviewed(project_id, chosen)
        drawn.add_predictions(show_progress(listed, "reading predictions"), version)
    return drawn.finish()


@dataclass(frozen=True)
class BoxRunner:
    """A runner whose tasks carry their boxes."""

    runner: ClosableRunner
    boxes: Mapping[int, Mapping[str, ImageBoxes]]

    def __call__(self, tasks: Iterable[Json]) -> Outcomes:
        return self.runner(self._with_boxes(tasks))

    def close(self) -> None:
        """End the runner's workers."""
        self.runner.close()

    def _with_boxes(self, tasks: Iterable[Json]) -> Iterator[Json]:
        for task in tasks:
            yield {**task, BOXES: self.boxes[task["id"]]}


def describe_lost(noted: Mapping[str, int]) -> str:
    """Describe the boxes that got no mask in the run; "" if all did."""
    lines = {OUTSIDE: "lie outside their image", NO_MASK: "got no mask: SAM found nothing in them"}
    return "".join(f"{noted[name]} boxes {what}\n" for name, what in lines.items() if noted.get(name))
