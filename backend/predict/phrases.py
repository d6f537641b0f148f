"""What is searched in an image, and which label and classes a mask gets that it names.

A typed text has the label and the per-region class that it is the name of, or a synonym of. With `from_labels` the
labels of the image are searched instead, each by its name and its synonyms:

| labeling config                                              | searched                                         |
|--------------------------------------------------------------|--------------------------------------------------|
| several labels                                               | the labels, and the per-region classes that have |
|                                                              | a name in common with one of them                |
| one label or none, and per-region classes                    | the per-region classes                           |
| one label alone                                              | the label                                        |

So `<Label value="animals" hint="dog,cat"/>` and `<Choice value="dog" hint="dog,puppy"/>` search "animals", "dog",
"cat" and "puppy", and a mask of "puppy" gets both. A name that is a code or a path ("cls_17", "Animals / Dog") is not
searched if it has synonyms, and neither is one that names no object ("object", "thing").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from backend.engine import content_words, parse_text
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import FindText
from backend.values import ClassName

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Phrase:
    """A text to search for.

    Attributes:
        label: Of the masks that it names; None lets CLIP pick.
        choices: Their classes, by the name of the per-region control.
    """

    text: str
    label: str | None = None
    choices: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


def list_phrases(request: FindText, config: ImageConfig) -> list[Phrase]:
    """List what a request searches in an image, each text once.

    Raises:
        BadPrompt: A text that names nothing.
    """
    names = _ClassNames(config)
    texts = names.list_searched() if request.from_labels else request.texts
    return [names.build_phrase(text, linked=request.from_labels) for text in dict.fromkeys(texts)]


class _ClassNames:
    """The labels and per-region classes of an image by their names and synonyms, in whatever order their words are."""

    def __init__(self, config: ImageConfig) -> None:
        self._labels, self._controls = config.answer_classes, config.region_choices
        self._label_by_words = _index(self._labels)
        self._class_by_words = {control.name: _index(control.labels) for control in self._controls}

    def build_phrase(self, text: str, *, linked: bool) -> Phrase:
        """Find the label and the classes that a text is the name of.

        Args:
            linked: Whether a text that is no label has the label that shares a name with its class.
        """
        words = _key(parse_text(text).words)
        known = self._label_by_words.get(words)
        label = known.name if known else None
        choices: dict[str, str] = {}
        for name, class_by_words in self._class_by_words.items():
            class_name = class_by_words.get(words)
            if class_name is not None:
                choices[name] = class_name.name
                label = label or (self._linked_label(class_name) if linked else None)
        return Phrase(text, label, MappingProxyType(choices))

    def list_searched(self) -> list[str]:
        """List the texts of all classes that are searched, in the order of the labeling config."""
        has_labels = len(self._labels) > 1
        classes = [*self._labels] if has_labels or not self._controls else []
        for control in self._controls:
            classes += [one for one in control.labels if not has_labels or self._linked_label(one) is not None]
        return [text for class_name in classes for text in _texts_of(class_name)]

    def _linked_label(self, class_name: ClassName) -> str | None:
        """Return the label that has a name or synonym in common with a class."""
        linked = (self._label_by_words.get(_key(content_words(name))) for name in _names(class_name))
        return next((label.name for label in linked if label is not None), None)


def _index(classes: Sequence[ClassName]) -> dict[tuple[str, ...], ClassName]:
    """Index classes by the words of their names and synonyms; of several with the same words the first counts."""
    by_words: dict[tuple[str, ...], ClassName] = {}
    for class_name in classes:
        for name in _names(class_name):
            by_words.setdefault(_key(content_words(name)), class_name)
    by_words.pop((), None)  # what names no object, such as "thing"
    return by_words


def _key(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(words))


def _names(class_name: ClassName) -> tuple[str, ...]:
    return class_name.name, *class_name.synonyms


def _texts_of(class_name: ClassName) -> Iterator[str]:
    """Yield the name and the synonyms of a class, as far as they can name an object."""
    is_code = re.search(r"[\d_/\\]", class_name.name) is not None
    names = () if is_code and class_name.synonyms else (class_name.name,)
    yield from (text for text in (*names, *class_name.synonyms) if content_words(text))
