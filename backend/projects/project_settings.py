"""ProjectSettings: what a project may decide for itself, without a new deployment.

They come from the labeling config and from the `extra_params` of the ML backend; each key is one field below, and its
metadata holds how a value is read and the sentence that the documentation shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from backend.errors import BadProjectSettings, shorten

SHAPES = ("brush", "bitmask", "polygon", "rectangle", "ellipse")
MOST_TEMPLATES = 32
MOST_CHARACTERS = 200  # of one template or name
_SHOWN = 60  # characters of a refused value: the message must fit into an HTTP reason phrase
_BOOLS = {"true": True, "false": False}


class _Refused(ValueError):
    """A value that does not fit; the text says what is allowed."""


def _shape(value: object) -> str:
    if isinstance(value, str) and value.strip().lower() in SHAPES:
        return value.strip().lower()
    raise _Refused(f"one of {', '.join(SHAPES)}")


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _BOOLS:
        return _BOOLS[value.strip().lower()]
    raise _Refused("true or false")


def _number(least: float, most: float, kind: Callable[[Any], float] = float) -> Callable[[object], float]:
    allowed = f"{'a whole' if kind is int else 'a'} number from {least:g} to {most:g}"

    def read(value: object) -> float:
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not least <= number <= most or kind(number) != number:  # NaN compares as false
            raise _Refused(allowed)
        return kind(number)

    return read


def _templates(value: object) -> tuple[str, ...]:
    """A list of texts; one text is a list of one, or several divided by `|`."""
    parts = value.split("|") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)) and len(parts) <= MOST_TEMPLATES and all(map(_is_template, parts)):
        return tuple(dict.fromkeys(part.strip() for part in parts))
    raise _Refused(f"at most {MOST_TEMPLATES} texts with one {{}} each, such as 'a photo of a {{}}.'")


def _is_template(text: object) -> bool:
    bare = text.replace("{}", "", 1) if isinstance(text, str) else None
    return bare is not None and bare != text and not {"{", "}"} & set(bare) and len(bare) <= MOST_CHARACTERS


def _name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value.strip()) <= MOST_CHARACTERS:
        return value.strip()
    raise _Refused("the name of a TextArea of the labeling config")


def _setting(default: Any, read: Callable[[object], Any], about: str) -> Any:
    return field(default=default, metadata={"read": read, "about": about})


@dataclass(frozen=True)
class ProjectSettings:
    """How a project wants its answers; `None` leaves it to the labeling config or to the server's environment."""

    answer: str | None = _setting(
        None, _shape, f"The shape that carries masks: {', '.join(SHAPES)}; null: the first of these that the config has"
    )
    auto_label: bool | None = _setting(
        None, _bool, "Let CLIP pick the label of clicks too; null: the server's AUTO_LABEL"
    )
    clip_threshold: float = _setting(
        0.0, _number(0, 1), "A per-region class (single choice) less probable than this, 0 to 1, is left out"
    )
    choices_threshold: float = _setting(
        0.3, _number(0, 1), "Of a multiple choice every class at least this probable, 0 to 1, is chosen, best first"
    )
    templates: tuple[str, ...] = _setting(
        (), _templates, "CLIP's prompt templates, at most 32, each with one {}; []: the model's own"
    )
    polygon_tolerance: float = _setting(
        1.0, _number(0, 100), "How far a polygon may run from its mask, 0 to 100 pixels of the original image"
    )
    clean_masks: bool = _setting(True, _bool, "Take specks and pinholes out of masks")
    prefetch: int | None = _setting(
        None, _number(0, 100, int), "How many of the next tasks are warmed, 0 to 100; null: the server's PREFETCH_TASKS"
    )
    text_prompt: str | None = _setting(None, _name, "The name of the TextArea that is a text prompt; null: none")

    @classmethod
    def documentation(cls) -> list[tuple[str, str, str]]:
        """Rows of (key, default as JSON, meaning), in the order of the fields."""
        return [(f.name, json.dumps(f.default), f.metadata["about"]) for f in fields(cls)]

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default, as they would be written in JSON."""
        own = ((f, getattr(self, f.name)) for f in fields(self))
        return {f.name: list(value) if isinstance(value, tuple) else value for f, value in own if value != f.default}


DEFAULTS = ProjectSettings()


def parse_project_settings(mapping: Mapping[str, Any]) -> ProjectSettings:
    """Read settings; one that is missing or null has its default.

    Args:
        mapping: Keys are fields of `ProjectSettings`; values as in JSON, or as text (attributes are always text).

    Raises:
        BadProjectSettings: An unknown key, or a value of the wrong type or range; it says what is allowed.
    """
    known = {f.name: f for f in fields(ProjectSettings)}
    read: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in known:
            raise _unknown(key, list(known))
        try:
            read[key] = known[key].default if value is None else known[key].metadata["read"](value)
        except _Refused as allowed:
            shown = shorten(json.dumps(value, default=str), _SHOWN)
            raise BadProjectSettings(f"{key} is {shown}.", remedy=f"Set {key} to {allowed}.") from allowed
    return ProjectSettings(**read)


def parse_extra_params(extra_params: object) -> dict[str, Any]:
    """The `extra_params` of /setup as a mapping: Label Studio sends an object, a text that holds JSON, or null.

    Raises:
        BadProjectSettings: Neither of these.
    """
    example = 'Write a JSON object such as {"auto_label": true}.'
    if isinstance(extra_params, str) and extra_params.strip():
        try:
            extra_params = json.loads(extra_params)
        except (ValueError, RecursionError) as error:
            message = f"The extra params are {shorten(extra_params, _SHOWN)!r}, which is not JSON."
            raise BadProjectSettings(message, remedy=example) from error
    if extra_params is None or (isinstance(extra_params, str) and not extra_params.strip()):
        return {}
    if not isinstance(extra_params, dict):
        kind = "list" if isinstance(extra_params, list) else type(extra_params).__name__
        raise BadProjectSettings(f"The extra params are a JSON {kind}, not an object.", remedy=example)
    return extra_params


def _unknown(key: object, known: list[str]) -> BadProjectSettings:
    near = get_close_matches(str(key)[:MOST_CHARACTERS].lower(), known, n=2, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known)}."
    return BadProjectSettings(f"There is no project setting {shorten(key, _SHOWN)!r}.", remedy=remedy)
