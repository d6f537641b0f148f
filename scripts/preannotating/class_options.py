"""Options that say which classes and which masks are kept: thresholds, words for the background, wholes and parts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Protocol

from backend.errors import BadSettings, shorten
from backend.label_studio.config import ImageConfig, LabelingConfig
from backend.values import ClassName, Nesting, ProposalOptions
from scripts.console import fraction


class Labeler(Protocol):
    """The part of `backend.engine.ImageLabeler` that says what CLIP knows."""

    @property
    def can_classify(self) -> bool: ...
    def limits_for(self, vocabularies: Sequence[Sequence[ClassName]]) -> str: ...


@dataclass(frozen=True)
class Area:
    """An area in pixels, or as a share of the image; the other one is 0."""

    pixels: int = 0
    share: float = 0.0


def add_class_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of classes and of the masks that are kept; `choose_options` reads them."""
    classes = parser.add_argument_group("classes", "CLIP's probabilities are shares: those of all classes sum to 1")
    classes.add_argument(
        "--class-threshold",
        type=class_threshold,
        action="append",
        default=[],
        metavar="X|NAME=X",
        help="drop masks whose best class is less probable; NAME=X for one class, may be repeated",
    )
    classes.add_argument(
        "--background",
        type=words,
        action="extend",
        default=[],
        metavar="WORDS",
        help='drop masks that rather show one of these, e.g. "wall, sky, floor"; the words compete with the classes',
    )
    classes.add_argument(
        "--background-label", metavar="NAME", help="give these masks this label or class instead of dropping them"
    )
    kept = parser.add_argument_group("kept masks", "--keep has no effect on --text, whose masks do not overlap")
    kept.add_argument(
        "--min-area",
        type=area,
        dest="smallest",
        metavar="AREA",
        help="drop smaller masks; in pixels, or as a share such as 0.1%%",
    )
    kept.add_argument(
        "--max-area",
        type=percent,
        dest="max_area_share",
        metavar="SHARE",
        help="drop masks with a larger share of the image, such as 50%%",
    )
    kept.add_argument(
        "--keep",
        type=nesting,
        dest="nesting",
        metavar="|".join(Nesting),
        help="of masks that lie in others keep both, the outermost wholes, the innermost parts, or the best of each "
        "pair; the default depends on the checkpoint",
    )
    kept.add_argument(
        "--containment-thresh",
        type=fraction,
        metavar="X",
        help="share of a mask that must lie in a larger one to make it its part (default: 0.9)",
    )


def choose_options(proposal: ProposalOptions, arguments: argparse.Namespace) -> ProposalOptions:
    """Return the proposal with the given options replaced.

    Raises:
        BadSettings: Two thresholds for the same class, or a label for the background without words for it.
    """
    thresholds: dict[str, float] = {}
    for name, threshold in arguments.class_threshold:
        if thresholds.setdefault(name, threshold) != threshold:
            of_class = f"the class {shorten(name)!r}" if name else "all classes"
            raise BadSettings(f"--class-threshold is given twice for {of_class}.", remedy="Keep one of them.")
    chosen: dict[str, object] = {"score_threshold": thresholds.pop("")} if "" in thresholds else {}
    chosen |= {"class_thresholds": tuple(sorted(thresholds.items()))} if thresholds else {}
    chosen |= {"background_words": tuple(dict.fromkeys(arguments.background))} if arguments.background else {}
    if arguments.background_label:
        if not arguments.background:
            raise BadSettings(
                "--background-label is given without --background.",
                remedy='Add what the background may be, e.g. --background "wall, sky, floor".',
            )
        chosen["background_label"] = arguments.background_label
    if arguments.smallest:
        chosen |= {"min_area": arguments.smallest.pixels, "min_area_share": arguments.smallest.share}
    for name in ("max_area_share", "nesting", "containment_thresh"):
        chosen |= {name: value} if (value := getattr(arguments, name)) is not None else {}
    return replace(proposal, **chosen)  # type: ignore[arg-type]


