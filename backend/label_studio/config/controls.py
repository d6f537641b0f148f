"""Controls: the tags of a labeling config that carry a mask, send a prompt, or take a class or a score.

A mask's control has its labels inside it (`BrushLabels`) or is plain (`Brush`) and has them in a separate `Labels`
control of the same image; of several such each makes a `Control` of its own. A label's name is what Label Studio writes
into results: its `alias` if it has one, else its `value`. What CLIP reads instead of that name are the synonyms: the
`hint`, separated by commas; without a hint, the `value` of a label that has an alias.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backend.label_studio.config.xml import find_for_image, find_tags, is_true, read_attribute, tag_name
from backend.values import ClassName

SHAPES = ("brush", "bitmask", "polygon", "rectangle", "ellipse")  # the order in which they are preferred
PATH_SEPARATOR = " / "
SCORE_NAME = re.compile(r"(class[_-]?)?score([_-].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Control:
    """A control tag: `name` is a result's `from_name`, `to_name` the image's name, `labels` in the config's order.

    Attributes:
        kind: "brush", "bitmask", "polygon", "rectangle", "ellipse", "keypoint"; "choices" or "taxonomy".
        smart: It has a smart tool, which it has unless smart="false" (smartOnly="true" gives it one all the same).
        labels_name: None where the labels are its own; the name of the Labels control they are from for a plain tag,
            "" where there is none and regions have no label.
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
        """The `type` of its results."""
        return self.kind if self.labels_name is not None else f"{self.kind}labels"


@dataclass(frozen=True)
class ClassControl(Control):
    """A Choices or a Taxonomy, of each region or of the whole image.

    Attributes:
        multiple: Any number may be chosen.
        paths: Of a Taxonomy and of Choices with allowNested="true": what results hold for each of `labels`, the names
            from the topmost choice down. `labels` are then the leaves, a name being the path with " / " between.
        when_labels: Only regions with one of these labels have it; () for all.
    """

    kind: str = "choices"
    multiple: bool = False
    paths: tuple[tuple[str, ...], ...] = ()
    when_labels: tuple[str, ...] = ()

    @property
    def result_type(self) -> str:
        return self.kind

    def is_for(self, label: str) -> bool:
        """Whether a region with this label has it."""
        return not self.when_labels or label in self.when_labels

    def name_to_value(self, name: str) -> str | list[str]:
        """What a result holds for one of the labels."""
        return list(self.paths[self.label_names.index(name)]) if self.paths else name


@dataclass(frozen=True)
class ScoreControl:
    """A per-region Number or TextArea that shows a score.

    Attributes:
        of_class: CLIP's probability of the class instead of SAM's predicted IoU.
        most: What a score of 1 is shown as; the `max` of a Number.
        step: Of a Number, 0 if it has none.
    """

    name: str
    to_name: str
    kind: str
    of_class: bool
    most: float = 1.0
    step: float = 0.0


def find_shapes(root: Element, kind: str, image_name: str) -> tuple[Control, ...]:
    """The controls of one kind for an image: those with labels inside, then the plain ones."""
    found = [
        Control(read_attribute(tag, "name"), image_name, read_labels(tag), kind, _is_smart(tag))
        for tag in find_for_image(root, image_name, f"{kind}labels")
    ]
    separate = [(read_attribute(tag, "name"), read_labels(tag)) for tag in find_for_image(root, image_name, "labels")]
    plain = [
        Control(read_attribute(tag, "name"), image_name, labels, kind, _is_smart(tag), labels_name)
        for tag in find_for_image(root, image_name, kind)
        for labels_name, labels in (separate or [("", ())])
    ]
    return tuple(control for control in (*found, *plain) if control.labels or control.labels_name == "")


def find_classes(root: Element, image_name: str, *, per_region: bool) -> tuple[ClassControl, ...]:
    """Every Choices and Taxonomy of an image that has its classes in the config."""
    tags = find_for_image(root, image_name, "choices", "taxonomy")
    found = (_class_control(tag, image_name) for tag in tags if is_true(tag, "perregion") == per_region)
    return tuple(control for control in found if control.labels)


def find_scores(root: Element, image_name: str) -> tuple[ScoreControl, ...]:
    """Per-region Number and TextArea tags named score, class_score, or either with _something after it."""
    return tuple(
        _score_control(tag, image_name)
        for tag in find_for_image(root, image_name, "number", "textarea")
        if is_true(tag, "perregion") and SCORE_NAME.fullmatch(read_attribute(tag, "name"))
    )


def find_text_areas(root: Element, image_name: str) -> tuple[str, ...]:
    """The names of an image's TextArea tags that are not per region."""
    tags = find_for_image(root, image_name, "textarea")
    return tuple(read_attribute(tag, "name") for tag in tags if not is_true(tag, "perregion"))


def read_labels(control: Element) -> tuple[ClassName, ...]:
    """Labels or choices below a control at any depth, each name once."""
    named = (_class_name(tag) for tag in find_tags(control, "label", "choice"))
    return distinct([label for label in named if label.name])


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
        when_labels=tuple(dict.fromkeys([when, *when.split(",")])) if when else (),  # a label may have a comma
    )


def _leaves(parent: Element, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], ClassName]]:
    """The choices without choices below them: path and class."""
    for tag in parent:
        if tag_name(tag) != "choice":
            yield from _leaves(tag, above)
            continue
        own = _class_name(tag)
        path = (*above, own.name)
        if any(True for child in tag.iter() if child is not tag and tag_name(child) == "choice"):
            yield from _leaves(tag, path)
        elif own.name:
            yield path, ClassName(PATH_SEPARATOR.join(path), own.synonyms or (own.name,))


def _score_control(tag: Element, image_name: str) -> ScoreControl:
    name = read_attribute(tag, "name")
    most = _number(tag, "max", 1.0) if tag_name(tag) == "number" else 1.0
    of_class = name.lower().startswith("class")
    return ScoreControl(name, image_name, tag_name(tag), of_class, most, _number(tag, "step", 0.0))


def _number(tag: Element, name: str, default: float) -> float:
    """A positive number; the default for anything else."""
    try:
        number = float(read_attribute(tag, name))
    except ValueError:
        return default
    return number if 0 < number < float("inf") else default


def _is_smart(tag: Element) -> bool:
    return read_attribute(tag, "smart").lower() != "false" or is_true(tag, "smartonly")


def _class_name(tag: Element) -> ClassName:
    value, alias, hint = (read_attribute(tag, name) for name in ("value", "alias", "hint"))
    spoken = hint or (value if alias else "")
    return ClassName(alias or value, tuple(dict.fromkeys(word.strip() for word in spoken.split(",") if word.strip())))


def distinct(labels: Sequence[ClassName]) -> tuple[ClassName, ...]:
    """The labels in their order, of those with the same name the first."""
    found: dict[str, ClassName] = {}
    for label in labels:
        found.setdefault(label.name, label)
    return tuple(found.values())
