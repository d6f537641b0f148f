"""Limits on what one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.label_studio.config import ConfigLimits
from backend.label_studio.requests.prompts import MAX_PROMPTS


@dataclass(frozen=True)
class RequestLimits:
    """Limits of a /predict request.

    Attributes:
        max_prompts: Maximum number of points and boxes.
        config: Maximum sizes of its labeling config.
    """

    max_prompts: int = MAX_PROMPTS
    config: ConfigLimits = field(default_factory=ConfigLimits)


DEFAULT_LIMITS = RequestLimits()
