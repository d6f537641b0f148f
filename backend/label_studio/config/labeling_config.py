"""Labeling config XML → `LabelingConfig`: the images of a page and the controls that can hold their predictions.

No names are assumed: images, data keys, controls and labels all come from the config. `controls` documents how each tag
is interpreted.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from backend.errors import BadConfig, shorten
from backend.label_studio.config.controls import SHAPES, Control
from backend.label_studio.config.image_config import AUTO, ImageConfig
from backend.label_studio.config.limits import ConfigLimits, PageCount
from backend.label_studio.config.page_controls import PageControls
from backend.label_studio.config.xml import EDIT_HINT, check_length, find_tags, parse_xml, read_attribute

DEFAULT_LIMITS = ConfigLimits()


@dataclass(frozen=True)
class LabelingConfig:
    """Labeling page of a project.

    Attributes:
        images: The images with a control for predictions, at least one; the first has a control for masks.
        xml: The unchanged source.
        other_text_areas: Name and object of each TextArea that belongs to another object than an image.
    """

    images: tuple[ImageConfig, ...]
    xml: str = field(default="", repr=False)
    other_text_areas: tuple[tuple[str, str], ...] = ()

    @property
    def classifies_images(self) -> bool:
        """Whether any image of the page has classes for the whole image."""
        return any(image.image_choices for image in self.images)

    def images_in(self, data: Mapping[str, Any]) -> list[ImageConfig]:
        """Return the images that a task's data has, in the order of the config."""
        if len(data) >= len(self.images):
            return [image for image in self.images if data.get(image.data_key)]
        places = (self._places_by_key.get(key, ()) for key, value in data.items() if value)
        return [self.images[place] for place in sorted(itertools.chain.from_iterable(places))]

    @cached_property
    def _places_by_key(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, image in enumerate(self.images):
            places.setdefault(image.data_key, []).append(place)
        return places

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
    without CLIP, which is also that of a CLIP that does not know the classes.
    """
    if picked == AUTO or auto_label:
        return None
    if config.has_label(picked):
        return picked
    return config.answer_classes[0].name if len(config.answer_classes) == 1 else None


def parse_labeling_config(xml: str, limits: ConfigLimits = DEFAULT_LIMITS) -> LabelingConfig:
    """Parse a labeling config, in a time proportional to its length. Results are cached.

    Raises:
        BadConfig: Malformed, unsafe or too long XML, no Image tag, no shape control for an image, or more controls or
            classes than `limits` allow.
    """
    return _parse(check_length(xml), limits)


@lru_cache(maxsize=128)
def _parse(xml: str, limits: ConfigLimits) -> LabelingConfig:
    root, count = parse_xml(xml), PageCount(limits)
    tags = {read_attribute(tag, "name"): tag for tag in find_tags(root, "image")}
    if not tags:
        remedy = f'Add <Image name="image" value="$image"/>. {EDIT_HINT}'
        raise BadConfig("The labeling config has no Image tag.", remedy=remedy)
    count.add_controls(len(tags))
    controls, names = PageControls(root, count), frozenset(tags)
    images = [_image(name, read_attribute(tag, "value")[1:], controls, names) for name, tag in tags.items()]
    first = next((image for image in images if image.answers), None)
    if first is None:
        message = "The labeling config has no control for masks: none of its images has a shape with a class."
        example = build_example_tag("BrushLabels", images[0].name)
        kinds = "BitmaskLabels, PolygonLabels, RectangleLabels and EllipseLabels"
        raise BadConfig(message, remedy=f"Add {example} ({kinds} work as well). {EDIT_HINT}")
    others = [image for image in images if image is not first and (image.answers or _can_be_classified(image, tags))]
    for image in (first, *others):
        _check_data_key(tags[image.name])
    return LabelingConfig((first, *others), xml, controls.find_other_text_areas(names))


def _can_be_classified(image: ImageConfig, tags: Mapping[str, Element]) -> bool:
    return bool(image.image_choices) and read_attribute(tags[image.name], "value").startswith("$")


def _image(name: str, data_key: str, controls: PageControls, page_images: frozenset[str]) -> ImageConfig:
    shapes = {kind: controls.find_shapes(kind, name) for kind in SHAPES}
    answers = [control for kind in SHAPES for control in shapes[kind] if can_hold_mask(control)]
    without_prompts = [control for control in answers if control.kind != "rectangle" or not control.smart]
    return ImageConfig(
        name=name,
        data_key=data_key,
        answers=tuple(without_prompts or answers),
        keypoints=controls.find_shapes("keypoint", name),
        rectangles=shapes["rectangle"],
        region_choices=controls.find_classes(name, per_region=True),
        image_choices=controls.find_classes(name, per_region=False),
        scores=controls.find_scores(name),
        text_areas=controls.find_text_areas(name),
        page_images=page_images,
    )


def can_hold_mask(control: Control) -> bool:
    """Whether a mask can be stored in the control: it has a label besides AUTO, or is a plain shape without labels."""
    return control.labels_name == "" or any(label.name != AUTO for label in control.labels)


def _check_data_key(image: Element) -> None:
    """Raise `BadConfig` unless the tag names the one image that it shows of a task."""
    value = read_attribute(image, "value")
    if value_list := read_attribute(image, "valuelist"):
        name, value_list = shorten(read_attribute(image, "name")), shorten(value_list)
        message = f'The Image tag "{name}" has valueList="{value_list}"; several images in one tag are not supported.'
        remedy = f'Import one task per image, and write value="$image" instead of valueList. {EDIT_HINT}'
        raise BadConfig(message, remedy=remedy)
    if not value.startswith("$") or len(value) < 2:
        name, value = shorten(read_attribute(image, "name")), shorten(value)
        remedy = f'Write value="$image", where "image" is the key of the task data. {EDIT_HINT}'
        message = f'The Image tag "{name}" has value="{value}", which does not refer to the task data.'
        raise BadConfig(message, remedy=remedy)


def build_example_tag(tag: str, image_name: str) -> str:
    """Return an example of that control for a remedy."""
    name, image = tag.removesuffix("Labels").lower(), shorten(image_name) or "image"
    return f'<{tag} name="{name}" toName="{image}"><Label value="Object"/></{tag}>'
