"""Settings that each project can change without a new deployment.

They come from the labeling config and from the `extra_params` of the ML backend. Each key is a field of
`ProjectSettings`, whose metadata holds its parser and its sentence in the documentation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from backend.errors import BadProjectSettings, shorten
from backend.label_studio.config import JsonTooDeep, parse_json

SHAPES = ("brush", "bitmask", "polygon", "rectangle", "ellipse")
POLYGON_PARTS = ("main", "all")
SINGLE_TASK = ("class", "masks")
MAX_TEMPLATES = 32
MAX_CHARACTERS = 200  # of a template or a name
_MAX_SHOWN = 60  # characters of a rejected value, because the message must fit into an HTTP reason phrase
_BOOLS = {"true": True, "false": False}


class _InvalidValue(ValueError):
    """Value of the wrong type or range; its text describes the allowed values."""


def _one_of(words: Sequence[str]) -> Callable[[object], str]:
    """Return a parser of these words; upper case does not matter."""
    allowed = f"one of {', '.join(words)}" if len(words) > 2 else " or ".join(words)

    def parse(value: object) -> str:
        if isinstance(value, str) and value.strip().lower() in words:
            return value.strip().lower()
        raise _InvalidValue(allowed)

    return parse


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _BOOLS:
        return _BOOLS[value.strip().lower()]
    raise _InvalidValue("true or false")


def _number(min_value: float, max_value: float, kind: Callable[[Any], float] = float) -> Callable[[object], float]:
    """Return a parser of numbers in a range; `kind` is float, or int for whole numbers."""
    allowed = f"{'a whole' if kind is int else 'a'} number from {min_value:g} to {max_value:g}"

    def parse(value: object) -> float:
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not min_value <= number <= max_value or kind(number) != number:  # comparisons with NaN are false
            raise _InvalidValue(allowed)
        return kind(number)

    return parse


def _templates(value: object) -> tuple[str, ...]:
    """Parse a list of strings, or one string with templates separated by `|`."""
    parts = value.split("|") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)) and len(parts) <= MAX_TEMPLATES and all(map(_is_template, parts)):
        return tuple(dict.fromkeys(part.strip() for part in parts))
    raise _InvalidValue(f"at most {MAX_TEMPLATES} strings with one {{}} each, such as 'a photo of a {{}}.'")


def _is_template(text: object) -> bool:
    rest = text.replace("{}", "", 1) if isinstance(text, str) else None
    return rest is not None and rest != text and not {"{", "}"} & set(rest) and len(rest) <= MAX_CHARACTERS


def _name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value.strip()) <= MAX_CHARACTERS:
        return value.strip()
    raise _InvalidValue("the name of a TextArea in the labeling config")


def _setting(default: Any, parse: Callable[[object], Any], about: str, *, only_page: bool = False) -> Any:
    """Declare a setting; `only_page` marks one without effect on pre-annotation, so it does not make it outdated."""
    return field(default=default, metadata={"parse": parse, "about": about, "only_page": only_page})


@dataclass(frozen=True)
class ProjectSettings:
    """Settings of one project. `None` means that the labeling config or the server's environment decides."""

    answer: str | None = _setting(
        None,
        _one_of(SHAPES),
        f"Shape that holds masks: {', '.join(SHAPES)}; null: the first of these in the labeling config",
    )
    auto_label: bool | None = _setting(
        None, _bool, "Let CLIP choose the label of clicks as well; null: the server's AUTO_LABEL", only_page=True
    )
    clip_threshold: float = _setting(
        0.0,
        _number(0, 1),
        "Minimum probability of a per-region class (single choice), 0 to 1; a less probable one is left out",
    )
    choices_threshold: float = _setting(
        0.3,
        _number(0, 1),
        "Minimum probability in a multiple choice, 0 to 1; all classes that reach it are chosen, best first",
    )
    templates: tuple[str, ...] = _setting(
        (), _templates, "CLIP's prompt templates, at most 32, each with one {}; []: the model's default templates"
    )
    polygon_tolerance: float = _setting(
        1.0,
        _number(0, 100),
        "Distance from the mask within which a polygon drops points anyway, 0 to 100 pixels of the original image",
    )
    clean_masks: bool = _setting(True, _bool, "Remove specks and pinholes from masks")
    prefetch: int | None = _setting(
        None,
        _number(0, 100, int),
        "Number of next tasks to prefetch, 0 to 100; null: the server's PREFETCH_TASKS",
        only_page=True,
    )
    text_prompt: str | None = _setting(
        None, _name, "Name of the TextArea that is the text prompt; null: none", only_page=True
    )
    messages: str | None = _setting(
        None, _name, "Name of the TextArea in which the backend answers in words; null: it stays silent", only_page=True
    )
    class_probabilities: bool = _setting(
        False, _bool, "Write the most probable classes of a mask and their probabilities into the region's note"
    )
    polygon_parts: str = _setting(
        "main",
        _one_of(POLYGON_PARTS),
        "Parts of a mask in a polygon: main (the largest and the clicked ones) or all, with small holes",
    )
    max_points: int = _setting(
        60, _number(4, 10_000, int), "Number of points that a polygon may have where fewer do not spoil it, 4 to 10000"
    )
    min_score: float | None = _setting(
        None,
        _number(0, 1),
        "Minimum predicted IoU of a single click, 0 to 1 (a tenth of it where the mask contains the click); any other "
        "is refused as a click on nothing; 0 refuses none, and no box either, null: the model's own",
        only_page=True,
    )
    correct_last: bool = _setting(
        True,
        _bool,
        "Let a click correct a mask that was accepted a moment ago, before Label Studio has saved it",
        only_page=True,
    )
    single_task: str = _setting(
        "class",
        _one_of(SINGLE_TASK),
        "What one task without a prompt gets: class (of its image) or masks (of all objects); it was opened, or is the "
        "only one selected for Batch predictions",
        only_page=True,
    )

    @classmethod
    def documentation(cls) -> list[tuple[str, str, str]]:
        """Return rows of (key, default as JSON, description), in the order of the fields."""
        return [(f.name, json.dumps(f.default), f.metadata["about"]) for f in fields(cls)]

    def select(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the named settings as JSON values."""
        values = {name: getattr(self, name) for name in names}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def changed(self) -> dict[str, Any]:
        """Return the settings that differ from their default, as JSON values."""
        return self.select(f.name for f in fields(self) if getattr(self, f.name) != f.default)

    def changed_in_bulk(self) -> dict[str, Any]:
        """Return the changed settings that affect pre-annotation."""
        only_page = {f.name for f in fields(self) if f.metadata["only_page"]}
        return {name: value for name, value in self.changed().items() if name not in only_page}


DEFAULTS = ProjectSettings()


def parse_project_settings(mapping: Mapping[str, Any]) -> ProjectSettings:
    """Parse settings; a missing one or null gives the default.

    Args:
        mapping: Keys are fields of `ProjectSettings`. Values are JSON values or strings.

    Raises:
        BadProjectSettings: An unknown key, or a value of the wrong type or range; the message tells what is allowed.
    """
    known = {f.name: f for f in fields(ProjectSettings)}
    parsed: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in known:
            raise _unknown(key, list(known))
        try:
            parsed[key] = known[key].default if value is None else known[key].metadata["parse"](value)
        except _InvalidValue as allowed:
            shown = shorten(json.dumps(value, default=str), _MAX_SHOWN)
            raise BadProjectSettings(f"{key} is {shown}.", remedy=f"Set {key} to {allowed}.") from allowed
    return ProjectSettings(**parsed)


def parse_extra_params(extra_params: object) -> dict[str, Any]:
    """Return the `extra_params` of /setup as a mapping. Label Studio sends an object, a string with JSON, or null.

    Raises:
        BadProjectSettings: Anything else.
    """
    remedy = 'Write a JSON object such as {"auto_label": true}.'
    if isinstance(extra_params, str) and extra_params.strip():
        try:
            extra_params = parse_json(extra_params)
        except ValueError as error:
            problem = error if isinstance(error, JsonTooDeep) else "not valid JSON"
            message = f"The extra params are {problem}: {shorten(extra_params, _MAX_SHOWN)!r}."
            raise BadProjectSettings(message, remedy=remedy) from error
    if extra_params is None or (isinstance(extra_params, str) and not extra_params.strip()):
        return {}
    if not isinstance(extra_params, dict):
        kind = "list" if isinstance(extra_params, list) else type(extra_params).__name__
        raise BadProjectSettings(f"The extra params must be a JSON object, but are a JSON {kind}.", remedy=remedy)
    return extra_params


def _unknown(key: object, known: list[str]) -> BadProjectSettings:
    similar = get_close_matches(str(key)[:MAX_CHARACTERS].lower(), known, n=2, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(similar)}?" if similar else f"The settings are {', '.join(known)}."
    return BadProjectSettings(f"Unknown project setting {shorten(key, _MAX_SHOWN)!r}.", remedy=remedy)
