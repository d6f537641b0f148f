"""A GET request with limits on the size of the body and on the total time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from backend.errors import ImageForbidden, ImageUnavailable, shorten
from backend.fetching.address_guard import AddressForbidden, AddressGuard, show_host
from backend.fetching.deadline_session import (
    MIN_TIMEOUT_SECONDS,
    REDIRECT_STATUSES,
    enforce_deadline,
    ignore_netrc,
    open_session,
)
from backend.fetching.url_policy import show_url

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Reply:
    """A response: status, headers and, with status 200, the whole body."""

    status: int
    content: bytes
    headers: CaseInsensitiveDict[str]


class Downloader:
    """HTTP client that reuses connections, ignores cookies and follows no redirects. Thread-safe.

    Args:
        max_bytes: Size limit of a body, after decompression.
        timeout_seconds: From `deadline()` to the last byte, over all redirects.
        guard: Checks the addresses of the hosts that it does not name.
    """

    def __init__(self, max_bytes: int, timeout_seconds: float, guard: AddressGuard) -> None:
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._session = open_session(guard)

    def deadline(self) -> float:
        """Return when a download that starts now must be done, in monotonic seconds."""
        return time.monotonic() + self._timeout_seconds

    def get(self, url: str, headers: dict[str, str], deadline: float, image_uri: str) -> Reply:
        """Send a GET request for `url`; error messages name `image_uri`, as the task spells it.

        Raises:
            ImageForbidden: The guard allows none of the host's addresses.
            ImageUnavailable: Unreachable, connection lost, too large or too slow.
        """
        remaining = max(deadline - time.monotonic(), MIN_TIMEOUT_SECONDS)
        try:
            with (
                enforce_deadline(deadline) as watch,
                self._session.get(
                    url, headers=headers, stream=True, allow_redirects=False, timeout=remaining, auth=ignore_netrc
                ) as response,
            ):
                content = self._read(response, image_uri) if response.status_code == 200 else b""
                if response.status_code in REDIRECT_STATUSES:
                    response.raw.read(CHUNK_BYTES)  # all of a short body: unread bytes would cost the connection
                if watch.has_expired:  # a body without a length ends with the connection, which we closed
                    raise self._timed_out(image_uri)
                return Reply(response.status_code, content, response.headers)
        except AddressForbidden as error:
            raise _forbidden_address(error, image_uri) from error
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if isinstance(error, requests.Timeout) or time.monotonic() >= deadline or watch.has_expired:
                raise self._timed_out(image_uri) from error
            message = f"{show_url(image_uri)} could not be fetched from {urlsplit(url).netloc}: {type(error).__name__}."
            remedy = "Check that the URL is correct and reachable from this backend (LABEL_STUDIO_URL)."
            raise ImageUnavailable(message, remedy=remedy) from error

    def _check_size(self, nbytes: int, image_uri: str) -> None:
        """Raise `ImageUnavailable` for more bytes than the limit."""
        if nbytes > self._max_bytes:
            message = f"{show_url(image_uri)} is larger than the limit of {self._max_bytes} bytes (IMAGE_MAX_BYTES)."
            raise ImageUnavailable(message, remedy="Make the image smaller, or raise IMAGE_MAX_BYTES.")

    def _read(self, response: requests.Response, image_uri: str) -> bytes:
        """Read the body and check its size while it arrives: `read1` returns what is already there."""
        declared = response.headers.get("Content-Length", "")
        self._check_size(int(declared) if declared.isdigit() else 0, image_uri)
        chunks: list[bytes] = []
        total = 0
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            chunks.append(chunk)
            total += len(chunk)
            self._check_size(total, image_uri)
        return b"".join(chunks)

    def _timed_out(self, image_uri: str) -> ImageUnavailable:
        message = f"Fetching {show_url(image_uri)} timed out after {self._timeout_seconds:g} s."
        return ImageUnavailable(message, remedy="Try again, or raise IMAGE_TIMEOUT_SECONDS.")


def _forbidden_address(error: AddressForbidden, image_uri: str) -> ImageForbidden:
    """Describe the refusal without the addresses: they would describe an internal network to an attacker."""
    place = f"{shorten(show_host(error.host))}:{error.port}"
    message = f"{show_url(image_uri)} leads to {place}, which resolves to an address that is not allowed."
    remedy = (
        f"If the image is stored there, add {place} to IMAGE_ALLOWED_HOSTS or its network to IMAGE_ALLOWED_NETWORKS."
    )
    return ImageForbidden(message, remedy=remedy)
