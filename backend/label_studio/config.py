"""Labeling config XML → LabelingConfig: which image a project shows and which controls can carry which answer.

No name is assumed: the image, the data key, the controls and the labels are all read from the config. A label's name is
what Label Studio writes into results: its `alias` if it has one, else its `value`. What CLIP reads instead of that name
are the synonyms: the `hint`, separated by commas; without a hint, the `value` of a label that has an alias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from backend.errors import BadConfig, shorten
from backend.values import ClassName

AUTO = "AUTO"
LONGEST_XML = 1_000_000  # characters; 10,000 choices make 0.4 million
EDIT_HINT = "Edit it under Settings → Labeling Interface."


@dataclass(frozen=True)
class Control:
    """A control tag: `name` is a result's `from_name`, `to_name` the image's name, `labels` in the config's order.

    `smart`: it has a smart tool, which it has unless smart="false" (smartOnly="true" gives it one all the same).
    """

    name: str
    to_name: str
    labels: tuple[ClassName, ...]
    smart: bool = True

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True)
class LabelingConfig:
    """What a project's labeling config lets the backend answer.

    Attributes:
        image_name: The `name` of the Image tag.
        image_key: The key of the task's data that holds the image, `image` of `value="$image"`.
        brush: The BrushLabels control of that image.
        keypoints: KeyPointLabels controls of that image.
        rectangles: RectangleLabels controls of that image.
        region_choices: The first Choices of that image with `perRegion="true"`.
        image_choices: The first Choices of that image without it.
        xml: As it came.
    """

    image_name: str
    image_key: str
    brush: Control
    keypoints: tuple[Control, ...] = ()
    rectangles: tuple[Control, ...] = ()
    region_choices: Control | None = None
    image_choices: Control | None = None
    xml: str = field(default="", repr=False)

    @property
    def brush_classes(self) -> tuple[ClassName, ...]:
        """The brush labels that name a class, which AUTO does not."""
        return tuple(label for label in self.brush.labels if label.name != AUTO)

    @property
    def region_classes(self) -> tuple[ClassName, ...]:
        """What CLIP chooses among for a region: the per-region choices, else the brush labels."""
        return self.region_choices.labels if self.region_choices else self.brush_classes

    def control(self, name: str) -> Control | None:
        """The control of that name that can send a prompt or carry an answer."""
        own = (self.brush, *self.keypoints, *self.rectangles, self.region_choices, self.image_choices)
        return next((control for control in own if control and control.name == name), None)


def label_for_click(config: LabelingConfig, picked: str, auto_label: bool) -> str | None:
    """Which brush label the mask of a click gets; None where CLIP picks it among `config.brush_classes`.

    | when                                 | the brush label                               | per-region choice |
    |--------------------------------------|-----------------------------------------------|-------------------|
    | click, a brush label picked          | the one the person picked                     | CLIP              |
    | click, the label AUTO picked         | CLIP, among all but AUTO                      | CLIP              |
    | click, AUTO_LABEL is on              | CLIP, among all but AUTO                      | CLIP              |
    | click, a label the brush has not got | the brush's only label, or CLIP among several | CLIP              |
    | pre-annotation, no click             | CLIP, among all but AUTO                      | CLIP              |
    | any of these, CLIP away              | picked, else the first class                  | none              |

    The last two rows are not decided here: without a click nobody asks, and without CLIP the labeler falls back.
    """
    if picked == AUTO or auto_label:
        return None
    names = [label.name for label in config.brush_classes]
    if picked in names:
        return picked
    return names[0] if len(names) == 1 else None


def parse_labeling_config(xml: str) -> LabelingConfig:
    """Parse a labeling config; the last ones are kept.

    Raises:
        BadConfig: Broken, unsafe or too long XML, no Image tag, no brush control with labels on an image.
    """
    if not isinstance(xml, str) or not xml.strip():
        raise BadConfig("The labeling config is empty.", remedy=f"Give the project a labeling config. {EDIT_HINT}")
    if len(xml) > LONGEST_XML:
        message = f"The labeling config has {len(xml)} characters, more than the {LONGEST_XML} that are read."
        raise BadConfig(message, remedy=f"Give it fewer labels or choices. {EDIT_HINT}")
    return _parse(xml)


@lru_cache(maxsize=128)
def _parse(xml: str) -> LabelingConfig:
    root = _parse_xml(xml)
    images = {_attribute(tag, "name"): tag for tag in _tags(root, "image")}
    if not images:
        remedy = f'Add <Image name="image" value="$image"/>. {EDIT_HINT}'
        raise BadConfig("The labeling config has no Image tag.", remedy=remedy)
    brush = _first_brush(root, images)
    image_name = brush.to_name
    choices = [tag for tag in _tags(root, "choices") if image_name in _targets(tag)]
    return LabelingConfig(
        image_name=image_name,
        image_key=_data_key(images[image_name]),
        brush=brush,
        keypoints=_controls(_tags(root, "keypointlabels"), image_name),
        rectangles=_controls(_tags(root, "rectanglelabels"), image_name),
        region_choices=_first(_controls((tag for tag in choices if _is_per_region(tag)), image_name)),
        image_choices=_first(_controls((tag for tag in choices if not _is_per_region(tag)), image_name)),
        xml=xml,
    )


def _parse_xml(xml: str) -> Element:
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise BadConfig(
            f"The labeling config is not XML that can be read: {shorten(error)}.", remedy=EDIT_HINT
        ) from error
    return root


def _tags(root: Element, name: str) -> Iterator[Element]:
    """All tags of that name; Label Studio reads tag names without regard to case."""
    return (tag for tag in root.iter() if isinstance(tag.tag, str) and tag.tag.lower() == name)


def _attribute(tag: Element, name: str) -> str:
    """An attribute by its lower-case name; Label Studio reads attribute names without regard to case."""
    return next((value for key, value in tag.attrib.items() if key.lower() == name), "").strip()


def _targets(tag: Element) -> list[str]:
    return [target.strip() for target in _attribute(tag, "toname").split(",")]


def _is_per_region(tag: Element) -> bool:
    return _attribute(tag, "perregion").lower() == "true"


def _is_smart(tag: Element) -> bool:
    return _attribute(tag, "smart").lower() != "false" or _attribute(tag, "smartonly").lower() == "true"


def _data_key(image: Element) -> str:
    value = _attribute(image, "value")
    if not value.startswith("$") or len(value) < 2:
        name, value = shorten(_attribute(image, "name")), shorten(value)
        remedy = f'Write value="$image", where "image" is the key of the task data. {EDIT_HINT}'
        raise BadConfig(f'The Image tag "{name}" has value="{value}", which names no key of the data.', remedy=remedy)
    return value[1:]


def _first_brush(root: Element, images: dict[str, Element]) -> Control:
    for name in images:
        brush = _first(_controls(_tags(root, "brushlabels"), name))
        if brush is not None and any(label.name != AUTO for label in brush.labels):
            return brush
    name = shorten(next(iter(images))) or "image"
    line = f'<BrushLabels name="brush" toName="{name}"><Label value="Object"/></BrushLabels>'
    message = "The labeling config has no BrushLabels with a class on its image, so a mask has nowhere to go."
    raise BadConfig(message, remedy=f"Add {line}. {EDIT_HINT}")


def _controls(tags: Iterator[Element], image_name: str) -> tuple[Control, ...]:
    """Those of the tags that are for the image and have labels."""
    controls = (
        Control(_attribute(tag, "name"), image_name, _labels(tag), _is_smart(tag))
        for tag in tags
        if image_name in _targets(tag)
    )
    return tuple(control for control in controls if control.labels)


def _labels(control: Element) -> tuple[ClassName, ...]:
    """Labels or choices below a control at any depth, each name once."""
    found: dict[str, ClassName] = {}
    for tag in control.iter():
        if isinstance(tag.tag, str) and tag.tag.lower() in ("label", "choice"):
            value, alias = _attribute(tag, "value"), _attribute(tag, "alias")
            name = alias or value
            if name:
                found.setdefault(name, ClassName(name, _synonyms(value, alias, _attribute(tag, "hint"))))
    return tuple(found.values())


def _synonyms(value: str, alias: str, hint: str) -> tuple[str, ...]:
    spoken = hint or (value if alias else "")
    return tuple(dict.fromkeys(word.strip() for word in spoken.split(",") if word.strip()))


def _first(controls: tuple[Control, ...]) -> Control | None:
    return controls[0] if controls else None
