"""Option --with-images: the pictures of a data set."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.bulk import FetchSize, PictureCounts, PictureSource, attach_pictures
from backend.export import LabeledImage, PictureCache
from backend.images import SourceImage
from backend.label_studio.requests import TaskImage
from backend.settings import Settings
from backend.values import Size
from scripts.image_fetching import build_fetcher

PictureStream = Callable[[Iterator[LabeledImage], Path], Iterator[LabeledImage]]
"""Labeled images, and the folder that keeps the pictures (`ExportFolder.pictures`) → the same with their pictures."""


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Add --with-images."""
    parser.add_argument(
        "--with-images",
        action="store_true",
        help="export the pictures too, byte by byte; those that a viewer would have to turn upright (EXIF orientation) "
        "become upright PNGs. If the export fails, the next one continues with the pictures that it has",
    )


def build_fetch_size(settings: Settings) -> FetchSize:
    """Build a function that fetches a task's image and returns its upright size, with the limits of the settings."""
    fetcher = build_fetcher(settings)

    def fetch_size(image: TaskImage) -> Size:
        content = fetcher.fetch(image.uri, image.task_id, image.project_id)
        return SourceImage(content, image.uri, settings.image_max_pixels, settings.image_max_scans).size

    return fetch_size


def build_picture_stream(
    arguments: argparse.Namespace, settings: Settings, project_id: str, counts: PictureCounts
) -> PictureStream:
    """Build what gives images their pictures; without --with-images it changes nothing.

    Args:
        project_id: "" if the annotations come from a file.
        counts: Filled while the images are read; its failures belong to the summary and the exit status.
    """
    if not arguments.with_images:
        return lambda images, _: images
    fetcher = build_fetcher(settings)

    def fetch(image: LabeledImage) -> bytes:
        return fetcher.fetch(image.image_uri, image.task_id, project_id)

    def open_picture(content: bytes, name: str) -> SourceImage:
        return SourceImage(content, name, settings.image_max_pixels, settings.image_max_scans)

    def attach(images: Iterator[LabeledImage], folder: Path) -> Iterator[LabeledImage]:
        cache = PictureCache(folder, f"{settings.label_studio_url} {project_id}")
        return attach_pictures(images, PictureSource(fetch, open_picture, cache), counts)

    return attach


def describe_pictures(counts: PictureCounts) -> list[str]:
    """Return the lines of the summary about pictures."""
    if not counts.fetched + counts.resumed:
        return []
    kept = f", {counts.resumed} were here already" if counts.resumed else ""
    lines = [f"  pictures: {counts.fetched} fetched{kept}"]
    if counts.turned:
        lines.append(f"  {counts.turned} pictures were turned upright and written as PNG, as the masks are upright")
    if counts.renamed:
        lines.append(f"  {counts.renamed} pictures are of another type than their name says, and got its suffix")
    return lines
