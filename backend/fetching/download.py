"""One GET, read while it is within the limits of bytes and seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from backend.errors import ImageUnavailable
from backend.fetching.deadline_session import LEAST_SECONDS, hang_up_at, keep_headers, open_session
from backend.fetching.url_policy import show_url

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Reply:
    """A status, headers and, with the status 200, the whole body."""

    status: int
    content: bytes
    headers: CaseInsensitiveDict[str]


class Downloader:
    """Keeps connections open, takes no cookies, follows no redirects; safe for threads.

    Args:
        max_bytes: The largest body, unpacked.
        timeout_seconds: From `deadline()` to the last byte, over all hops.
    """

    def __init__(self, max_bytes: int, timeout_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._session = open_session()

    def deadline(self) -> float:
        """Monotonic seconds at which a download that starts now must be done."""
        return time.monotonic() + self._timeout_seconds

    def get(self, url: str, headers: dict[str, str], deadline: float, image_uri: str) -> Reply:
        """GET `url`; errors speak of `image_uri`, as the task spells it.

        Raises:
            ImageUnavailable: Unreachable, broken off, too large or too slow.
        """
        remaining = max(deadline - time.monotonic(), LEAST_SECONDS)
        try:
            with (
                hang_up_at(deadline) as watch,
                self._session.get(
                    url, headers=headers, stream=True, allow_redirects=False, timeout=remaining, auth=keep_headers
                ) as response,
            ):
                content = self._read(response, image_uri) if response.status_code == 200 else b""
                if watch.is_over:  # a body without a length ends where the connection does, and we ended it
                    raise self._too_slow(image_uri)
                return Reply(response.status_code, content, response.headers)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if isinstance(error, requests.Timeout) or time.monotonic() >= deadline or watch.is_over:
                raise self._too_slow(image_uri) from error
            message = f"{show_url(image_uri)} cannot be fetched from {urlsplit(url).netloc}: {type(error).__name__}."
            remedy = "Check that the address is right and reachable from this backend (LABEL_STUDIO_URL)."
            raise ImageUnavailable(message, remedy=remedy) from error

    def _check_size(self, nbytes: int, image_uri: str) -> None:
        """Refuse more bytes than the limit."""
        if nbytes > self._max_bytes:
            message = f"{show_url(image_uri)} is over the limit of {self._max_bytes} bytes (IMAGE_MAX_BYTES)."
            raise ImageUnavailable(message, remedy="Make the image smaller, or raise IMAGE_MAX_BYTES.")

    def _read(self, response: requests.Response, image_uri: str) -> bytes:
        """The body, measured while it comes: `read1` returns with what is there."""
        declared = response.headers.get("Content-Length", "")
        self._check_size(int(declared) if declared.isdigit() else 0, image_uri)
        chunks: list[bytes] = []
        total = 0
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            total += len(chunk)
            self._check_size(total, image_uri)
        return b"".join(chunks)

    def _too_slow(self, image_uri: str) -> ImageUnavailable:
        message = f"{show_url(image_uri)} did not come within {self._timeout_seconds:g} s."
        return ImageUnavailable(message, remedy="Try again, or raise IMAGE_TIMEOUT_SECONDS.")
