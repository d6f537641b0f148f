"""Image URI → encoded bytes: uploads, local files, cloud storage and the web, within limits (bytes, seconds, hosts).

The token goes to Label Studio's own origin only, and not even there once a redirect has left it. Redirects are followed
by hand, each hop checked: only Label Studio's own storage addresses may send us to a host that no setting allows.
Bytes are kept by (origin, project, URI): uploads for good, anything else is asked for again (ETag) after a minute.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from urllib.parse import urljoin, urlsplit

from backend.errors import ImageUnavailable, LabelStudioError
from backend.fetching.api_token import TOKEN_REMEDY, TokenSource
from backend.fetching.byte_cache import CachedImage, ImageCache, SingleFlight
from backend.fetching.download import Downloader, Reply
from backend.fetching.url_policy import (
    check_host,
    image_uri_to_url,
    is_immutable,
    may_redirect_anywhere,
    may_see_token,
    show_url,
    url_origin,
)

MOST_REDIRECTS = 5
REVALIDATE_SECONDS = 60.0  # how long an image that may change is used without asking again
OWN_REMEDY = "Put the image's own address there, as /data/upload/… or the URI of a storage that Label Studio knows."
VALIDATORS = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))


class ImageFetcher:
    """Fetches encoded images; safe for threads, and an image that many miss at once is fetched once.

    Args:
        label_studio_url: As this process reaches Label Studio; "" if there is none.
        api_key: A personal access token or a legacy token.
        allowed_hosts: Other hosts that may be asked, "a.org" or "a.org:8000".
        max_bytes: The largest image.
        timeout_seconds: For one image, from the first connection to the last byte.
        cache_bytes: Budget of the images kept in memory.
        ahead_bytes: What of it those may take that nobody asked for yet.
    """

    def __init__(
        self,
        label_studio_url: str,
        api_key: str,
        allowed_hosts: frozenset[str],
        max_bytes: int,
        timeout_seconds: float,
        cache_bytes: int = 256 << 20,
        ahead_bytes: int = 0,
    ) -> None:
        self._url = label_studio_url.rstrip("/")
        self._tokens = TokenSource(self._url, api_key, timeout_seconds=timeout_seconds)
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._cache = ImageCache(cache_bytes, ahead_bytes)
        self._flights = SingleFlight()
        self._downloader = Downloader(max_bytes, timeout_seconds)

    def fetch(
        self,
        image_uri: str,
        task_id: int | None,
        project_id: str,
        *,
        ahead: bool = False,
        wait_seconds: float | None = None,
    ) -> bytes:
        """The encoded bytes of an image.

        Args:
            image_uri: As it stands in the task's data.
            task_id: By which Label Studio resolves cloud storage.
            project_id: Bytes are not shared between projects.
            ahead: Nobody asked for it yet, so it must not drive out what is in use (see `lru`).
            wait_seconds: An image that takes longer is refused, though its fetching goes on for whoever comes next.

        Raises:
            ImageForbidden: On a host that may not be asked.
            ImageUnavailable: Unreachable, refused, too large, too slow, or an address of no known kind.
        """
        key = (self._url, project_id, image_uri)
        kept = self._look(key, ahead)
        if kept is not None and self._is_fresh(kept):
            return kept.content
        try:
            return self._flights.run(key, lambda: self._fetch_and_keep(key, image_uri, task_id, ahead), wait_seconds)
        except FutureTimeout as error:
            message = f"{show_url(image_uri)} did not come within {wait_seconds:.2g} s; it is still being fetched."
            raise ImageUnavailable(message, remedy="Try again in a moment.") from error

    def _look(self, key: tuple[str, str, str], ahead: bool) -> CachedImage | None:
        return self._cache.peek(key) if ahead else self._cache.get(key)

    def _is_fresh(self, kept: CachedImage) -> bool:
        return kept.is_immutable or time.monotonic() - kept.checked_at < REVALIDATE_SECONDS

    def _fetch_and_keep(self, key: tuple[str, str, str], image_uri: str, task_id: int | None, ahead: bool) -> bytes:
        kept = self._look(key, ahead)
        if kept is not None and self._is_fresh(kept):  # somebody else's flight landed between the look and the start
            return kept.content
        asked_at = time.monotonic()
        url = image_uri_to_url(image_uri, task_id, self._url, self._allowed_hosts)
        reply = self._get(url, image_uri, kept.validators if kept else {})
        if reply.status == 304 and kept is not None:
            image = CachedImage(kept.content, asked_at, kept.is_immutable, kept.validators)
        else:
            validators = {ask: reply.headers[tell] for tell, ask in VALIDATORS if tell in reply.headers}
            immutable = is_immutable(url, self._url)
            image = CachedImage(reply.content, asked_at, immutable, validators)
        self._cache.put(key, image, ahead=ahead)
        return image.content

    def _get(self, url: str, image_uri: str, conditions: Mapping[str, str]) -> Reply:
        """GET with redirects followed by hand, the token on Label Studio's own hops, renewed once if it is refused."""
        deadline = self._downloader.deadline()
        check_host(url, self._url, self._allowed_hosts)
        with_token, renewed, refused = may_see_token(url, self._url), False, ""
        for _ in range(MOST_REDIRECTS + 2):
            authorization = self._authorization(image_uri, refused, deadline) if with_token else {}
            reply = self._downloader.get(url, {**authorization, **conditions}, deadline, image_uri)
            if reply.status == 401 and with_token and self._tokens.can_renew and not renewed:
                renewed, refused = True, authorization["Authorization"]
                continue
            if reply.status not in (301, 302, 303, 307, 308):
                self._check_status(reply.status, url, image_uri, bool(conditions), with_token)
                return reply
            refused = ""
            target = urljoin(url, reply.headers.get("Location", ""))
            self._check_redirect(url, target, image_uri)
            with_token = with_token and may_see_token(target, self._url)
            url = target
        raise ImageUnavailable(f"{show_url(image_uri)} redirects without end.", remedy="Check the image's address.")

    def _is_own(self, url: str) -> bool:
        return bool(self._url) and url_origin(url) == url_origin(self._url)

    def _authorization(self, image_uri: str, refused: str, deadline: float) -> dict[str, str]:
        try:
            return self._tokens.headers(refused, deadline)
        except LabelStudioError as error:
            message = f"{show_url(image_uri)} cannot be fetched: {error.message}"
            raise ImageUnavailable(message, remedy=error.remedy) from error

    def _check_redirect(self, url: str, target: str, image_uri: str) -> None:
        if self._is_own(target) and "/user/login" in urlsplit(target).path:
            message = f"Label Studio asks for a login instead of giving {show_url(image_uri)}."
            raise ImageUnavailable(message, remedy=TOKEN_REMEDY)
        if not may_redirect_anywhere(url, self._url):
            check_host(target, self._url, self._allowed_hosts)
        url_origin(target)  # raises unless http(s)

    def _check_status(self, status: int, url: str, image_uri: str, may_be_unchanged: bool, with_token: bool) -> None:
        if status == 200 or (status == 304 and may_be_unchanged):
            return
        message = f"{urlsplit(url).netloc} answered HTTP {status} for {show_url(image_uri)}."
        remedy = "Check that the image still exists there."
        if self._is_own(url) and not with_token and status in (401, 403):
            remedy = (
                f"The token was not sent: it goes to Label Studio's own files, and not after a redirect. {OWN_REMEDY}"
            )
        elif self._is_own(url) and status == 401:
            remedy = f"The token is missing or not valid. {TOKEN_REMEDY}"
        elif self._is_own(url) and status == 404 and "/resolve/" in url:
            remedy = "Connect this cloud storage to the task's project in Label Studio (Settings → Cloud Storage)."
        elif self._is_own(url) and status == 403:
            remedy = "The user of LABEL_STUDIO_API_KEY may not see this project: use the token of one who may."
        raise ImageUnavailable(message, remedy=remedy)
