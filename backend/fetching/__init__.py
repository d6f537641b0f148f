"""The only HTTP for images: URL policy (which hosts are allowed and which get the token), limits, tokens, byte cache.

The image URI of a task comes in; encoded bytes go out, or `ImageUnavailable` and `ImageForbidden`.
"""

from backend.fetching.api_token import TOKEN_REMEDY, TokenSource
from backend.fetching.image_fetcher import ImageFetcher
from backend.fetching.url_policy import show_url

__all__ = ["TOKEN_REMEDY", "ImageFetcher", "TokenSource", "show_url"]
