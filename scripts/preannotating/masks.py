"""Options of the automatic masks."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace

from backend.values import ProposalOptions
from scripts.console import fraction, positive_int

MAX_POINTS_PER_SIDE = 256  # 65,536 points an image


def add_mask_options(parser: argparse.ArgumentParser) -> None:
    """Add the parameters of SAM; they default to the checkpoint's values."""
    masks = parser.add_argument_group(
        "automatic masks", "SamAutomaticMaskGenerator's parameters; the defaults depend on the checkpoint"
    )
    masks.add_argument("--points-per-side", type=grid_side, metavar="N", help="prompt with an N x N grid of points")
    masks.add_argument("--pred-iou-thresh", type=fraction, metavar="X", help="minimum predicted IoU of a mask")
    masks.add_argument(
        "--stability-score-thresh",
        type=fraction,
        metavar="X",
        help="minimum stability of a mask under a changed threshold",
    )
    masks.add_argument(
        "--box-nms-thresh",
        type=fraction,
        metavar="X",
        help="of masks whose boxes overlap more (IoU) only the best is kept",
    )
    masks.add_argument(
        "--mask-nms-thresh", type=fraction, metavar="X", help="of masks that overlap more (IoU) only the best is kept"
    )
    masks.add_argument("--min-mask-region-area", type=pixels, metavar="PIXELS", help="remove smaller specks and holes")
    masks.add_argument(
        "--crop-n-layers",
        type=positive_int,
        metavar="N",
        help="also look at crops of the image, in N layers of 4, 16, … crops, for small objects; each crop is encoded",
    )
    masks.add_argument(
        "--fast",
        action="store_const",
        const=True,
        help="skip points that a confident mask covers and merge similar masks early; finds a little less",
    )
    masks.add_argument("--score-threshold", type=fraction, metavar="X", help="minimum class probability of a mask")
    masks.add_argument("--max-masks", type=positive_int, metavar="N", help="keep the N best masks of an image")


def grid_side(text: str) -> int:
    """Parse the number of points per side of the grid."""
    number = positive_int(text)
    if number > MAX_POINTS_PER_SIDE:
        raise argparse.ArgumentTypeError(f"must be at most {MAX_POINTS_PER_SIDE}, got {text}")
    return number


def pixels(text: str) -> int:
    """Parse a number of pixels, which may be 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {text}")
    return number


def override(proposal: ProposalOptions, arguments: argparse.Namespace) -> ProposalOptions:
    """Return the default proposal with the given options replaced."""
    given = {f.name: value for f in fields(proposal) if (value := getattr(arguments, f.name, None)) is not None}
    return replace(proposal, **given)
