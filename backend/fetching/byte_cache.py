"""In-memory cache of encoded images with a byte budget."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from backend.runtime import LeastRecentlyUsed


@dataclass(frozen=True)
class CachedImage:
    """Encoded bytes with what is needed to revalidate them.

    Attributes:
        checked_at: When the bytes were last known to be current, in monotonic seconds.
        is_immutable: They never have to be revalidated.
        validators: Request headers of a conditional GET (If-None-Match, If-Modified-Since).
    """

    content: bytes
    checked_at: float
    is_immutable: bool = False
    validators: Mapping[str, str] = field(default_factory=dict)


class ImageCache(LeastRecentlyUsed[Hashable, CachedImage]):
    """LRU cache of at most `max_bytes` of images, of which `max_prefetched` for images that were prefetched."""

    def __init__(self, max_bytes: int, max_prefetched: int = 0) -> None:
        super().__init__(max_bytes, lambda image: len(image.content), max_prefetched)

    def forget(self, content: bytes) -> None:
        """Remove these bytes, under whichever key they are."""
        self.discard(lambda _, image: image.content == content)
