"""The project setting `answer`: which kind of shape holds masks if the labeling config has several."""

from __future__ import annotations

from dataclasses import replace

from backend.errors import BadConfig, shorten
from backend.label_studio.config.controls import Control
from backend.label_studio.config.image_config import ImageConfig
from backend.label_studio.config.labeling_config import LabelingConfig, build_example_tag, can_hold_mask


def prefer_shape(config: LabelingConfig, kind: str | None) -> LabelingConfig:
    """Return the config with the answer controls of one kind first, or unchanged if `kind` is None.

    Controls of other kinds still hold the masks whose label no control of that kind has.

    Raises:
        BadConfig: No image has a control of that kind.
    """
    if kind is None:
        return config
    if not any(_of_kind(image, kind) for image in config.images):
        tag = f"{kind.capitalize()}Labels"
        message = f'The setting answer is "{shorten(kind)}", but the labeling config has no {tag} for its image.'
        raise BadConfig(message, remedy=f"Add {build_example_tag(tag, config.images[0].name)}, or remove the setting.")
    return replace(config, images=tuple(_prefer(image, kind) for image in config.images))


def _prefer(image: ImageConfig, kind: str) -> ImageConfig:
    first = _of_kind(image, kind)
    chosen = {id(control) for control in first}
    return replace(image, answers=(*first, *(control for control in image.answers if id(control) not in chosen)))


def _of_kind(image: ImageConfig, kind: str) -> tuple[Control, ...]:
    """Return the controls of that kind; one that is both an answer and a rectangle is the same object twice."""
    candidates = (*image.answers, *image.rectangles) if kind == "rectangle" else image.answers
    matching = [control for control in candidates if control.kind == kind and can_hold_mask(control)]
    return tuple({id(control): control for control in matching}.values())
