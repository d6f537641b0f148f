"""Fetching of a project's images by commands, within the limits of the settings."""

from __future__ import annotations

from backend.fetching import ImageFetcher
from backend.settings import Settings


def build_fetcher(settings: Settings, cache_bytes: int = 0) -> ImageFetcher:
    """Build a fetcher.

    Args:
        cache_bytes: Images that are kept in memory, in bytes; none by default.
    """
    return ImageFetcher(
        settings.label_studio_url,
        settings.label_studio_api_key,
        settings.image_allowed_hosts,
        settings.image_max_bytes,
        settings.image_timeout_seconds,
        cache_bytes=cache_bytes,
        allowed_networks=settings.image_allowed_networks,
    )
