"""Control tags of a labeling config, which hold masks, send prompts, or take classes and scores.

A control for masks contains its labels (`BrushLabels`), or it is plain (`Brush`) and takes them from a separate
`Labels` control of the same image. If there are several `Labels` controls, each yields a `Control`. A label's name is
what Label Studio writes into results: its `alias`, or its `value` if it has no alias. Synonyms replace the name in
CLIP's prompts. They are the comma-separated words of `hint`; without a hint, the `value` of a label that has an alias.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from xml.etree.ElementTree import Element

from backend.label_studio.config.limits import PageCount
from backend.label_studio.config.xml import find_tags, is_true, read_attribute, tag_name
from backend.values import ClassName

SHAPES = ("brush", "bitmask", "polygon", "rectangle", "ellipse")  # in order of preference
PATH_SEPARATOR = " / "
MIN_NUMBER, MAX_NUMBER = 1e-9, 1e9  # of an attribute; the quotient of any two such numbers is far from infinite
SCORE_NAME = re.compile(r"(class[_-]?)?score([_-].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Control:
    """Control tag of a labeling config.

    Attributes:
        name: `from_name` of its results.
        to_name: Name of the image.
        labels: In the order of the config.
        kind: "brush", "bitmask", "polygon", "rectangle", "ellipse", "keypoint"; "choices" or "taxonomy".
        smart: Whether it has a smart tool: unless smart="false", which smartOnly="true" overrides.
        labels_name: None if the tag contains its labels. For a plain tag, the name of the Labels control they come
            from, or "" if there is none and regions have no label.
        takes_several: Whether a region may have several of its labels (choice="multiple").
        smart_only: Whether it has no ordinary tool (smartOnly="true"), so that all that is drawn with it are prompts.
    """

    name: str
    to_name: str
    labels: tuple[ClassName, ...] = ()
    kind: str = "brush"
    smart: bool = True
    labels_name: str | None = None
    takes_several: bool = False
    smart_only: bool = False

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @cached_property
    def places(self) -> dict[str, int]:
        """Place of each label's name in `labels`."""
        return {name: place for place, name in enumerate(self.label_names)}

    def has_label(self, name: str) -> bool:
        """Whether it has a label of that name."""
        return name in self.places

    @property
    def result_type(self) -> str:
        """`type` of its results."""
        return self.kind if self.labels_name is not None else f"{self.kind}labels"


@dataclass(frozen=True)
class ClassControl(Control):
    """Choices or Taxonomy control, per region or for the whole image.

    Attributes:
        multiple: Whether several classes may be chosen.
        paths: For a Taxonomy, and for Choices with allowNested="true": the value that results hold for each of
            `labels`, which is the names from the topmost choice down. `labels` are then the leaves, and a label's name
            is its path joined with " / ".
        when_labels: Labels of the regions that have this control; () for all regions.
    """

    kind: str = "choices"
    multiple: bool = False
    paths: tuple[tuple[str, ...], ...] = ()
    when_labels: tuple[str, ...] = ()

    @property
    def result_type(self) -> str:
        return self.kind

    def applies_to(self, label: str) -> bool:
        """Whether a region with this label has this control."""
        return not self.when_labels or label in self._when_labels

    @cached_property
    def _when_labels(self) -> frozenset[str]:
        return frozenset(self.when_labels)

    def name_to_value(self, name: str) -> str | list[str]:
        """Return the value that a result holds for a label."""
        return list(self.paths[self.places[name]]) if self.paths else name


@dataclass(frozen=True)
class ScoreControl:
    """Per-region Number or TextArea control that shows a score.

    Attributes:
        of_class: Whether it shows CLIP's probability of the class instead of SAM's predicted IoU.
        max_value: Value shown for a score of 1; `max` of a Number.
        step: `step` of a Number; 0 if it has none.
    """

    name: str
    to_name: str
    kind: str
    of_class: bool
    max_value: float = 1.0
    step: float = 0.0