def check_class_options(options: ProposalOptions, config: LabelingConfig, *, searches: bool = False) -> None:
    """Raise BadSettings if the options do not fit the labeling config, or a search by text; needs no models."""
    if not options.drops_by_class:
        return
    if searches:
        remedy = "Leave out --class-threshold and --background, or --text."
        raise BadSettings("A search for a text drops no masks for their classes.", remedy=remedy)
    names = {label.name: None for image in config.images for label in _classes(image)}
    for name, _ in options.class_thresholds:
        _check_known(name, "--class-threshold", list(names))
    if options.background_label:
        _check_known(options.background_label, "--background-label", list(names))
    for word in options.background_words:
        if word.casefold() in {name.casefold() for name in names}:
            remedy = "Leave it out of --background: a class competes anyway."
            raise BadSettings(
                f"The background word {shorten(word)!r} is a class of the labeling config.", remedy=remedy
            )
    if not names:
        remedy = "Add labels or per-region choices to it, or leave the option out."
        raise BadSettings("The labeling config has no class that CLIP could find in a mask.", remedy=remedy)
    if not options.background_words and all(len(_classes(image)) < 2 for image in config.images):
        raise BadSettings(
            "The labeling config has a single class, which every mask has with probability 1: no threshold drops any.",
            remedy='Add what else is in the images, e.g. --background "wall, sky, floor".',
        )


def check_classes_are_known(options: ProposalOptions, labeler: Labeler) -> None:
    """Raise BadSettings if there is no CLIP for what the options ask, or one that cannot read their words."""
    if not options.drops_by_class:
        return
    if not labeler.can_classify:
        remedy = "Set CLIP_MODEL to a model that loads (demo-clip, or see the README), or leave the option out."
        raise BadSettings("No CLIP model is loaded, so no mask can be dropped for its class.", remedy=remedy)
    limits = labeler.limits_for([[ClassName(word)] for word in options.background_words])
    if limits:
        remedy = "Use words that they know, or models for photographs (see the README)."
        raise BadSettings(f"{limits} They cannot read the words of --background.", remedy=remedy)


def class_threshold(text: str) -> tuple[str, float]:
    """Parse a threshold for all classes, whose name is "", or NAME=X for one; a name may contain "=" too."""
    name, separator, number = text.rpartition("=")
    if separator and not name.strip():
        raise argparse.ArgumentTypeError(f"expected X or NAME=X, got {text}")
    return name.strip(), fraction(number)


def words(text: str) -> list[str]:
    """Parse words that are separated by commas."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError("expected words that are separated by commas")
    return found


def area(text: str) -> Area:
    """Parse an area: a whole number of pixels, or a percentage of the image."""
    if text.strip().endswith("%"):
        return Area(share=percent(text))
    if re.fullmatch(r"[0-9]{1,12}", text.strip()):
        return Area(pixels=int(text))
    raise argparse.ArgumentTypeError(
        f'expected pixels, such as 400, or a share of the image, such as "0.1%", got {text}'
    )


def nesting(text: str) -> Nesting:
    """Parse what is kept of masks that lie in others."""
    try:
        return Nesting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(Nesting)}, got {text}") from error


def percent(text: str) -> float:
    """Parse a percentage and return it as a share."""
    number = text.strip().removesuffix("%")
    if text.strip().endswith("%") and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", number) and float(number) <= 100:
        return float(number) / 100
    raise argparse.ArgumentTypeError(f"expected a share of the image, such as 50%, got {text}")


def _classes(image: ImageConfig) -> list[ClassName]:
    """Return what CLIP can say of a mask: the classes of the per-region controls and the labels."""
    return [*(label for control in image.region_choices for label in control.labels), *image.answer_classes]


def _check_known(name: str, option: str, names: Sequence[str]) -> None:
    if name not in names:
        similar = get_close_matches(name, names, n=1, cutoff=0.5)
        remedy = f"Did you mean {shorten(similar[0])}?" if similar else f"It has: {shorten(', '.join(names))}."
        raise BadSettings(f"{option} names {shorten(name)!r}, which is no class of the labeling config.", remedy=remedy)
