"""Which formats an export writes: the command's options."""

from __future__ import annotations

import argparse
import math

from backend.errors import BadSettings
from backend.export import FORMATS, FormatOptions

DEFAULT_FORMAT = "coco"


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Add --format and --polygons."""
    described = "; ".join(f"{name}: {format.description}" for name, format in FORMATS.items())
    group = parser.add_argument_group("formats", described)
    group.add_argument(
        "--format",
        action="append",
        choices=list(FORMATS),
        metavar="NAME",
        help=f"file format; may be repeated, each then has a folder of its own (default: {DEFAULT_FORMAT})",
    )
    group.add_argument(
        "--polygons",
        type=tolerance,
        metavar="TOLERANCE",
        help="COCO: outlines instead of exact masks, at most TOLERANCE pixels from the mask; also the tolerance of the "
        "other formats of outlines",
    )


def tolerance(text: str) -> float:
    """Parse an option's number of pixels, which may be 0."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of pixels from 0, got {text}")
    return number


def choose_formats(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of the formats, each once.

    Raises:
        BadSettings: One of them needs the pictures, which are not asked for.
    """
    formats = tuple(dict.fromkeys(arguments.format or [DEFAULT_FORMAT]))
    for name in formats:
        if FORMATS[name].needs_pictures and not arguments.with_images:
            message = f"The format {name} needs the pictures, and --with-images is missing."
            raise BadSettings(message, remedy="Add --with-images, or leave that format out.")
    return formats


def format_options(arguments: argparse.Namespace) -> FormatOptions:
    """Return what the options say about formats."""
    return FormatOptions(polygon_tolerance=arguments.polygons)
