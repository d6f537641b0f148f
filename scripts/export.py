"""Export what people annotated as a data set.

    python -m scripts.export --project 1 --out exports/birds --url http://localhost:8080 --api-key TOKEN

writes exports/birds/instances.json: COCO instances, every region with its exact mask. docs/exporting.md describes the
formats and all options. Exit status: 0, or 1 if a task could not be exported (the others are).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.bulk import AnnotationReader, FetchSize, ReadCounts, read_images
from backend.export import DataSet, ExportFolder, ImageCounts, WriterSet
from backend.fetching import ImageFetcher
from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.settings import Settings
from backend.values import Size
from scripts.console import add_connection_options, read_settings, run_command, show_progress
from scripts.exporting.classes import add_class_options, choose_classes
from scripts.exporting.formats import add_format_options, choose_formats, format_options
from scripts.exporting.summary import summarize, summarize_dry_run


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description="Export annotated masks as a data set. Of a task with several annotations one is exported: the "
        "ground truth if one is marked, otherwise the newest (changed last).",
    )
    add_connection_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the data set; replaced as a whole"
    )
    add_format_options(parser)
    add_class_options(parser)
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


def run(arguments: argparse.Namespace) -> int:
    """Connect, read and write in one pass, and print a summary."""
    from backend.label_studio.api import AnnotatedTasks, LabelStudioClient
    from backend.wiring import build_limits

    formats = choose_formats(arguments)
    settings = read_settings(arguments.url, arguments.api_key)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project = client.project(str(arguments.project))
    config = parse_labeling_config(project.label_config, build_limits(settings).config)
    classes = choose_classes(arguments, config)
    data_set = DataSet(project.title, classes.categories)

    counts, exported = ReadCounts(), ImageCounts()
    read = read_images(
        show_progress(AnnotatedTasks(client).iterate(arguments.project), "reading"),
        AnnotationReader(config, build_fetch_size(settings)),
        counts,
        include_unannotated=arguments.include_unannotated,
        skip_bad_regions=arguments.skip_bad_regions,
    )
    on_skipped = counts.skipped.append if arguments.skip_bad_regions else None
    images = exported.count(classes.apply(read, counts.failures.append, on_skipped))
    if arguments.dry_run:
        for _ in images:
            pass
        print(summarize_dry_run(counts, exported, arguments.out, formats, classes.categories))
        return 1 if counts.failures else 0
    folder = ExportFolder(arguments.out)
    with folder as staging:
        writers = WriterSet(staging, formats, format_options(arguments), data_set)
        for image in images:
            writers.add(image)
        written = writers.close()
    print(summarize(counts, exported, arguments.out, written))
    return 1 if counts.failures else 0


def build_fetch_size(settings: Settings) -> FetchSize:
    """Build a function that fetches a task's image and returns its upright size, with the limits of the settings."""
    fetcher = ImageFetcher(
        settings.label_studio_url,
        settings.label_studio_api_key,
        settings.image_allowed_hosts,
        settings.image_max_bytes,
        settings.image_timeout_seconds,
        cache_bytes=0,
        allowed_networks=settings.image_allowed_networks,
    )

    def fetch_size(image: TaskImage) -> Size:
        content = fetcher.fetch(image.uri, image.task_id, image.project_id)
        return SourceImage(content, image.uri, settings.image_max_pixels, settings.image_max_scans).size

    return fetch_size


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
