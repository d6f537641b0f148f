"""The end-to-end check of `demo --check`: clicks to masks and classes, annotations to COCO, COCO against the truth."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from pycocotools.coco import COCO

from backend.geometry import mask_iou, mask_to_box
from scripts.demo_circle import commands
from scripts.demo_circle.site import LabelStudioSite, keypoint, rectangle
from scripts.demo_circle.stage import Opened, Say
from scripts.demo_circle.targets import MIN_OBJECTS, Target
from scripts.demo_world.scenes import SHAPES

MIN_MEAN_IOU = 0.85
MIN_IOU = 0.6
MIN_CLASS_ACCURACY = 0.95
SIZE = (640, 480)
Json = dict[str, Any]


@dataclass(frozen=True)
class Clicked:
    """A target and the region that the backend returned for the click on it."""

    target: Target
    region_id: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A target and its region in the exported file."""

    target: Target
    iou: float
    category: str
    class_name: str


@dataclass
class Report:
    """Measurements and failures of a check."""

    measured: list[Measured] = field(default_factory=list)
    click_seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def expect(self, is_met: bool, failure: str) -> bool:
        """Record `failure` unless `is_met`; return `is_met`."""
        if not is_met:
            self.failures.append(failure)
        return is_met

    def __str__(self) -> str:
        lines = [f"{'object':<18}{'IoU':>6}  {'label':<8}class"]
        for one in self.measured:
            lines.append(f"{one.target.class_name:<18}{one.iou:6.3f}  {one.category:<8}{one.class_name}")
        if self.measured:
            lines.append(f"{'mean of ' + str(len(self.measured)):<18}{mean(one.iou for one in self.measured):6.3f}")
        if self.click_seconds:
            lines.append(f"a click through Label Studio takes {1000 * median(self.click_seconds):.0f} ms (median)")
        return "\n".join(lines)


def run_circle(opened: Opened, targets: Sequence[Target], environment: Mapping[str, str], say: Say) -> Report:
    """Run the check: click every target, submit, export and compare; then check the pre-annotated project.

    Returns:
        A report; its `failures` are empty if the check passed.
    """
    report = Report()
    with tempfile.TemporaryDirectory(prefix="demo-check-") as folder:
        say(f"Clicking {len(targets)} objects …")
        clicked = click_and_submit(opened, targets, report)
        say("Exporting …")
        path = commands.export(opened.click_project, Path(folder), environment)
        compare(load_coco(path), clicked, report)
    judge(report)
    check_other_prompts(opened, targets[0], report)
    say("Pre-annotating the second project, twice …")
    check_preannotation(opened, environment, report)
    return report


def click_and_submit(opened: Opened, targets: Sequence[Target], report: Report) -> list[Clicked]:
    """Click each target with its colour as the label; submit the results of a scene as one annotation."""
    tasks = opened.site.tasks_by_name(opened.click_project)
    clicked: list[Clicked] = []
    for scene in dict.fromkeys(target.scene for target in targets):
        accepted: list[Json] = []
        for target in (target for target in targets if target.scene == scene):
            prompts = keypoint(target.x + 0.5, target.y + 0.5, SIZE, target.colour)
            started = time.monotonic()
            results = opened.site.predict_interactively(opened.click_backend, tasks[scene], prompts)
            seconds = time.monotonic() - started
            report.click_seconds.append(seconds)
            kinds = [result["type"] for result in results]
            where = f"The click on the {target.class_name} in {scene}"
            report.expect(kinds == ["brush", "labels", "choices"], f"{where} returned {kinds or 'nothing'}.")
            if "brush" in kinds:
                accepted += results
                clicked.append(Clicked(target, results[0]["id"], seconds))
        opened.site.annotate(tasks[scene], accepted)
    negative = next(task for name, task in tasks.items() if name not in {target.scene for target in targets})
    opened.site.annotate(negative, [])
    return clicked


