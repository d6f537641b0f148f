"""Image URI → the URL to request, and the hosts that are allowed. Pure functions; no name is resolved.

/data/upload/2/a.png, data/local-files/?d=…   Label Studio, with the token
http(s)://LABEL_STUDIO/data/…                 the same
http://localhost:8080/data/…                  the same: Label Studio's URL of itself, which rarely works from here
/api/users, http(s)://LABEL_STUDIO/api/users  Label Studio, without the token: no images are there (`FILE_PATHS`)
s3://bucket/key, gs://…, azure-blob://…       Label Studio's /tasks/ID/resolve/?fileuri=…, which may redirect
http(s)://elsewhere/…                         only with the host in IMAGE_ALLOWED_HOSTS, never with the token
"""

from __future__ import annotations

import base64
import posixpath
import re
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from backend.errors import ImageForbidden, ImageUnavailable, shorten
from backend.fetching.address_guard import is_listed, show_host
from backend.safe_text import show_url

Origin = tuple[str, str, int]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})
REDIRECTING_PATHS = re.compile(r"^/(tasks|projects)/\d+/(resolve|presign)/|^/data/upload/|^/storage-data/")
FILE_PATHS = re.compile(r"^/data/|^/storage-data/|^/(tasks|projects)/\d+/(resolve|presign)/")
"""Where Label Studio serves files. Anyone who may import tasks chooses the URIs; a token sent to any path would let
them read everything that the token's owner may read."""
UNSUPPORTED_SCHEMES = frozenset({"data", "file", "ftp", "blob", "javascript"})
IMPORT_REMEDY = "Upload the image to Label Studio, or serve it from a storage that is connected to Label Studio."


def url_origin(url: str) -> Origin:
    """Return scheme, host and port of an http(s) URL.

    Raises:
        ImageUnavailable: Not an http(s) URL, or one that two parsers could read differently.
    """
    try:
        parts = urlsplit(url)
        default_port = {"http": 80, "https": 443}[parts.scheme]
        port = default_port if parts.port is None else parts.port
    except (ValueError, KeyError) as error:
        raise ImageUnavailable(f"{show_url(url)} is not an http(s) URL.", remedy=IMPORT_REMEDY) from error
    if not parts.hostname or not port or re.search(r"[@\\\s]", parts.netloc) or re.search(r"[\x00-\x1f]", url):
        raise ImageUnavailable(f"{show_url(url)} is not an unambiguous http(s) URL.", remedy=IMPORT_REMEDY)
    return parts.scheme, parts.hostname.rstrip("."), port


def image_uri_to_url(
    image_uri: str, task_id: int | None, label_studio_url: str, allowed_hosts: frozenset[str] = frozenset()
) -> str:
    """Return the URL to request for an image.

    Raises:
        ImageUnavailable: An unsupported scheme, cloud storage without a task id, or LABEL_STUDIO_URL is missing.
    """
    scheme = image_uri.partition(":")[0].lower() if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:", image_uri) else ""
    if scheme in UNSUPPORTED_SCHEMES:
        message = f"{show_url(image_uri)} has the unsupported scheme {scheme}:."
        raise ImageUnavailable(message, remedy=IMPORT_REMEDY)
    if scheme in ("http", "https"):
        _, host, port = url_origin(image_uri)
        is_allowed = is_listed(host, port, allowed_hosts)
        return image_uri if is_allowed else _own_url(image_uri, label_studio_url) or image_uri
    if not label_studio_url:
        message = f"{show_url(image_uri)} is stored in Label Studio, but this backend does not know its URL."
        remedy = "Set LABEL_STUDIO_URL (and LABEL_STUDIO_API_KEY) and restart the backend."
        raise ImageUnavailable(message, remedy=remedy)
    if not scheme:
        return _join(label_studio_url, image_uri)
    if task_id is None:
        message = f"{show_url(image_uri)} is in cloud storage and was sent without a task id."
        raise ImageUnavailable(message, remedy="Label Studio resolves such URIs by task: send the task's id.")
    fileuri = base64.urlsafe_b64encode(image_uri.encode(errors="surrogatepass")).decode()
    return _join(label_studio_url, f"/tasks/{task_id}/resolve/?fileuri={fileuri}")


