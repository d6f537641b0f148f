"""The only HTTP for images: URL policy (which hosts are allowed and which get the token), address guard (which
addresses such a host may have), limits, tokens, byte cache.

The image URI of a task comes in; encoded bytes go out, or `ImageUnavailable` and `ImageForbidden`.
"""

from backend.fetching.api_token import REDIRECT_REMEDY, TOKEN_REMEDY, TokenSource
from backend.fetching.deadline_session import (
    REDIRECT_STATUSES,
    enforce_deadline,
    ignore_netrc,
    open_session,
)
from backend.fetching.failed_connections import find_wrong_address, never_connected
from backend.fetching.image_fetcher import ImageFetcher
from backend.fetching.url_policy import show_url

__all__ = [
    "REDIRECT_REMEDY",
    "REDIRECT_STATUSES",
    "TOKEN_REMEDY",
    "ImageFetcher",
    "TokenSource",
    "enforce_deadline",
    "find_wrong_address",
    "ignore_netrc",
    "never_connected",
    "open_session",
    "show_url",
]
