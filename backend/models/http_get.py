"""HTTP of downloads: a token that stays on its host, redirects that stay encrypted, refusals in sentences."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

from backend.errors import CheckpointError

TIMEOUT_SECONDS = 30.0
RETRY_REMEDY = "Check the network and the disk, then run the same command again; it resumes the download."
_GET_ACCESS = (
    "If its authors ask for it, sign in to the hub and accept the licence on the model's page; then set HF_TOKEN to a "
    "read token of that account and run the command again."
)


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects without the token, unless they stay on the same host, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not encrypted")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        authorization = req.unredirected_hdrs.get("Authorization")
        if following is not None and authorization and _origin(req.full_url) == _origin(newurl):
            following.add_unredirected_header("Authorization", authorization)
        return following


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


@contextmanager
def open_url(url: str, *, token: str = "", start: int = 0) -> Iterator[http.client.HTTPResponse]:
    """Open a URL for reading.

    Args:
        token: Bearer token. It is sent to the URL's own host only; a storage that this host redirects to gets none.
        start: Number of bytes to skip. The status is 206 if the server can, and 200 if it sends the whole file.

    Raises:
        Unreachable: No network, or an unknown host.
        CheckpointError: Refused, or interrupted while the caller reads.
        EndOfFile: `start` is not before the end of the file.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    if token:  # urllib copies ordinary headers to wherever a redirect leads
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.build_opener(_CarefulRedirects).open(request, timeout=TIMEOUT_SECONDS) as response:
            yield response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            raise EndOfFile(url) from error
        raise _explain_refusal(url, error, has_token=bool(token)) from error
    except urllib.error.URLError as error:
        raise Unreachable(f"{url} could not be reached: {error.reason}.", remedy=RETRY_REMEDY) from error
    except (http.client.HTTPException, ssl.SSLError, ConnectionError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"The download of {url} was interrupted: {reason}.", remedy=RETRY_REMEDY) from error


class Unreachable(CheckpointError):
    """Host that cannot be reached."""


class EndOfFile(Exception):
    """Range request beyond the end of a file."""


def _explain_refusal(url: str, error: urllib.error.HTTPError, *, has_token: bool) -> CheckpointError:
    """Put an HTTP error into words; the hub names its cause in the header X-Error-Code.

    Without a token the hub answers 401 to a repository that does not exist, because it might be a private one.
    """
    cause, status = error.headers.get("X-Error-Code", ""), f"HTTP {error.code}"
    if cause == "RepoNotFound":
        return CheckpointError(
            f"{url}: there is no such repository, or it is private ({status}).",
            remedy=f"Check its page on the hub; a renamed or deleted model needs a newer version of this project. "
            f"{_GET_ACCESS}",
        )
    if error.code in (401, 403):
        whose = "The account of HF_TOKEN has no access to it. " if has_token else ""
        return CheckpointError(f"{url} is for permitted accounts only ({status}).", remedy=f"{whose}{_GET_ACCESS}")
    if error.code == 404:
        what = {"RevisionNotFound": "this revision", "EntryNotFound": "this file"}.get(cause, "what was asked for")
        return CheckpointError(
            f"{url}: {what} is not there ({status}).",
            remedy="It was renamed or deleted. Update this project, or copy the weights into the weights folder.",
        )
    if error.code == 429:
        return CheckpointError(
            f"{url} was refused, because there were too many requests ({status}).",
            remedy="Wait some minutes and run the command again. HF_TOKEN raises the hub's limit.",
        )
    return CheckpointError(f"{url} answered {status} {error.reason}.", remedy=RETRY_REMEDY)