def check_host(url: str, label_studio_url: str, allowed_hosts: frozenset[str]) -> None:
    """Raise `ImageForbidden` unless the host is Label Studio's or allowed by the operator.

    An entry "a.org" allows every port, "a.org:8000" only that one.
    """
    _, host, port = origin = url_origin(url)
    if is_listed(host, port, allowed_hosts) or (label_studio_url and origin == url_origin(label_studio_url)):
        return
    name = shorten(show_host(host))
    message = f"The image {show_url(url)} is on {name}:{port}, a host that is not allowed."
    entry = name if port in (80, 443) else f"{name}:{port}"  # without a port: every port
    raise ImageForbidden(message, remedy=f"Add {entry} to IMAGE_ALLOWED_HOSTS, or upload the image to Label Studio.")


def named_hosts(label_studio_url: str, allowed_hosts: frozenset[str]) -> frozenset[str]:
    """Return the hosts that the settings name: Label Studio's with its port, and those that are allowed."""
    try:
        _, host, port = url_origin(label_studio_url)
    except ImageUnavailable:  # empty or invalid, so no image is fetched from there
        return allowed_hosts
    return allowed_hosts | {f"{show_host(host)}:{port}"}


def resolve_redirect(url: str, location: str) -> str:
    """Return the URL that a redirect leads to.

    Raises:
        ImageUnavailable: Not a URL.
    """
    try:
        return urljoin(url, location)
    except ValueError as error:
        message = f"{show_url(url)} redirects to {show_url(location)}, which is not a URL."
        raise ImageUnavailable(message, remedy="Check the storage that serves the image.") from error


def may_redirect_anywhere(url: str, label_studio_url: str) -> bool:
    """Whether Label Studio may redirect this URL to a storage's presigned URL on any host.

    The addresses of such a host are checked before the connection (`address_guard`).
    """
    return bool(REDIRECTING_PATHS.match(_own_path(url, label_studio_url)))


def may_see_token(url: str, label_studio_url: str) -> bool:
    """Whether the URL is one of Label Studio's own files; only requests for those carry the token."""
    return bool(FILE_PATHS.match(_own_path(url, label_studio_url)))


def is_immutable(url: str, label_studio_url: str) -> bool:
    """Whether the content never changes: uploads get a random name and are never replaced."""
    return _own_path(url, label_studio_url).startswith("/data/upload/")


def _own_path(url: str, label_studio_url: str) -> str:
    """Return the path of one of Label Studio's URLs, without the sub-path it is served under; "" for any other URL."""
    if not label_studio_url or url_origin(url) != url_origin(label_studio_url):
        return ""
    path = posixpath.normpath(unquote(urlsplit(url).path))  # "/data/../api/users" is not a file
    own = path.removeprefix(urlsplit(label_studio_url).path.rstrip("/"))
    return f"{own}/" if urlsplit(url).path.endswith("/") else own


def _own_url(url: str, label_studio_url: str) -> str | None:
    """Return a loopback URL of Label Studio's files under the URL that reaches Label Studio from here."""
    _, host, _ = url_origin(url)
    parts = urlsplit(url)
    if not label_studio_url or host not in LOOPBACK_NAMES or not FILE_PATHS.match(parts.path):
        return None
    return _join(label_studio_url, urlunsplit(("", "", parts.path, parts.query, "")))


def _join(label_studio_url: str, path: str) -> str:
    base = label_studio_url.rstrip("/")
    own = urlsplit(base).path
    if own and path.startswith(f"{own}/"):  # Label Studio under a sub-path writes it into its URIs
        base = base.removesuffix(own)
    return f"{base}/{path.lstrip('/')}"
