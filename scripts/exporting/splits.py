"""Options --split, --seed and --group-by: the parts that a data set is split into."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.errors import BadSettings
from backend.export import SPLITS, LabeledImage, split_images

SplitStream = Callable[[Iterator[LabeledImage], Path], Iterator[LabeledImage]]
"""Labeled images, and a folder for what waits on the disk → the same images with their splits."""


class Fractions(dict[str, float]):
    """Fraction of each split, in the order of `SPLITS`. As a text it is the option's value again."""

    def __str__(self) -> str:
        return ",".join(f"{name}={fraction:g}" for name, fraction in self.items())


def add_split_options(parser: argparse.ArgumentParser) -> None:
    """Add --split, --seed and --group-by."""
    group = parser.add_argument_group("splits")
    group.add_argument(
        "--split",
        type=parse_fractions,
        metavar="NAME=FRACTION,…",
        help="split the data set, each class in equal shares, for instance train=0.8,val=0.1,test=0.1",
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="of --split; the same seed gives the same splits (default: 0)"
    )
    group.add_argument(
        "--group-by",
        metavar="FIELD",
        help="keep images together that have the same value in this field of the task's data, such as the frames of "
        "one video",
    )


def parse_fractions(text: str) -> Fractions:
    """Parse the value of --split."""
    fractions: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in SPLITS:
            raise argparse.ArgumentTypeError(f'unknown split "{name}"; the splits are {", ".join(SPLITS)}')
        if name in fractions:
            raise argparse.ArgumentTypeError(f"{name} is given twice")
        try:
            fractions[name] = float(value)
        except ValueError:
            shown = f'"{value}"' if equals else "missing"
            raise argparse.ArgumentTypeError(f"the fraction of {name} is {shown}; give for instance 0.8") from None
        if not 0 < fractions[name] <= 1:
            raise argparse.ArgumentTypeError(f"the fraction of {name} must be above 0 and at most 1, but is {value}")
    total = sum(fractions.values())
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise argparse.ArgumentTypeError(f"the fractions must be 1 together, but are {total:g}")
    return Fractions((name, fractions[name] / total) for name in SPLITS if name in fractions)


def split_names(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of the splits for `DataSet.splits`; () without --split."""
    return tuple(arguments.split or ())


def build_split_stream(arguments: argparse.Namespace) -> SplitStream:
    """Build what assigns the images to splits; without --split it changes nothing.

    Raises:
        BadSettings: --seed or --group-by without --split.
    """
    if arguments.split is None:
        for option, value in (("--seed", arguments.seed), ("--group-by", arguments.group_by)):
            if value is not None:
                raise BadSettings(f"{option} has no effect without --split.", remedy="Add --split, or leave it out.")
        return lambda images, _: images
    return lambda images, folder: split_images(
        images, arguments.split, arguments.seed or 0, folder, arguments.group_by or ""
    )
