"""Image URI → encoded bytes: uploads, local files, cloud storage and the web, within limits (bytes, seconds, hosts).

The token is sent only to Label Studio's own origin, and not even there once a redirect has left it. Redirects are
followed one by one and each hop is checked: only Label Studio's own storage URLs may redirect to a host that no setting
names, and only to one with a globally routable address or in a network that the settings allow.

Bytes are cached by (origin, project, URI), once the caller's check has passed: a login page or a proxy's error with
status 200 is fetched again by the next request. Uploads never expire; anything else is revalidated (ETag) after a
minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from urllib.parse import urlsplit

from backend.errors import ImageUnavailable, LabelStudioError
from backend.fetching.address_guard import AddressGuard, IpNetwork
from backend.fetching.api_token import TOKEN_REMEDY, TokenSource
from backend.fetching.byte_cache import CachedImage, ImageCache
from backend.fetching.deadline_session import REDIRECT_STATUSES
from backend.fetching.download import Downloader, Reply
from backend.fetching.url_policy import (
    check_host,
    image_uri_to_url,
    is_immutable,
    may_redirect_anywhere,
    may_see_token,
    named_hosts,
    resolve_redirect,
    show_url,
    url_origin,
)
from backend.runtime import SingleFlight

MAX_REDIRECTS = 5
REVALIDATE_SECONDS = 60.0  # an image that may change is used for this long before it is revalidated
DIRECT_URI_REMEDY = (
    "Use the image's own URI in the task, such as /data/upload/…, or that of a storage connected to Label Studio."
)
VALIDATORS = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))


class ImageFetcher:
    """Fetcher of encoded images. Thread-safe; an image that several threads miss at once is fetched once.

    Args:
        label_studio_url: Label Studio's URL as seen from this process; may be empty.
        api_key: A personal access token or a legacy token.
        allowed_hosts: Other hosts that images may be fetched from, "a.org" or "a.org:8000".
        max_bytes: Size limit of one image.
        timeout_seconds: For one image, from the first connection to the last byte.
        cache_bytes: Size limit of the in-memory cache.
        prefetch_bytes: Share of `cache_bytes` that prefetched images may take.
        allowed_networks: Networks that Label Studio's storages may redirect to, besides all global addresses.
    """

    def __init__(
        self,
        label_studio_url: str,
        api_key: str,
        allowed_hosts: frozenset[str],
        max_bytes: int,
        timeout_seconds: float,
        cache_bytes: int = 256 << 20,
        prefetch_bytes: int = 0,
        allowed_networks: frozenset[IpNetwork] = frozenset(),
    ) -> None:
        self._url = label_studio_url.rstrip("/")
        self._tokens = TokenSource(self._url, api_key, timeout_seconds=timeout_seconds)
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._cache = ImageCache(cache_bytes, prefetch_bytes)
        self._flights = SingleFlight[tuple[str, str, str], bytes]()
        guard = AddressGuard(named_hosts(self._url, self._allowed_hosts), allowed_networks)
        self._downloader = Downloader(max_bytes, timeout_seconds, guard)

    def fetch(
        self,
        image_uri: str,
        task_id: int | None,
        project_id: str,
        *,
        prefetch: bool = False,
        wait_seconds: float | None = None,
        check: Callable[[bytes], object] | None = None,
    ) -> bytes:
        """Fetch the encoded bytes of an image, from the cache if possible.

        Args:
            image_uri: URI as it is in the task's data.
            task_id: Id by which Label Studio resolves cloud storage.
            project_id: Bytes are not shared between projects.
            prefetch: Whether this is a prefetch, which must not evict what is in use (see `runtime.lru`).
            wait_seconds: How long to wait; a slower download continues in the background for the next caller.
            check: Raises on bytes that are not an image, which are then not cached. Called once for each download.

        Raises:
            Whatever `check` raises, for all callers that wait for the same download.
            ImageForbidden: On a host or at an address that is not allowed.
            ImageUnavailable: Unreachable, refused, too large, too slow, or an unsupported URI.
        """
        key = (self._url, project_id, image_uri)
        cached = self._lookup(key, prefetch)
        if cached is not None and self._is_fresh(cached):
            return cached.content
        start = self._flights.run if wait_seconds is None else self._flights.start  # on this thread, or on a new one
        flight = start(key, lambda: self._fetch_and_cache(key, image_uri, task_id, prefetch, check))
        try:
            return flight.result(wait_seconds)
        except FutureTimeout as error:
            message = f"{show_url(image_uri)} was not fetched within {wait_seconds:.2g} s; the download continues."
            raise ImageUnavailable(message, remedy="Try again in a moment.") from error

    def forget(self, content: bytes) -> None:
        """Forget bytes that passed the check and turned out to be damaged; they are fetched again when needed."""
        self._cache.forget(content)

    def _lookup(self, key: tuple[str, str, str], prefetch: bool) -> CachedImage | None:
        return self._cache.peek(key) if prefetch else self._cache.get(key)

    def _is_fresh(self, cached: CachedImage) -> bool:
        return cached.is_immutable or time.monotonic() - cached.checked_at < REVALIDATE_SECONDS

    def _fetch_and_cache(
        self,
        key: tuple[str, str, str],
        image_uri: str,
        task_id: int | None,
        prefetch: bool,
        check: Callable[[bytes], object] | None,
    ) -> bytes:
        cached = self._lookup(key, prefetch)
        if cached is not None and self._is_fresh(cached):  # another download ended just before this one began
            return cached.content
        requested_at = time.monotonic()
        url = image_uri_to_url(image_uri, task_id, self._url, self._allowed_hosts)
        reply = self._get(url, image_uri, cached.validators if cached else {})
        if reply.status == 304 and cached is not None:
            if self._cache.replace(key, cached, replace(cached, checked_at=requested_at)):
                return cached.content
            reply = self._get(url, image_uri, {})  # evicted meanwhile, or forgotten as damaged
        if check is not None:
            check(reply.content)
        validators = {request: reply.headers[name] for name, request in VALIDATORS if name in reply.headers}
        image = CachedImage(reply.content, requested_at, is_immutable(url, self._url), validators)
        self._cache.put(key, image, prefetch=prefetch)
        return image.content

    def _get(self, url: str, image_uri: str, conditions: Mapping[str, str]) -> Reply:
        """Send a GET request and follow redirects. Only Label Studio gets the token, renewed once if it is refused."""
        deadline = self._downloader.deadline()
        check_host(url, self._url, self._allowed_hosts)
        with_token, renewed, refused = may_see_token(url, self._url), False, ""
        for _ in range(MAX_REDIRECTS + 2):
            authorization = self._authorization(image_uri, refused, deadline) if with_token else {}
            reply = self._downloader.get(url, {**authorization, **conditions}, deadline, image_uri)
            if reply.status == 401 and with_token and self._tokens.can_renew and not renewed:
                renewed, refused = True, authorization["Authorization"]
                continue
            if reply.status not in REDIRECT_STATUSES:
                self._check_status(reply.status, url, image_uri, bool(conditions), with_token)
                return reply
            refused = ""
            target = resolve_redirect(url, reply.headers.get("Location", ""))
            self._check_redirect(url, target, image_uri)
            with_token = with_token and may_see_token(target, self._url)
            url = target
        raise ImageUnavailable(
            f"{show_url(image_uri)} redirects too many times; the limit is {MAX_REDIRECTS}.",
            remedy="Check the image's URI.",
        )

    def _is_own(self, url: str) -> bool:
        return bool(self._url) and url_origin(url) == url_origin(self._url)

    def _authorization(self, image_uri: str, refused: str, deadline: float) -> dict[str, str]:
        try:
            return self._tokens.headers(refused, deadline)
        except LabelStudioError as error:
            message = f"{show_url(image_uri)} could not be fetched: {error.message}"
            raise ImageUnavailable(message, remedy=error.remedy) from error

    def _check_redirect(self, url: str, target: str, image_uri: str) -> None:
        if self._is_own(target) and "/user/login" in urlsplit(target).path:
            message = f"Label Studio redirected {show_url(image_uri)} to its login page."
            raise ImageUnavailable(message, remedy=TOKEN_REMEDY)
        if not may_redirect_anywhere(url, self._url):
            check_host(target, self._url, self._allowed_hosts)
        url_origin(target)  # raises unless http(s)

    def _check_status(self, status: int, url: str, image_uri: str, may_be_unchanged: bool, with_token: bool) -> None:
        if status == 200 or (status == 304 and may_be_unchanged):
            return
        message = f"{urlsplit(url).netloc} returned HTTP {status} for {show_url(image_uri)}."
        remedy = "Check that the image still exists there."
        if self._is_own(url) and not with_token and status in (401, 403):
            rule = "it is sent only for Label Studio's own files, and not after a redirect to anything else"
            remedy = f"The token was not sent: {rule}. {DIRECT_URI_REMEDY}"
        elif self._is_own(url) and status == 401:
            remedy = f"The token is missing or invalid. {TOKEN_REMEDY}"
        elif self._is_own(url) and status == 404 and "/resolve/" in url:
            remedy = "Connect this cloud storage to the task's project in Label Studio (Settings → Cloud Storage)."
        elif self._is_own(url) and status == 403:
            remedy = "The user of LABEL_STUDIO_API_KEY has no access to this project: use the token of a user who has."
        raise ImageUnavailable(message, remedy=remedy)
