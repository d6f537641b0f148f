"""Limits on the size of a labeling config, which bound what a page costs to parse and its classes to encode."""

from __future__ import annotations

from dataclasses import dataclass

from backend.errors import BadConfig

REMEDY = "Edit it under Settings → Labeling Interface, or raise {setting} of the backend."


@dataclass(frozen=True)
class ConfigLimits:
    """Maximum sizes of a labeling config.

    Attributes:
        max_controls: Images and controls; a control counts once for each of its images, and a plain shape once for each
            Labels control that it can take its label from.
        max_classes: Labels and choices of all controls; of a class with synonyms each synonym counts.
    """

    max_controls: int = 1_000
    max_classes: int = 20_000


class PageCount:
    """Running count of what a page holds; it raises as soon as a limit is exceeded, so no more of it is read."""

    def __init__(self, limits: ConfigLimits) -> None:
        self._limits = limits
        self._controls = self._classes = 0

    def add_controls(self, count: int) -> None:
        """Count images or controls. Raises `BadConfig` beyond `max_controls`."""
        self._controls += count
        _check("images and controls", self._controls, self._limits.max_controls, "MAX_CONTROLS")

    def add_classes(self, count: int) -> None:
        """Count labels, choices or their synonyms. Raises `BadConfig` beyond `max_classes`."""
        self._classes += count
        _check("labels, choices and synonyms", self._classes, self._limits.max_classes, "MAX_CLASSES")


def _check(what: str, count: int, maximum: int, setting: str) -> None:
    if count > maximum:
        message = f"The labeling config has more than {maximum} {what}, which is the limit."
        raise BadConfig(message, remedy=REMEDY.format(setting=setting))
