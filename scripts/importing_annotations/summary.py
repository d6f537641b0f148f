"""What an import found and did, in lines for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.bulk import Failures, list_reasons
from backend.errors import shorten
from backend.export import FoundDataSet
from backend.importing import TaskImport, TaskResults, name_unused_renames


@dataclass(frozen=True)
class ImportSummary:
    """Summary of an import.

    Attributes:
        unmatched: Images of the data set without a task.
        new: Images that get one.
        creates_tasks: With --create-tasks, which may find tasks of other pictures with the same names.
        compared: Images that were matched by name, and whose picture is the task's.
    """

    data_set: FoundDataSet
    plan: Sequence[TaskImport]
    builder: TaskResults
    unmatched: Failures
    new: int = 0
    creates_tasks: bool = False
    compared: int = 0

    def matching(self) -> str:
        """Describe which images have a task."""
        matched = sum(len(task.images) for task in self.plan)
        new = f"{self.new} without one, " if self.new else ""
        lines = [f"{len(self.data_set.images)} images: {matched} matched to tasks, {new}{self.unmatched.failed} not"]
        lines += [*self._same_names(), *filter(None, [self.data_set.left_out, self._without_regions()])]
        renames = name_unused_renames(self.data_set, self.builder.options)
        return "\n".join([*lines, *self.unmatched.reason_lines, *renames])

    def _same_names(self) -> list[str]:
        """Say how many images were matched by names alone, instead of getting new tasks."""
        pairs = [pair for task in self.plan for pair in task.images]
        count = sum(place.uri not in (found.uri, found.file_name) for found, place in pairs) - self.compared
        if not self.creates_tasks or count <= 0:
            return []
        what = f"{count} images were matched to tasks by the names of their pictures; the pictures were not compared"
        return [f"{what}. If a task shows another picture of that name, import into a project of its own."]

    def _without_regions(self) -> str:
        """Say what it means that no image has a region."""
        found = self.data_set
        if not found.images or found.further_labels or any((*found.labels.values(), *found.key_points.values())):
            return ""
        return "the data set has no regions: its images are imported as pictures without objects"

    def results(self) -> str:
        """Describe what was built of the regions, and what could not be."""
        counts = self.builder.counts
        lines = [
            f"regions: {_list(counts.labels)}" + (f", {counts.key_points} key points" if counts.key_points else "")
        ]
        if counts.inexact:
            what = "regions became shapes that are not exactly their masks"
            lines.append(
                f"  {sum(counts.inexact.values())} {what} ({_list(counts.inexact)}): choose another with --shape"
            )
        if counts.no_control:
            lines.append(f"  attributes without a control of their name were left out: {_list(counts.no_control)}")
        if counts.no_key_point:
            lines.append(f"  key points without a KeyPointLabels control were left out: {_list(counts.no_key_point)}")
        if self.data_set.crowds and self.builder.options.crowd is None:
            what = "groups (iscrowd) became ordinary regions; --crowd CONTROL=CHOICE marks them"
            lines.append(f"  {self.data_set.crowds} {what}")
        if self.builder.skipped:
            lines.append(f"  {len(self.builder.skipped)} regions were left out:")
            lines += list_reasons(self.builder.skipped, indent="    ")
        return "\n".join(lines)


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {shorten(name)}" for name, count in counts.items()) or "none"
