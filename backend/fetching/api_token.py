"""Authentication against Label Studio.

A personal access token is a JWT of type "refresh". It is never sent with a request but exchanged at
/api/token/refresh/ for an access token that is valid for 300 s (`Authorization: Bearer …`). A legacy token has 40
hexadecimal digits and is sent as it is (`Authorization: Token …`); Label Studio 1.23 refuses it unless the organisation
has enabled legacy tokens.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import requests

from backend.errors import LabelStudioError, LabelStudioUnavailable
from backend.fetching.deadline_session import (
    MIN_TIMEOUT_SECONDS,
    REDIRECT_STATUSES,
    enforce_deadline,
    ignore_netrc,
    open_session,
)
from backend.fetching.failed_connections import find_wrong_address
from backend.runtime import SingleFlight

EXPIRY_MARGIN_SECONDS = 30.0
DEFAULT_LIFETIME_SECONDS = 240.0  # of an access token without claims
TOKEN_REMEDY = (
    "Copy a personal access token from Label Studio (account menu → Account & Settings → Personal Access Token) "
    "into LABEL_STUDIO_API_KEY, and restart the backend if it is running."
)
ADDRESS_REMEDY = (
    "Set LABEL_STUDIO_URL to Label Studio's own address, without the path of a page such as /projects/1/data."
)
REDIRECT_REMEDY = "Redirects are not followed with a token: set LABEL_STUDIO_URL to the URL that Label Studio leads to."


class TokenSource:
    """Source of the `Authorization` header. Thread-safe.

    An access token is reused until shortly before it expires. Threads that need a new one at the same time share one
    exchange, and its token or its error.

    Args:
        url: Label Studio's URL as seen from this process.
        api_key: A personal access token, a legacy token, or "" for none.
    """

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = 20.0) -> None:
        self._url = url.rstrip("/")
        self._api_key = api_key.strip()
        self._timeout_seconds = timeout_seconds
        self._is_pat = self._api_key.count(".") == 2
        self._access = ""
        self._expires_at = 0.0
        self._lock = threading.Lock()
        self._exchanges = SingleFlight[str, str]()
        self._session = open_session()

    @property
    def can_renew(self) -> bool:
        """Whether a refused access token can be replaced by a new one."""
        return self._is_pat

    def headers(self, refused: str = "", deadline: float | None = None) -> dict[str, str]:
        """Return the header to send; {} without an API key.

        Args:
            refused: The `Authorization` that Label Studio has just refused; it is not returned again.
            deadline: When an exchange must be done, in monotonic seconds; None applies the source's own timeout.

        Raises:
            LabelStudioError: The token was refused, is an access token, or Label Studio cannot be reached.
        """
        if not self._api_key:
            return {}
        if not self._is_pat:
            return {"Authorization": f"Token {self._api_key}"}
        deadline = time.monotonic() + self._timeout_seconds if deadline is None else deadline
        access = self._valid_access(refused)
        if not access:
            exchange = self._exchanges.run(self._url, lambda: self._renew(refused, deadline))
            try:
                access = exchange.result(max(deadline - time.monotonic(), MIN_TIMEOUT_SECONDS))
            except FutureTimeoutError as error:
                raise self._unreachable("timed out") from error
        return {"Authorization": f"Bearer {access}"}

    def _valid_access(self, refused: str) -> str:
        """Return the current access token; "" if it has expired or is the refused one."""
        with self._lock:
            is_valid = time.time() < self._expires_at and refused != f"Bearer {self._access}"
            return self._access if is_valid else ""

    def _renew(self, refused: str, deadline: float) -> str:
        access = self._valid_access(refused)  # another exchange may have ended just before this one began
        if not access:
            access = self._exchange(deadline)
            with self._lock:
                self._access, self._expires_at = access, _expiry(access) - EXPIRY_MARGIN_SECONDS
        return access

    def _exchange(self, deadline: float) -> str:
        if _claims(self._api_key).get("token_type") == "access":
            message = "LABEL_STUDIO_API_KEY is an access token, which is valid for only five minutes."
            raise LabelStudioError(message, remedy=TOKEN_REMEDY)
        endpoint = f"{self._url}/api/token/refresh/"
        try:
            with enforce_deadline(deadline) as watch:
                response = self._session.post(
                    endpoint,
                    json={"refresh": self._api_key},
                    timeout=max(deadline - time.monotonic(), MIN_TIMEOUT_SECONDS),
                    allow_redirects=False,
                    auth=ignore_netrc,
                )
            access = response.json().get("access") if response.status_code == 200 else None
        except (requests.RequestException, ValueError, AttributeError) as error:
            if wrong := find_wrong_address(self._url, error):
                raise wrong from error
            timed_out = watch.has_expired or isinstance(error, requests.Timeout)
            raise self._unreachable("timed out" if timed_out else type(error).__name__) from error
        if response.status_code >= 500 or response.status_code == requests.codes.too_many_requests:
            raise self._unreachable(f"HTTP {response.status_code}")
        if response.status_code == requests.codes.not_found:
            raise LabelStudioError(f"There is no Label Studio at {self._url} (HTTP 404).", remedy=ADDRESS_REMEDY)
        if not access:
            message = f"Label Studio at {self._url} refused the personal access token (HTTP {response.status_code})."
            remedy = REDIRECT_REMEDY if response.status_code in REDIRECT_STATUSES else TOKEN_REMEDY
            raise LabelStudioError(message, remedy=remedy)
        return str(access)

    def _unreachable(self, reason: str) -> LabelStudioUnavailable:
        return LabelStudioUnavailable(
            f"Label Studio at {self._url} did not provide an access token: {reason}.",
            remedy="Check LABEL_STUDIO_URL and that Label Studio is running.",
        )


def _expiry(access: str) -> float:
    """Return when an access token expires, in seconds since 1970 by this machine's clock."""
    claims = _claims(access)
    issued, expires = claims.get("iat"), claims.get("exp")
    lifetime = expires - issued if isinstance(issued, (int, float)) and isinstance(expires, (int, float)) else None
    return time.time() + (lifetime or DEFAULT_LIFETIME_SECONDS)  # not `exp` itself: the two clocks may differ


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without verifying them; {} if the token is not a JWT."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
