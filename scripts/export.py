"""Export what people annotated as a data set.

    python -m scripts.export --project 1 --out exports/birds --url http://localhost:8080 --api-key TOKEN

writes exports/birds/instances.json: COCO instances, every region with its exact mask. docs/exporting.md describes the
formats and all options.

Exit status: 0; 1 if a task could not be exported (the others are), or if nothing could be written; 2 for options that
are missing or not valid; 130 if it was interrupted, which leaves an earlier export as it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from backend.bulk import AnnotationReader, read_images
from backend.export import merge_annotators
from scripts.console import run_command, show_progress
from scripts.control_options import check_controls
from scripts.exporting.classes import add_class_options, choose_classes
from scripts.exporting.data_set import build_data_set
from scripts.exporting.folder import add_folder_options
from scripts.exporting.formats import add_format_options, choose_formats, format_options
from scripts.exporting.pictures import add_picture_options, build_fetch_size
from scripts.exporting.running import Export, describe_export, write_export
from scripts.exporting.selection import (
    add_selection_options,
    open_source,
    read_controls,
    read_options,
    read_source_settings,
)
from scripts.exporting.splits import add_split_options
from scripts.exporting.summary import ExportCounts


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description="Export annotations as a data set: COCO with exact masks, YOLO and other formats.",
    )
    add_selection_options(parser)
    add_class_options(parser)
    add_format_options(parser)
    add_picture_options(parser)
    add_split_options(parser)
    add_folder_options(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="read all annotations, write nothing, say what would be written"
    )
    return parser


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Read and write in one pass, and print a summary."""
    formats, controls = choose_formats(arguments), read_controls(arguments)
    options = read_options(arguments, merge_annotators)
    settings = read_source_settings(arguments)
    source = open_source(arguments, settings)
    check_controls({"--keep": controls.keep, "--drop": controls.drop}, source.config, source.read_all)
    classes, counts = choose_classes(arguments, source.config, controls), ExportCounts(rule=options["choice"].rule)
    reader = AnnotationReader(source.config, build_fetch_size(settings), controls)
    data_set = build_data_set(source, classes, reader.labels, arguments)
    counts.predictions = sum(data_set.model_versions.values())
    counts.data_set.by_split.update(dict.fromkeys(data_set.splits, 0))
    export = Export(
        read_images(show_progress(source.tasks, "reading"), reader, counts.read, **options),
        data_set,
        classes,
        formats,
        format_options(arguments),
        str(arguments.project or ""),
        counts,
        by_annotator=options["choice"].rule == "all",
    )
    if arguments.dry_run:
        print(describe_export(export, arguments))
    else:
        print(write_export(export, parser, arguments, settings))
    return counts.exit_status


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    return run_command(lambda: run(parser, arguments))


if __name__ == "__main__":
    sys.exit(main())
