"""What an export wrote and what it left out, for the person who ran it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backend.bulk import PictureCounts, ReadCounts, list_reasons
from backend.errors import shorten
from backend.export import DataSetStatistics, RegionCounts, Written
from scripts.exporting.pictures import describe_pictures

EXPORTED = {
    "best": "the ground truth if marked, otherwise the newest",
    "latest": "the newest",
    "first": "the oldest",
    "user": "the newest of that person",
    "ground-truth": "the newest ground truth",
    "all": "the newest of each annotator",
    "consensus": "the newest of the only annotator",
}
"""By rule, what is exported of a task with several annotations."""


@dataclass
class ExportCounts:
    """All that is counted during an export.

    Attributes:
        rule: Which annotation of a task is exported.
        predictions: Number of predictions that the project has; of a file it is not known.
    """

    read: ReadCounts = field(default_factory=ReadCounts)
    rule: str = "best"
    predictions: int = 0
    regions: RegionCounts = field(default_factory=RegionCounts)
    pictures: PictureCounts = field(default_factory=PictureCounts)
    data_set: DataSetStatistics = field(default_factory=DataSetStatistics)

    @property
    def failures(self) -> list[str]:
        """Tasks that are not in the data set, with the reasons."""
        return [*self.read.failures, *self.pictures.failures]

    @property
    def exit_status(self) -> int:
        return 1 if self.failures else 0


def summarize(counts: ExportCounts, folder: str, written: Sequence[Written]) -> str:
    """Summarize what was written and what was left out."""
    return "\n".join([_first_line(counts, folder), *_list_written(written), *_list_counts(counts)])


def summarize_dry_run(
    counts: ExportCounts, folder: str, places: Sequence[tuple[str, str]], categories: Sequence[str]
) -> str:
    """Say what an export would write.

    Args:
        places: Name and place of each format, as `list_places` returns them.
    """
    written = [f"  {name}{f' in {place}/' if place else ''}" for name, place in places]
    classes = counts.data_set.classes
    numbers = [f"{shorten(name)} {classes[name].objects if name in classes else 0}" for name in categories]
    return "\n".join(
        [
            "Nothing was written. An export would write:",
            _first_line(counts, folder),
            *written,
            f"  masks by class: {', '.join(numbers) or 'there are no classes'}",
            *_list_counts(counts),
        ]
    )


def _first_line(counts: ExportCounts, folder: str) -> str:
    data_set = counts.data_set
    points = f", {data_set.key_points} key points" if data_set.key_points else ""
    return (
        f"{folder}: {data_set.images} images ({data_set.negatives} negatives), {data_set.objects} masks{points}; "
        f"{counts.read.unannotated} tasks not annotated, {len(counts.failures)} failed"
    )


def _list_written(written: Sequence[Written]) -> list[str]:
    lines = []
    for one in written:
        if not one.place and not one.notes:
            continue
        place = f" in {one.place}/" if one.place else ""
        lines.append(f"  {one.format}{place}{': ' + one.notes[0] if len(one.notes) == 1 else ':' if one.notes else ''}")
        lines += [f"    {note}" for note in one.notes] if len(one.notes) > 1 else []
    return lines


def _list_counts(counts: ExportCounts) -> list[str]:
    return [
        *_explain_no_annotations(counts),
        *describe_pictures(counts.pictures),
        *_list_classes(counts),
        *_list_tasks(counts),
        *_list_left_out(counts.read),
        *_list_failures(counts),
    ]


def _explain_no_annotations(counts: ExportCounts) -> Iterator[str]:
    """Say what to do with predictions that were not submitted, if the tasks have nothing else."""
    read = counts.read
    if read.annotated or counts.failures or not (counts.predictions or read.predicted):
        return
    there = f"the project has {counts.predictions} predictions"
    if not counts.predictions:
        there = f"{read.predicted} tasks of the file have predictions"
    yield f"  only annotations are exported, and these tasks have none; {there}"
    yield "    help: Open the tasks in Label Studio, correct the masks and press Submit. Or, without a look,"
    yield "    tick tasks in the Data Manager and choose Create Annotations From Predictions (docs/reviewing.md)."


def _list_classes(counts: ExportCounts) -> Iterator[str]:
    regions, by_split = counts.regions, counts.data_set.by_split
    if by_split:
        yield f"  images by split: {', '.join(f'{name} {count}' for name, count in by_split.items())}"
    for name in (name for name, count in by_split.items() if not count):
        yield f"  no image is in {name}, on which programs may fail: there are too few images, or groups of --group-by"
    if regions.crowds:
        yield f"  {regions.crowds} masks stand for groups (--crowd)"
    if regions.several_labels:
        several = f"{regions.several_labels} regions have several labels and were exported with the first"
        yield f"  {several}; for example {regions.example}"


def _list_tasks(counts: ExportCounts) -> Iterator[str]:
    read = counts.read
    if read.several:
        yield f"  {read.several} tasks had several annotations; exported {EXPORTED[counts.rule]}"
    if read.not_chosen:
        yield f"  {read.not_chosen} tasks have annotations, but none that the options choose"


def _list_left_out(read: ReadCounts) -> Iterator[str]:
    if read.empty:
        yield f"  skipped {len(read.empty)} empty regions"
        yield from list_reasons(read.empty, indent="    ")
    if read.left_out:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(read.left_out.items()))
        yield f"  skipped because they are prompts, or named by --drop: {listed}"
    if read.only_left_out:
        what = "annotations have an image with nothing else, which counts as one without objects"
        yield f"  {len(read.only_left_out)} {what}; perhaps the mask was not accepted:"
        yield from list_reasons(read.only_left_out, indent="    ")
    if read.messages:
        yield f"  skipped {read.messages} messages of the backend"
    if read.disagreements:
        yield f"  skipped because too few annotators have them: {len(read.disagreements)} regions"
        yield from list_reasons(read.disagreements, indent="    ")
    if read.skipped:
        yield f"  skipped because they cannot be exported: {len(read.skipped)} regions"
        yield from list_reasons(read.skipped, indent="    ")


def _list_failures(counts: ExportCounts) -> Iterator[str]:
    if counts.failures:
        yield f"  {len(counts.failures)} tasks could not be exported; all others are; exit status 1"
        yield from list_reasons(counts.failures, indent="    ")
    if counts.read.undecided:
        yield "  decide once for all tasks:"
        yield from (f"    {one}" for one in counts.read.undecided.values())