def read_labels(control: Element, count: PageCount) -> tuple[ClassName, ...]:
    """Return the labels or choices inside a control at any depth, without duplicate names."""
    labels = (_class_name(tag, count) for tag in find_tags(control, "label", "choice"))
    return distinct([label for label in labels if label.name])


def read_class_control(tag: Element, count: PageCount) -> ClassControl:
    """Read a Choices or Taxonomy control, for any of its images."""
    kind = tag_name(tag)
    is_nested = kind == "taxonomy" or is_true(tag, "allownested")
    leaves = dict(_leaves(tag, count)) if is_nested else {}
    when = read_attribute(tag, "whenlabelvalue")
    return ClassControl(
        name=read_attribute(tag, "name"),
        to_name="",
        labels=tuple(leaves.values()) if is_nested else read_labels(tag, count),
        kind=kind,
        multiple=takes_several(tag),
        paths=tuple(leaves),
        when_labels=tuple(dict.fromkeys([when, *when.split(",")])) if when else (),  # a label may contain a comma
    )


def _leaves(control: Element, count: PageCount) -> Iterator[tuple[tuple[str, ...], ClassName]]:
    """Yield path and class of each choice that contains no other choices, in document order."""
    waiting: list[tuple[Element, tuple[str, ...]]] = [(tag, ()) for tag in reversed(control)]
    parents = _with_choices_inside(control)
    while waiting:
        tag, path = waiting.pop()
        if tag_name(tag) == "choice":
            choice = _class_name(tag, count)
            path = (*path, choice.name)
            if tag not in parents and choice.name:
                yield path, ClassName(PATH_SEPARATOR.join(path), choice.synonyms or (choice.name,))
        waiting += [(child, path) for child in reversed(tag)]


def _with_choices_inside(control: Element) -> set[Element]:
    """Return the tags that contain a choice at any depth, in one pass from the innermost tags outwards."""
    found: set[Element] = set()
    for tag in reversed(list(control.iter())):  # every tag comes after those inside it
        if any(tag_name(child) == "choice" or child in found for child in tag):
            found.add(tag)
    return found


def read_score_control(tag: Element, image_name: str) -> ScoreControl:
    """Read a Number or TextArea control that shows a score."""
    name = read_attribute(tag, "name")
    max_value = _number(tag, "max", 1.0) if tag_name(tag) == "number" else 1.0
    of_class = name.lower().startswith("class")
    return ScoreControl(name, image_name, tag_name(tag), of_class, max_value, _number(tag, "step", 0.0))


def _number(tag: Element, name: str, default: float) -> float:
    """Return a positive number of a sane size; the default if the attribute is anything else."""
    try:
        number = float(read_attribute(tag, name))
    except ValueError:
        return default
    return number if MIN_NUMBER <= number <= MAX_NUMBER else default


def is_smart(tag: Element) -> bool:
    """Whether a control has a smart tool (see `Control.smart`)."""
    return read_attribute(tag, "smart").lower() != "false" or is_true(tag, "smartonly")


def is_smart_only(tag: Element) -> bool:
    """Whether a control has no ordinary tool (see `Control.smart_only`)."""
    return is_true(tag, "smartonly")


def takes_several(tag: Element) -> bool:
    """Whether several labels or choices of a control may be picked."""
    return read_attribute(tag, "choice").lower() == "multiple"


def _class_name(tag: Element, count: PageCount) -> ClassName:
    value, alias, hint = (read_attribute(tag, name) for name in ("value", "alias", "hint"))
    text = hint or (value if alias else "")
    synonyms = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    count.add_classes(max(len(synonyms), 1))
    return ClassName(alias or value, synonyms)


def distinct(labels: Sequence[ClassName]) -> tuple[ClassName, ...]:
    """Return the labels in their order; of several with one name, only the first."""
    by_name: dict[str, ClassName] = {}
    for label in labels:
        by_name.setdefault(label.name, label)
    return tuple(by_name.values())
