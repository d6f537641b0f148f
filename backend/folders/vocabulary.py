"""Labels from a command line or a file: parsing, and what CLIP makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backend.engine import parse_text
from backend.errors import BadSettings, shorten
from backend.values import ClassName

AUTO = "AUTO"
_REMEDY = "Give labels with --labels car,bus or --labels-file FILE, or name what to look for with --text WORDS."


class WordReader(Protocol):
    """The part of `backend.engine.ImageLabeler` that says what CLIP and the detector know."""

    @property
    def can_classify(self) -> bool: ...
    @property
    def can_search(self) -> bool: ...
    def limits_for(self, vocabularies: Sequence[Sequence[ClassName]]) -> str: ...
    def known_classes(self, vocabulary: Sequence[ClassName]) -> list[ClassName]: ...
    def check_text(self, text: str, vocabulary: Sequence[ClassName] = ()) -> None: ...


@dataclass(frozen=True)
class Vocabulary:
    """What segments can be labeled as.

    Attributes:
        labels: CLIP chooses one of them for each segment.
        texts: If there are any, only what they name is kept, and the labels compete with them.
        keep: Only segments with one of these labels are kept; empty for all.
    """

    labels: tuple[ClassName, ...] = ()
    texts: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that a segment can have, each once."""
        every = dict.fromkeys([*(label.name for label in self.labels), *self.texts])
        return tuple(name for name in every if not self.keep or name in self.keep)

    @property
    def is_empty(self) -> bool:
        return not self.labels and not self.texts


def split_labels(text: str) -> list[str]:
    """Split labels at commas; blank ones are dropped."""
    return [label for part in text.split(",") if (label := " ".join(part.split()))]


def read_labels_file(path: Path) -> list[str]:
    """Read a file with a label a line; blank lines and lines that begin with # are skipped.

    Raises:
        BadSettings: The file cannot be read, or is not UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        message = f"The labels file {path} cannot be read: {error.strerror}."
        raise BadSettings(message, remedy="Check --labels-file.") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"The labels file {path} is not UTF-8 text.", remedy="Save it as UTF-8 text.") from error
    return [label for line in lines if (label := " ".join(line.split())) and not label.startswith("#")]


def build_vocabulary(
    labels: Sequence[str], texts: Sequence[str], keep: Sequence[str], max_labels: int
) -> tuple[Vocabulary, list[str]]:
    """Build a vocabulary; returns it with remarks for the person who gave it.

    Raises:
        BadSettings: More labels than `max_labels`, a label that is reserved or has an unprintable character, or an
            unknown label in `keep`.
        BadPrompt: A text that names nothing.
    """
    for text in texts:
        parse_text(text)
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    vocabulary = Vocabulary(
        tuple(ClassName(label) for label in dict.fromkeys(labels)), tuple(dict.fromkeys(texts)), tuple(keep)
    )
    if len(vocabulary.labels) > max_labels:
        message = f"There are {len(vocabulary.labels)} labels; the limit is {max_labels}."
        raise BadSettings(message, remedy="Give fewer labels, or raise MAX_CLASSES.")
    if odd := [label for label in labels if not label.isprintable()]:
        message = f"The label {shorten(odd[0])!r} has an unprintable character."
        raise BadSettings(message, remedy="Type the label again.")
    if AUTO in labels or AUTO in texts:
        message = f'"{AUTO}" cannot be a label: Label Studio projects use it for "let the model choose".'
        raise BadSettings(message, remedy="Write it differently, for example in small letters.")
    known = {label.name for label in vocabulary.labels} | set(texts)
    if missing := [label for label in keep if label not in known]:
        message = (
            f"{shorten(repr(missing[0]))} is to be kept, but is not among the labels: {shorten(', '.join(known))}."
        )
        raise BadSettings(message, remedy="Write it in --keep as it is written in --labels.")
    return vocabulary, _remarks(vocabulary, repeated)


def check_vocabulary(vocabulary: Vocabulary, background_words: Sequence[str], reader: WordReader) -> None:
    """Check that the detector or CLIP can work with the vocabulary, so that a run does not fail at every image.

    Args:
        background_words: What competes with the labels.

    Raises:
        BadSettings: CLIP is not loaded or does not know the labels, or the background words fit nothing.
        BadPrompt: A text that the detector or, without one, CLIP cannot read.
    """
    if background_words and (vocabulary.texts or not vocabulary.labels):
        message = "Background words compete with labels only, not with texts."
        raise BadSettings(message, remedy="Leave out --background-words, or give labels without --text.")
    if repeated := [label.name for label in vocabulary.labels if label.name in background_words]:
        message = f"{shorten(repr(repeated[0]))} is a label and a background word."
        raise BadSettings(message, remedy="Leave it out of --background-words: a label competes anyway.")
    if not vocabulary.texts and len(vocabulary.labels) + len(background_words) < 2:
        return
    if not (reader.can_search if vocabulary.texts else reader.can_classify):
        what = (
            f"the text {shorten(vocabulary.texts[0])!r}"
            if vocabulary.texts
            else f"{len(vocabulary.labels) + len(background_words)} labels"
        )
        message = f"No CLIP model is loaded, which {what} would need."
        raise BadSettings(message, remedy="Set CLIP_MODEL to a model that loads (demo-clip, or see the README).")
    for text in vocabulary.texts:
        reader.check_text(text, vocabulary.labels)
    words = [*vocabulary.labels, *map(ClassName, background_words)]
    limits = "" if vocabulary.texts else reader.limits_for([words])
    if limits:
        known = {label.name for label in reader.known_classes(words)}
        unknown = [label.name for label in words if label.name not in known]
        message = f"{limits} They do not know {shorten(', '.join(unknown))}."
        remedy = (
            "Set SAM_MODEL and CLIP_MODEL to models for photographs (see the README), or give labels that they know."
        )
        raise BadSettings(message, remedy=remedy)


def require_labels(vocabulary: Vocabulary) -> None:
    """Raise BadSettings if there is neither a label nor a text."""
    if vocabulary.is_empty:
        raise BadSettings("There are no labels.", remedy=_REMEDY)


def _remarks(vocabulary: Vocabulary, repeated: Sequence[str]) -> list[str]:
    remarks = []
    if repeated:
        names = shorten(", ".join(map(repr, repeated)))
        remarks.append(f"Repeated labels count once: {names}.")
    if len(vocabulary.labels) == 1 and not vocabulary.texts:
        name = shorten(repr(vocabulary.labels[0].name))
        remarks.append(f"With one label every segment is {name}; further ones, or --text, let CLIP tell them apart.")
    return remarks
