"""Encoded images in memory within a budget."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from backend.runtime import LeastRecentlyUsed


@dataclass(frozen=True)
class CachedImage:
    """Encoded bytes, when they were last known to be right (monotonic seconds), and how to ask if they still are."""

    content: bytes
    checked_at: float
    is_immutable: bool = False
    validators: Mapping[str, str] = field(default_factory=dict)


class ImageCache(LeastRecentlyUsed[Hashable, CachedImage]):
    """At most `max_bytes` of images, of which `max_ahead` for those nobody asked for yet."""

    def __init__(self, max_bytes: int, max_ahead: int = 0) -> None:
        super().__init__(max_bytes, lambda image: len(image.content), max_ahead)
