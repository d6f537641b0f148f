"""Which shape answers where a labeling config has several: the setting `answer` puts one kind first."""

from __future__ import annotations

from dataclasses import replace

from backend.errors import BadConfig, shorten
from backend.label_studio.config.controls import Control
from backend.label_studio.config.labeling_config import ImageConfig, LabelingConfig, names_a_class, write_example


def prefer_shape(config: LabelingConfig, kind: str | None) -> LabelingConfig:
    """The config with the answer controls of one kind first; None leaves it as it is.

    Labels that no control of that kind has go on to be answered by those that have them.

    Raises:
        BadConfig: No image has such a control.
    """
    if kind is None:
        return config
    if not any(_of_kind(image, kind) for image in config.images):
        tag = f"{kind.capitalize()}Labels"
        message = f'The setting answer is "{shorten(kind)}", but the labeling config has no {tag} on its image.'
        raise BadConfig(message, remedy=f"Add {write_example(tag, config.images[0].name)}, or take the setting away.")
    return replace(config, images=tuple(_prefer(image, kind) for image in config.images))


def _prefer(image: ImageConfig, kind: str) -> ImageConfig:
    first = _of_kind(image, kind)
    return replace(image, answers=(*first, *(control for control in image.answers if control not in first)))


def _of_kind(image: ImageConfig, kind: str) -> tuple[Control, ...]:
    own = (*image.answers, *image.rectangles) if kind == "rectangle" else image.answers
    found = [control for control in own if control.kind == kind and names_a_class(control)]
    return tuple(control for place, control in enumerate(found) if control not in found[:place])
