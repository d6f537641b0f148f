"""Labeling config XML → LabelingConfig: which images a project shows and which controls can carry which answer.

No name is assumed: images, data keys, controls and labels are all read from the config; see `controls` for what each
tag is taken for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from xml.etree.ElementTree import Element

from backend.errors import BadConfig, shorten
from backend.label_studio.config.controls import (
    SHAPES,
    ClassControl,
    Control,
    ScoreControl,
    distinct,
    find_classes,
    find_scores,
    find_shapes,
    find_text_areas,
)
from backend.label_studio.config.xml import EDIT_HINT, check_length, find_tags, parse_xml, read_attribute
from backend.values import ClassName

AUTO = "AUTO"


@dataclass(frozen=True)
class ImageConfig:
    """What a labeling config lets the backend answer for one image of its page.

    Attributes:
        name: The `name` of the Image tag.
        data_key: The key of the task's data that holds the image, `image` of `value="$image"`.
        answers: Controls that can carry a mask, preferred first. A rectangle control whose smart tool is on sends
            prompts and is among them only where the image has no other shape.
        keypoints: Key point controls of the image.
        rectangles: Rectangle controls of the image.
        region_choices: Choices and Taxonomy controls of the image with `perRegion="true"`.
        image_choices: Those without it.
        scores: Per-region controls that show a score.
        text_areas: Names of the TextAreas for the whole image.
        other_names: The names of all other Image tags of the page, answerable or not.
    """

    name: str
    data_key: str
    answers: tuple[Control, ...]
    keypoints: tuple[Control, ...] = ()
    rectangles: tuple[Control, ...] = ()
    region_choices: tuple[ClassControl, ...] = ()
    image_choices: tuple[ClassControl, ...] = ()
    scores: tuple[ScoreControl, ...] = ()
    text_areas: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()

    @cached_property
    def answer_classes(self) -> tuple[ClassName, ...]:
        """The labels a mask may get that name a class, which AUTO does not."""
        labels = [label for control in self.answers for label in control.labels]
        return tuple(label for label in distinct(labels) if label.name != AUTO)

    def control(self, name: str) -> Control | None:
        """The control of that name that can send a prompt or carry an answer."""
        own = (*self.answers, *self.keypoints, *self.rectangles, *self.region_choices, *self.image_choices)
        return next((control for control in own if control.name == name), None)

    def control_for(self, label: str) -> Control:
        """The control that carries a mask with that label: the first answer control that has it, else the first."""
        return next((control for control in self.answers if label in control.label_names), self.answers[0])


@dataclass(frozen=True)
class LabelingConfig:
    """A project's labeling page.

    Attributes:
        images: The images that can be answered, at least one; the first of them has a control for masks.
        xml: As it came.
    """

    images: tuple[ImageConfig, ...]
    xml: str = field(default="", repr=False)

    @property
    def classifies_images(self) -> bool:
        """Whether any image of the page has a class of its own."""
        return any(image.image_choices for image in self.images)

    def image(self, name: str) -> ImageConfig:
        """The image whose tag has that name.

        Raises:
            BadConfig: No image that can be answered has it.
        """
        for image in self.images:
            if image.name == name:
                return image
        known = shorten(", ".join(image.name for image in self.images))
        message = f'The labeling config has no image "{shorten(name)}" that can be answered; it has: {known}.'
        raise BadConfig(message, remedy=f"Give that image a control for masks, with its toName. {EDIT_HINT}")


def check_text_prompt(config: LabelingConfig, name: str | None) -> None:
    """Raises `BadConfig` where the setting text_prompt names no TextArea for a whole image."""
    known = [area for image in config.images for area in image.text_areas]
    if name is None or name in known:
        return
    those = f"those of its images are: {shorten(', '.join(known))}" if known else "its images have none"
    message = f'The setting text_prompt is "{shorten(name)}", but no TextArea without perRegion has that name: {those}.'
    line = f'<TextArea name="{shorten(name)}" toName="{shorten(config.images[0].name)}"/>'
    raise BadConfig(message, remedy=f"Add {line}, or name another one. {EDIT_HINT}")


def label_for_click(config: ImageConfig, picked: str, auto_label: bool) -> str | None:
    """Which label the mask of a click gets; None where CLIP picks it among `config.answer_classes`.

    | when                                       | the mask's label                       | per-region choice |
    |--------------------------------------------|----------------------------------------|-------------------|
    | click, a label of an answer control picked | the one the person picked              | CLIP              |
    | click, the label AUTO picked               | CLIP, among all but AUTO               | CLIP              |
    | click, AUTO_LABEL is on                    | CLIP, among all but AUTO               | CLIP              |
    | click, a label no answer control has       | the only label, or CLIP among several  | CLIP              |
    | pre-annotation, no click                   | CLIP, among all but AUTO               | CLIP              |
    | a text that is a label's name or synonym   | that label                             | CLIP              |
    | any other text                             | CLIP, among all but AUTO               | CLIP              |
    | any of these, CLIP away                    | picked or the only label, else refused | none              |
    | any of these, a plain shape without Labels | none                                   | CLIP              |

    The last five rows are not decided here: without a click nobody asks, and without CLIP the hall falls back.
    """
    if picked == AUTO or auto_label:
        return None
    names = [label.name for label in config.answer_classes]
    if picked in names:
        return picked
    return names[0] if len(names) == 1 else None


def parse_labeling_config(xml: str) -> LabelingConfig:
    """Parse a labeling config; the last ones are kept.

    Raises:
        BadConfig: Broken, unsafe or too long XML, no Image tag, no shape control on an image.
    """
    return _parse(check_length(xml))


@lru_cache(maxsize=128)
def _parse(xml: str) -> LabelingConfig:
    root = parse_xml(xml)
    tags = {read_attribute(tag, "name"): tag for tag in find_tags(root, "image")}
    if not tags:
        remedy = f'Add <Image name="image" value="$image"/>. {EDIT_HINT}'
        raise BadConfig("The labeling config has no Image tag.", remedy=remedy)
    images = [_image(root, name, tags) for name in tags]
    first = next((image for image in images if image.answers), None)
    if first is None:
        message = "The labeling config has no shape with a class on its image, so a mask has nowhere to go."
        line = write_example("BrushLabels", images[0].name)
        kinds = "BitmaskLabels, PolygonLabels, RectangleLabels and EllipseLabels"
        raise BadConfig(message, remedy=f"Add {line} ({kinds} will do as well). {EDIT_HINT}")
    others = [image for image in images if image is not first and (image.answers or _can_be_classified(image, tags))]
    for image in (first, *others):
        _check_data_key(tags[image.name])
    return LabelingConfig((first, *others), xml)


def _can_be_classified(image: ImageConfig, tags: Mapping[str, Element]) -> bool:
    return bool(image.image_choices) and read_attribute(tags[image.name], "value").startswith("$")


def _image(root: Element, name: str, tags: Mapping[str, Element]) -> ImageConfig:
    shapes = {kind: find_shapes(root, kind, name) for kind in SHAPES}
    answers = [control for kind in SHAPES for control in shapes[kind] if names_a_class(control)]
    prompts_only = [control for control in shapes["rectangle"] if control.smart]
    return ImageConfig(
        name=name,
        data_key=read_attribute(tags[name], "value")[1:],
        answers=tuple([control for control in answers if control not in prompts_only] or answers),
        keypoints=find_shapes(root, "keypoint", name),
        rectangles=shapes["rectangle"],
        region_choices=find_classes(root, name, per_region=True),
        image_choices=find_classes(root, name, per_region=False),
        scores=find_scores(root, name),
        text_areas=find_text_areas(root, name),
        other_names=tuple(other for other in tags if other != name),
    )


def names_a_class(control: Control) -> bool:
    """Whether a mask can be filed under it: a label besides AUTO, or a plain shape that needs none."""
    return control.labels_name == "" or any(label.name != AUTO for label in control.labels)


def _check_data_key(image: Element) -> None:
    value = read_attribute(image, "value")
    if not value.startswith("$") or len(value) < 2:
        name, value = shorten(read_attribute(image, "name")), shorten(value)
        remedy = f'Write value="$image", where "image" is the key of the task data. {EDIT_HINT}'
        raise BadConfig(f'The Image tag "{name}" has value="{value}", which names no key of the data.', remedy=remedy)


def write_example(tag: str, image_name: str) -> str:
    """A control of that tag for a remedy."""
    name, image = tag.removesuffix("Labels").lower(), shorten(image_name) or "image"
    return f'<{tag} name="{name}" toName="{image}"><Label value="Object"/></{tag}>'
