"""Options of `label_folder`."""

from __future__ import annotations

import argparse
from pathlib import Path

from backend.values import Box, Nesting
from scripts.preannotating.class_options import nesting
from scripts.preannotating.masks import add_mask_options

Point = tuple[float, float]


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser; parameters of SAM default to the checkpoint's values."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.label_folder",
        description="Segment and label image files, without Label Studio: cut-out segments, pictures with outlines, "
        "statistics, COCO, and predictions that Label Studio imports.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, folders, or patterns in quotes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    _add_labels(parser)
    _add_results(parser)
    _add_cutouts(parser)
    add_mask_options(parser)
    return parser


def _add_labels(parser: argparse.ArgumentParser) -> None:
    labels = parser.add_argument_group("labels", "CLIP chooses one of them for each segment")
    given = labels.add_mutually_exclusive_group()
    given.add_argument("--labels", metavar="A,B", help="labels, separated by commas")
    given.add_argument("--labels-file", type=Path, metavar="FILE", help="file with a label a line")
    labels.add_argument(
        "--text",
        metavar="WORDS",
        action="append",
        default=[],
        help='keep only what the text names, e.g. "the red car"; may be repeated',
    )
    labels.add_argument("--keep", metavar="A,B", default="", help="keep only segments with these labels")
    labels.add_argument(
        "--background-words",
        metavar="A,B",
        default="",
        help='what else may be in the images, e.g. "wall,sky": segments that one of these fits best are dropped',
    )
    labels.add_argument(
        "--nesting",
        type=nesting,
        metavar="|".join(Nesting),
        help="of segments that lie in others keep both, the outermost wholes, or the innermost parts (default: both)",
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    results = parser.add_argument_group("results")
    results.add_argument("--by-label", action="store_true", help="a folder of segments for each label, not each image")
    results.add_argument(
        "--start-over", action="store_true", help="delete what this command wrote into DIR before, and begin again"
    )
    results.add_argument(
        "--root", type=Path, metavar="DIR", help="folder that names are relative to (default: the images' common one)"
    )
    results.add_argument(
        "--image-url",
        metavar="PREFIX",
        help="what stands before an image's name in predictions.json (default: /data/local-files/?d=NAME-OF-ROOT/)",
    )


def _add_cutouts(parser: argparse.ArgumentParser) -> None:
    cutouts = parser.add_argument_group(
        "cut-outs", "one object of each image on another background; labels are not needed for it"
    )
    cutouts.add_argument(
        "--background", metavar="WHAT", help='"remove", a colour such as white or "#ffcc00", or the path of an image'
    )
    cutouts.add_argument(
        "--point",
        type=parse_point,
        action="append",
        default=[],
        metavar="X,Y",
        help="a pixel of the object; may be repeated (default: what --text names, otherwise the largest object)",
    )
    cutouts.add_argument("--box", type=parse_box, metavar="L,T,R,B", help="a box around the object, in pixels")
    cutouts.add_argument(
        "--soft-edges", type=_distance, default=2.0, metavar="PIXELS", help="width of the edge (default: 2; 0: hard)"
    )


def parse_point(text: str) -> Point:
    """Parse X,Y."""
    x, y = _numbers(text, 2, "X,Y such as 120,80")
    return x, y


def parse_box(text: str) -> Box:
    """Parse left, top, right and bottom."""
    left, top, right, bottom = _numbers(text, 4, "LEFT,TOP,RIGHT,BOTTOM such as 10,20,200,180")
    return left, top, right, bottom


def _numbers(text: str, count: int, wanted: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(abs(number) < 1e9 for number in numbers):
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
    return numbers


def _distance(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"must be between 0 and 100, got {text}")
    return number