def load_coco(path: Path) -> COCO:
    """Read the file with pycocotools, silencing its output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def compare(coco: COCO, clicked: Sequence[Clicked], report: Report) -> None:
    """Measure every clicked object in the exported file, and check that the file has no other regions."""
    by_region = {entry["region_id"]: entry for entry in coco.anns.values()}
    for one in clicked:
        entry = by_region.pop(one.region_id, None)
        if report.expect(entry is not None, f"The {one.target.class_name}'s region is missing in the export."):
            category = coco.cats[entry["category_id"]]["name"]
            iou = mask_iou(coco.annToMask(entry).astype(bool), one.target.mask)
            report.measured.append(Measured(one.target, iou, category, str(entry["attributes"].get("class"))))
    report.expect(not by_region, f"The export has {len(by_region)} unexpected regions.")
    scenes = {one.target.scene for one in clicked}
    negatives = [image for image in coco.imgs.values() if not coco.getAnnIds(imgIds=image["id"])]
    report.expect(len(coco.imgs) == len(scenes) + 1, f"The export has {len(coco.imgs)} images.")
    report.expect(len(negatives) == 1, f"The export has {len(negatives)} negatives, expected 1.")


def judge(report: Report) -> None:
    """Check the measurements against the limits."""
    measured = report.measured
    missing = sorted(set(SHAPES) - {one.target.shape for one in measured})
    too_few = f"Only {len(measured)} objects were measured, expected at least {MIN_OBJECTS}."
    report.expect(len(measured) >= MIN_OBJECTS, too_few)
    report.expect(not missing, f"Shapes without a measured object: {', '.join(missing)}.")
    if measured:
        average = mean(one.iou for one in measured)
        report.expect(average >= MIN_MEAN_IOU, f"The mean IoU is {average:.3f}, less than {MIN_MEAN_IOU}.")
        wrong = [one for one in measured if one.class_name != one.target.class_name]
        named = "; ".join(f"{one.target.class_name} in {one.target.scene}: {one.class_name}" for one in wrong)
        enough = len(wrong) <= (1 - MIN_CLASS_ACCURACY) * len(measured) + 1e-9
        report.expect(enough, f"{len(wrong)} of {len(measured)} classes are wrong ({named}).")
    for one in measured:
        name = f"The {one.target.class_name} in {one.target.scene}"
        report.expect(one.iou >= MIN_IOU, f"{name} has an IoU of {one.iou:.3f}, less than {MIN_IOU}.")
        report.expect(one.category == one.target.colour, f"{name} was exported as {one.category}.")


def check_other_prompts(opened: Opened, target: Target, report: Report) -> None:
    """Check a box without a label: the backend returns the object's mask and chooses its label."""
    task = opened.site.tasks_by_name(opened.click_project)[target.scene]
    edges = mask_to_box(target.mask)
    if edges is None:
        raise ValueError(f"The {target.class_name} in {target.scene} has no pixels.")
    box = rectangle(edges, SIZE)
    results = opened.site.predict_interactively(opened.click_backend, task, box)
    labels = [label for result in results for label in result["value"].get("labels", ())]
    report.expect(
        labels == [target.colour], f"A box without a label around the {target.class_name} returned the labels {labels}."
    )


def check_preannotation(opened: Opened, environment: Mapping[str, str], report: Report) -> None:
    """Check that each task of the second project has one prediction with masks, and that a second run skips all."""
    project, site = opened.preannotated_project, opened.site
    commands.preannotate(project, environment, quiet=True)
    first = _count_masks(site, project)
    output = commands.preannotate(project, environment, quiet=True)
    bare = [name for name, (predictions, masks) in first.items() if predictions != 1 or masks == 0]
    report.expect(not bare, f"Not pre-annotated: {', '.join(bare)}.")
    report.expect(_count_masks(site, project) == first, "A second pre-annotation changed the predictions.")
    report.expect(
        f"created 0, skipped {len(first)}" in output, f"A second pre-annotation did not skip: {output.strip()}"
    )


def _count_masks(site: LabelStudioSite, project: int) -> dict[str, tuple[int, int]]:
    """Count each task's predictions and the masks in them."""
    counts = {}
    for name, task in site.tasks_by_name(project).items():
        predictions = site.task(task)["predictions"]
        masks = sum(result["type"] == "brush" for one in predictions for result in one["result"])
        counts[name] = (len(predictions), masks)
    return counts
