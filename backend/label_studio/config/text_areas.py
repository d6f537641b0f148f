"""The text areas that a project's settings name: the text prompt, and the line that the backend answers in."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import BadConfig, shorten
from backend.label_studio.config.labeling_config import LabelingConfig
from backend.label_studio.config.xml import EDIT_HINT


@dataclass(frozen=True)
class MessageLine:
    """Text area in which the backend answers in words: `name` of its tag, and of the object that it belongs to.

    An object of its own keeps Label Studio from giving the picked label to the message: it would pick that label again
    with each further answer.
    """

    name: str
    to_name: str


def check_text_prompt(config: LabelingConfig, name: str | None) -> None:
    """Raise `BadConfig` unless the setting text_prompt is None or names a TextArea for a whole image."""
    _check_text_area(config, "text_prompt", name)


def check_messages(config: LabelingConfig, name: str | None, text_prompt: str | None = None) -> None:
    """Raise `BadConfig` unless the setting messages is None or names a TextArea for a whole image or another object.

    Args:
        text_prompt: The setting of that name; what a person types into one area must not be replaced by an answer.
    """
    if name not in dict(config.other_text_areas):
        _check_text_area(config, "messages", name)
    if name is not None and name == text_prompt:
        message = f'The settings messages and text_prompt both name the TextArea "{shorten(name)}".'
        raise BadConfig(message, remedy=f"Add a TextArea of its own for the messages. {EDIT_HINT}")


def find_message_line(config: LabelingConfig, name: str | None, images: frozenset[str]) -> MessageLine | None:
    """Return the text area that the setting messages names; None without one, or if the labeling config lacks it.

    An area can belong to several images (toName="left,right"), or to another object.

    Args:
        images: Names of the images that the request is about; an area of one of them is preferred.
    """
    if name is None:
        return None
    holders = [image.name for image in config.images if name in image.text_areas]
    if not holders:
        other = dict(config.other_text_areas).get(name)
        return None if other is None else MessageLine(name, other)
    return MessageLine(name, next((holder for holder in holders if holder in images), holders[0]))


def _check_text_area(config: LabelingConfig, setting: str, name: str | None) -> None:
    known = [area for image in config.images for area in image.text_areas]
    if name is None or name in known:
        return
    available = shorten(", ".join(known)) or "none"
    message = f'The setting {setting} is "{shorten(name)}", but no TextArea without perRegion has that name'
    example = f'<TextArea name="{shorten(name)}" toName="{shorten(config.images[0].name)}"/>'
    raise BadConfig(f"{message} (available: {available}).", remedy=f"Add {example}, or use another name. {EDIT_HINT}")
