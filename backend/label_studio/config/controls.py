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
from xml.etree.ElementTree import Element

from backend.label_studio.config.xml import find_tags, find_tags_for_image, is_true, read_attribute, tag_name
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
    """

    name: str
    to_name: str
    labels: tuple[ClassName, ...] = ()
    kind: str = "brush"
    smart: bool = True
    labels_name: str | None = None

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

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
        return not self.when_labels or label in self.when_labels

    def name_to_value(self, name: str) -> str | list[str]:
        """Return the value that a result holds for a label."""
        return list(self.paths[self.label_names.index(name)]) if self.paths else name


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


def find_shapes(root: Element, kind: str, image_name: str) -> tuple[Control, ...]:
    """Return an image's controls of one kind: those that contain labels, then the plain ones."""
    labeled = [
        Control(read_attribute(tag, "name"), image_name, read_labels(tag), kind, _is_smart(tag))
        for tag in find_tags_for_image(root, image_name, f"{kind}labels")
    ]
    labels_tags = find_tags_for_image(root, image_name, "labels")
    separate = [(read_attribute(tag, "name"), read_labels(tag)) for tag in labels_tags]
    plain = [
        Control(read_attribute(tag, "name"), image_name, labels, kind, _is_smart(tag), labels_name)
        for tag in find_tags_for_image(root, image_name, kind)
        for labels_name, labels in (separate or [("", ())])
    ]
    return tuple(control for control in (*labeled, *plain) if control.labels or control.labels_name == "")


def find_classes(root: Element, image_name: str, *, per_region: bool) -> tuple[ClassControl, ...]:
    """Return an image's Choices and Taxonomy controls, except those whose classes are not in the config."""
    tags = find_tags_for_image(root, image_name, "choices", "taxonomy")
    controls = (_class_control(tag, image_name) for tag in tags if is_true(tag, "perregion") == per_region)
    return tuple(control for control in controls if control.labels)


def find_scores(root: Element, image_name: str) -> tuple[ScoreControl, ...]:
    """Return the per-region Number and TextArea controls named score or class_score, optionally with a suffix _x."""
    return tuple(
        _score_control(tag, image_name)
        for tag in find_tags_for_image(root, image_name, "number", "textarea")
        if is_true(tag, "perregion") and SCORE_NAME.fullmatch(read_attribute(tag, "name"))
    )


def find_text_areas(root: Element, image_name: str) -> tuple[str, ...]:
    """Return the names of an image's TextArea controls that are not per region."""
    tags = find_tags_for_image(root, image_name, "textarea")
    return tuple(read_attribute(tag, "name") for tag in tags if not is_true(tag, "perregion"))


def read_labels(control: Element) -> tuple[ClassName, ...]:
    """Return the labels or choices inside a control at any depth, without duplicate names."""
    labels = (_class_name(tag) for tag in find_tags(control, "label", "choice"))
    return distinct([label for label in labels if label.name])


def _class_control(tag: Element, image_name: str) -> ClassControl:
    kind = tag_name(tag)
    is_nested = kind == "taxonomy" or is_true(tag, "allownested")
    leaves = dict(_leaves(tag)) if is_nested else {}
    when = read_attribute(tag, "whenlabelvalue")
    return ClassControl(
        name=read_attribute(tag, "name"),
        to_name=image_name,
        labels=tuple(leaves.values()) if is_nested else read_labels(tag),
        kind=kind,
        multiple=read_attribute(tag, "choice").lower() == "multiple",
        paths=tuple(leaves),
        when_labels=tuple(dict.fromkeys([when, *when.split(",")])) if when else (),  # a label may contain a comma
    )


def _leaves(parent: Element, parent_path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], ClassName]]:
    """Yield path and class of each choice that contains no other choices."""
    for tag in parent:
        if tag_name(tag) != "choice":
            yield from _leaves(tag, parent_path)
            continue
        choice = _class_name(tag)
        path = (*parent_path, choice.name)
        if any(True for child in tag.iter() if child is not tag and tag_name(child) == "choice"):
            yield from _leaves(tag, path)
        elif choice.name:
            yield path, ClassName(PATH_SEPARATOR.join(path), choice.synonyms or (choice.name,))


def _score_control(tag: Element, image_name: str) -> ScoreControl:
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


def _is_smart(tag: Element) -> bool:
    return read_attribute(tag, "smart").lower() != "false" or is_true(tag, "smartonly")


def _class_name(tag: Element) -> ClassName:
    value, alias, hint = (read_attribute(tag, name) for name in ("value", "alias", "hint"))
    synonyms = hint or (value if alias else "")
    return ClassName(alias or value, tuple(dict.fromkeys(word.strip() for word in synonyms.split(",") if word.strip())))


def distinct(labels: Sequence[ClassName]) -> tuple[ClassName, ...]:
    """Return the labels in their order; of several with one name, only the first."""
    by_name: dict[str, ClassName] = {}
    for label in labels:
        by_name.setdefault(label.name, label)
    return tuple(by_name.values())
