"""Export what people annotated as a data set.

    python -m scripts.export --project 1 --out exports/birds --url http://localhost:8080 --api-key TOKEN

writes exports/birds/instances.json: COCO instances, every region with its exact mask. docs/exporting.md describes the
formats and all options.

Exit status: 0; 1 if a task could not be exported (the others are), or if nothing could be; 2 for options that are not
valid; 130 if it was interrupted, which leaves an earlier export as it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from backend.bulk import AnnotationReader, read_images
from backend.label_studio.config import parse_labeling_config
from scripts.console import add_connection_options, read_settings, run_command, show_progress
from scripts.exporting.classes import add_class_options, choose_classes
from scripts.exporting.data_set import build_data_set
from scripts.exporting.folder import add_folder_options
from scripts.exporting.formats import add_format_options, choose_formats, format_options
from scripts.exporting.pictures import add_picture_options, build_fetch_size
from scripts.exporting.running import Export, describe_export, write_export
from scripts.exporting.splits import add_split_options
from scripts.exporting.summary import ExportCounts


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description="Export annotations as a data set. Of a task with several annotations one is exported: the "
        "ground truth if one is marked, otherwise the newest (changed last).",
    )
    add_connection_options(parser)
    add_folder_options(parser)
    add_format_options(parser)
    add_class_options(parser)
    add_picture_options(parser)
    add_split_options(parser)
    parser.add_argument(
        "--include-unannotated", action="store_true", help="export tasks without an annotation as negatives"
    )
    parser.add_argument(
        "--skip-bad-regions",
        action="store_true",
        help="skip and name regions without a label or a readable shape, instead of failing their task; "
        "a model then learns that these objects are background",
    )
    parser.add_argument("--dry-run", action="store_true", help="read everything, write nothing, say what would be")
    return parser


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Connect, read and write in one pass, and print a summary."""
    from backend.label_studio.api import AnnotatedTasks, LabelStudioClient
    from backend.wiring import build_limits

    formats = choose_formats(arguments)
    settings = read_settings(arguments.url, arguments.api_key)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project = client.project(str(arguments.project))
    config = parse_labeling_config(project.label_config, build_limits(settings).config)
    classes, counts = choose_classes(arguments, config), ExportCounts()
    images = read_images(
        show_progress(AnnotatedTasks(client).iterate(arguments.project), "reading"),
        AnnotationReader(config, build_fetch_size(settings)),
        counts.read,
        include_unannotated=arguments.include_unannotated,
        skip_bad_regions=arguments.skip_bad_regions,
    )
    data_set = build_data_set(project.title, config, classes, arguments)
    options, project_id = format_options(arguments), str(arguments.project)
    export = Export(images, data_set, classes, formats, options, project_id, counts)
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
