"""Options that say what is searched for: texts, or the classes of the labeling config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol

from backend.errors import BadSettings, shorten
from backend.label_studio.config import ImageConfig, LabelingConfig
from backend.label_studio.requests import FindText
from backend.predict import Phrase, list_phrases, search_vocabulary
from backend.values import ClassName

_CLIP_OR_DETECTOR = "Set DETECTOR or CLIP_MODEL to a model that loads (see the README)"


class Labeler(Protocol):
    """The part of `backend.engine.ImageLabeler` that says what the detector and CLIP can read."""

    @property
    def boxes(self) -> object | None: ...
    @property
    def can_classify(self) -> bool: ...
    @property
    def can_search(self) -> bool: ...
    def check_text(self, text: str, vocabulary: Sequence[ClassName] = ()) -> None: ...


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Add --text and --text-from-labels."""
    parser.add_argument(
        "--text",
        metavar="WORDS",
        action="append",
        default=[],
        help='predict only what the text names, e.g. "the red car"; may be repeated',
    )
    parser.add_argument(
        "--text-from-labels",
        action="store_true",
        help="search for the classes of the labeling config, each by its name and the words of its hint",
    )


def read_request(arguments: argparse.Namespace) -> FindText | None:
    """Return what is searched for; None if everything is segmented.

    Raises:
        BadSettings: Both options are given.
    """
    texts = tuple(dict.fromkeys(arguments.text))
    if texts and arguments.text_from_labels:
        raise BadSettings(
            f'--text-from-labels searches for the classes of the labeling config, --text for "{shorten(texts[0])}".',
            remedy="Give one of them; a text that is no class yet can be added to the hint of one.",
        )
    return FindText(texts, from_labels=arguments.text_from_labels) if texts or arguments.text_from_labels else None


def check_detector(name: str, labeler: Labeler) -> None:
    """Raise BadSettings if a search by text would silently be done by CLIP, because the detector is not loaded.

    Args:
        name: The value of DETECTOR.
    """
    if name != "none" and labeler.boxes is None:
        raise BadSettings(
            f"DETECTOR is {name!r}, but it could not be loaded; the log says why.",
            remedy=f"Run `python -m scripts.download_models {name}`, or set DETECTOR=none to search with CLIP.",
        )


def check_request(request: FindText, labeler: Labeler, config: LabelingConfig) -> bool:
    """Check that the detector or, without one, CLIP can search for what a request asks.

    Returns:
        Whether the labels of all masks follow from the texts, so that CLIP has none to choose.

    Raises:
        BadSettings: Neither a detector nor CLIP is loaded, or no class of the labeling config names an object.
        BadPrompt: A text that names nothing, or that cannot be read.
    """
    named = []
    for image in (image for image in config.images if image.answers):
        phrases = list_phrases(request, image)
        if not phrases:
            raise BadSettings(
                f"No class of the labeling config for {shorten(image.name)} names an object to search for.",
                remedy="Add labels or per-region choices to it, give them a hint, or leave out --text-from-labels.",
            )
        if not labeler.can_search:
            message = f'Neither a detector nor CLIP is loaded to search for "{shorten(phrases[0].text)}".'
            option = "--text-from-labels" if request.from_labels else "--text"
            raise BadSettings(message, remedy=f"{_CLIP_OR_DETECTOR}, or omit {option}.")
        for phrase in phrases:
            labeler.check_text(phrase.text, search_vocabulary(image))
        named.append(_check_labels(phrases, labeler, image))
    return all(named)


def _check_labels(phrases: Sequence[Phrase], labeler: Labeler, image: ImageConfig) -> bool:
    """Return whether the labels of all masks of an image follow from the texts."""
    open_ones = [phrase.text for phrase in phrases if phrase.label is None] if len(image.answer_classes) > 1 else []
    if open_ones and not labeler.can_classify:
        raise BadSettings(
            f'"{shorten(open_ones[0])}" is no label of the labeling config, and no CLIP model is loaded to choose one '
            "for its masks.",
            remedy="Add it to the hint of a label, or set CLIP_MODEL to a model that loads (see the README).",
        )
    return not open_ones
