"""One pass from annotations to the files of a data set."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.errors import ExportError
from backend.export import (
    DataSet,
    ExportFolder,
    FormatOptions,
    LabeledImage,
    WriterSet,
    Written,
    check_folder,
    list_places,
)
from backend.settings import Settings
from scripts.exporting.classes import Classes
from scripts.exporting.folder import check_same_project, count_earlier_images, describe_folder
from scripts.exporting.pictures import build_picture_stream
from scripts.exporting.splits import build_split_stream
from scripts.exporting.summary import ExportCounts, summarize, summarize_dry_run


@dataclass(frozen=True)
class Export:
    """What is exported and how.

    Attributes:
        images: As they were read, with the labels as categories.
        classes: What makes other categories out of them.
        formats: Names in `FORMATS`.
        project_id: "" if the annotations come from a file.
        by_annotator: Whether each annotator gets a data set.
        counts: Filled while the images are read.
    """

    images: Iterator[LabeledImage]
    data_set: DataSet
    classes: Classes
    formats: tuple[str, ...]
    options: FormatOptions
    project_id: str
    counts: ExportCounts
    by_annotator: bool = False


def write_export(
    export: Export, parser: argparse.ArgumentParser, arguments: argparse.Namespace, settings: Settings
) -> str:
    """Write the data set into its folder, which is replaced as a whole; return the summary."""
    pictures = build_picture_stream(arguments, settings, export.project_id, export.counts.pictures)
    splits = build_split_stream(arguments)
    folder = ExportFolder(arguments.out)
    with folder as staging:
        check_same_project(arguments.out, export.project_id)
        earlier_images = count_earlier_images(arguments.out)
        images = splits(pictures(_classify(export, arguments), folder.pictures), staging)
        writers = WriterSet(staging, export.formats, export.options, export.data_set, by_annotator=export.by_annotator)
        for image in export.counts.data_set.watch(export.counts.regions.watch(images)):
            writers.add(image)
        if not export.counts.data_set.images and (
            export.counts.failures or export.counts.read.not_chosen or earlier_images
        ):
            raise _refuse_empty(export.counts, arguments.out, earlier_images)
        written = writers.close()
        notes = _name_notes(written)
        describe_folder(folder, export.data_set, export.counts.data_set, export.formats, parser, arguments, notes)
        if export.counts.read.only_left_out:
            folder.record["only_left_out"] = export.counts.read.only_left_out
    return summarize(export.counts, str(arguments.out), written)


def describe_export(export: Export, arguments: argparse.Namespace) -> str:
    """Read everything, write nothing, fetch no picture; return what would be written."""
    check_folder(arguments.out)
    check_same_project(arguments.out, export.project_id)
    annotators: dict[str, None] = {}
    with TemporaryDirectory() as folder:
        WriterSet(Path(folder, "empty"), export.formats, export.options, export.data_set).close()  # one may refuse it
        images = build_split_stream(arguments)(_classify(export, arguments), Path(folder))
        for image in export.counts.data_set.watch(export.counts.regions.watch(images)):
            annotators[image.annotator] = None
    places = list_places(export.formats, list(annotators) if export.by_annotator else None)
    return summarize_dry_run(export.counts, str(arguments.out), places, export.data_set.categories)


def _classify(export: Export, arguments: argparse.Namespace) -> Iterator[LabeledImage]:
    read = export.counts.read
    on_skipped = read.skipped.append if arguments.skip_bad_regions else None
    return export.classes.apply(export.images, read.failures.append, on_skipped)


def _refuse_empty(counts: ExportCounts, out: Path, earlier_images: int) -> ExportError:
    """Print the summary, which has the reasons, and build the error of an export that would replace DIR by nothing."""
    print(summarize(counts, "Nothing was written", []))
    left = f"so {out} is left as it was."
    if not counts.failures and not counts.read.not_chosen:
        message = f"No task has an annotation, and the earlier export has {earlier_images} images, {left}"
        return ExportError(message, remedy="Check the project and its filter; delete the folder for an empty data set.")
    if not counts.failures:
        message = f"{counts.read.not_chosen} tasks have annotations, but none that the options choose, {left}"
        return ExportError(message, remedy="Check --annotation, --reviewed-only and --updated-since.")
    return ExportError(f"No task could be exported, {left}", remedy="See the reasons above.")


def _name_notes(written: list[Written]) -> list[str]:
    """Put the format in front of each note where there are several."""
    return [f"{one.place}: {note}" if one.place else note for one in written for note in one.notes]
