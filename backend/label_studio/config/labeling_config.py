"""Labeling config XML → `LabelingConfig`: the images of a page and the controls that can hold their predictions.

No names are assumed: images, data keys, controls and labels all come from the config. `controls` documents how each tag
is interpreted.
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
    """Controls of one image of the page.

    Attributes:
        name: `name` of the Image tag.
        data_key: Key of the task data that holds the image: `image` for `value="$image"`.
        answers: Controls that can hold a mask, in order of preference. A rectangle control with a smart tool sends
            prompts, so it is included only if the image has no other shape.
        keypoints: Keypoint controls of the image.
        rectangles: Rectangle controls of the image.
        region_choices: Choices and Taxonomy controls of the image with `perRegion="true"`.
        image_choices: Choices and Taxonomy controls of the image without it.
        scores: Per-region controls that show a score.
        text_areas: Names of the TextArea controls for the whole image.
        other_names: Names of all other Image tags of the page, supported or not.
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
        """Labels of the answer controls except AUTO, which is not a class."""
        labels = [label for control in self.answers for label in control.labels]
        return tuple(label for label in distinct(labels) if label.name != AUTO)

    def control(self, name: str) -> Control | None:
        """Return the control with that name that can send a prompt or hold a prediction."""
        controls = (*self.answers, *self.keypoints, *self.rectangles, *self.region_choices, *self.image_choices)
        return next((control for control in controls if control.name == name), None)

    def control_for(self, label: str) -> Control:
        """Return the control for a mask with that label: the first answer control that has it, or else the first."""
        return next((control for control in self.answers if label in control.label_names), self.answers[0])


@dataclass(frozen=True)
class LabelingConfig:
    """Labeling page of a project.

    Attributes:
        images: The images with a control for predictions, at least one; the first has a control for masks.
        xml: The unchanged source.
    """

    images: tuple[ImageConfig, ...]
    xml: str = field(default="", repr=False)

    @property
    def classifies_images(self) -> bool:
        """Whether any image of the page has classes for the whole image."""
        return any(image.image_choices for image in self.images)

    def image(self, name: str) -> ImageConfig:
        """Return the image whose tag has that name.

        Raises:
            BadConfig: No image with a control for predictions has that name.
        """
        for image in self.images:
            if image.name == name:
                return image
        known = shorten(", ".join(image.name for image in self.images))
        message = f'The labeling config has no control for the image "{shorten(name)}" (available images: {known}).'
        raise BadConfig(message, remedy=f"Add a control for masks whose toName is that image. {EDIT_HINT}")


def check_text_prompt(config: LabelingConfig, name: str | None) -> None:
    """Raise `BadConfig` unless the setting text_prompt is None or names a TextArea for a whole image."""
    known = [area for image in config.images for area in image.text_areas]
    if name is None or name in known:
        return
    available = shorten(", ".join(known)) or "none"
    message = f'The setting text_prompt is "{shorten(name)}", but no TextArea without perRegion has that name'
    example = f'<TextArea name="{shorten(name)}" toName="{shorten(config.images[0].name)}"/>'
    raise BadConfig(f"{message} (available: {available}).", remedy=f"Add {example}, or use another name. {EDIT_HINT}")


def label_for_click(config: ImageConfig, picked: str, auto_label: bool) -> str | None:
    """Return the label for the mask of a click, or None if CLIP chooses it from `config.answer_classes`.

    | request                                    | label of the mask                         | per-region choice |
    |--------------------------------------------|-------------------------------------------|-------------------|
    | click, a label of an answer control picked | the picked label                          | CLIP              |
    | click, the label AUTO picked               | CLIP, from all but AUTO                   | CLIP              |
    | click, AUTO_LABEL is on                    | CLIP, from all but AUTO                   | CLIP              |
    | click, a label no answer control has       | the only label, or CLIP if there are more | CLIP              |
    | pre-annotation, no click                   | CLIP, from all but AUTO                   | CLIP              |
    | a text that is a label's name or synonym   | that label                                | CLIP              |
    | any other text                             | CLIP, from all but AUTO                   | CLIP              |
    | any of these, CLIP unavailable             | picked or the only label, else an error   | none              |
    | any of these, a plain shape without Labels | none                                      | CLIP              |

    The last five rows are not decided here: this function is called for clicks only, and `predict` handles the fallback
    without CLIP.
    """
    if picked == AUTO or auto_label:
        return None
    names = [label.name for label in config.answer_classes]
    if picked in names:
        return picked
    return names[0] if len(names) == 1 else None


def parse_labeling_config(xml: str) -> LabelingConfig:
    """Parse a labeling config. Results are cached.

    Raises:
        BadConfig: Malformed, unsafe or too long XML, no Image tag, or no shape control for an image.
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
        message = "The labeling config has no control for masks: none of its images has a shape with a class."
        example = build_example_tag("BrushLabels", images[0].name)
        kinds = "BitmaskLabels, PolygonLabels, RectangleLabels and EllipseLabels"
        raise BadConfig(message, remedy=f"Add {example} ({kinds} work as well). {EDIT_HINT}")
    others = [image for image in images if image is not first and (image.answers or _can_be_classified(image, tags))]
    for image in (first, *others):
        _check_data_key(tags[image.name])
    return LabelingConfig((first, *others), xml)


def _can_be_classified(image: ImageConfig, tags: Mapping[str, Element]) -> bool:
    return bool(image.image_choices) and read_attribute(tags[image.name], "value").startswith("$")


def _image(root: Element, name: str, tags: Mapping[str, Element]) -> ImageConfig:
    shapes = {kind: find_shapes(root, kind, name) for kind in SHAPES}
    answers = [control for kind in SHAPES for control in shapes[kind] if can_hold_mask(control)]
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


def can_hold_mask(control: Control) -> bool:
    """Whether a mask can be stored in the control: it has a label besides AUTO, or is a plain shape without labels."""
    return control.labels_name == "" or any(label.name != AUTO for label in control.labels)


def _check_data_key(image: Element) -> None:
    value = read_attribute(image, "value")
    if not value.startswith("$") or len(value) < 2:
        name, value = shorten(read_attribute(image, "name")), shorten(value)
        remedy = f'Write value="$image", where "image" is the key of the task data. {EDIT_HINT}'
        message = f'The Image tag "{name}" has value="{value}", which does not refer to the task data.'
        raise BadConfig(message, remedy=remedy)


def build_example_tag(tag: str, image_name: str) -> str:
    """Return an example of that control for a remedy."""
    name, image = tag.removesuffix("Labels").lower(), shorten(image_name) or "image"
    return f'<{tag} name="{name}" toName="{image}"><Label value="Object"/></{tag}>'
