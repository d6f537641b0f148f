"""The token that Label Studio lets us in with.

A personal access token is a JWT of the type refresh: it is never sent as it is but exchanged at /api/token/refresh/ for
an access token that lives 300 s (`Authorization: Bearer …`). A legacy token is 40 hexadecimal digits, sent as it is
(`Authorization: Token …`); Label Studio 1.23 refuses it unless the organisation switched it on.
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

from backend.errors import LabelStudioError
from backend.fetching.deadline_session import LEAST_SECONDS, hang_up_at, keep_headers, open_session
from backend.runtime import SingleFlight

SPARE_SECONDS = 30.0
UNKNOWN_LIFE_SECONDS = 240.0
TOKEN_REMEDY = (
    "Copy a personal access token from Label Studio (account menu → Account & Settings → Personal Access Token) "
    "into LABEL_STUDIO_API_KEY and start the backend again."
)


class TokenSource:
    """Makes the `Authorization` header; an access token is kept until shortly before its end. Safe for threads: many
    who need a new one at once wait for one exchange, and all of them get its token or its error.

    Args:
        url: Label Studio's, as this process reaches it.
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
        """Whether a refused token may be replaced by another one."""
        return self._is_pat

    def headers(self, refused: str = "", deadline: float | None = None) -> dict[str, str]:
        """The header to send, {} without an api key.

        Args:
            refused: The `Authorization` that Label Studio has just refused, so that it is not given out again.
            deadline: Monotonic seconds at which an exchange must be done; None: in the source's own timeout.

        Raises:
            LabelStudioError: The token was refused, is an access token, or Label Studio cannot be reached.
        """
        if not self._api_key:
            return {}
        if not self._is_pat:
            return {"Authorization": f"Token {self._api_key}"}
        deadline = time.monotonic() + self._timeout_seconds if deadline is None else deadline
        access = self._usable_access(refused)
        if access is None:
            exchange = self._exchanges.run(self._url, lambda: self._renew(refused, deadline))
            try:
                access = exchange.result(max(deadline - time.monotonic(), LEAST_SECONDS))
            except FutureTimeoutError as error:
                raise self._silent("no answer in time") from error
        return {"Authorization": f"Bearer {access}"}

    def _usable_access(self, refused: str) -> str | None:
        """The access token, unless it ends soon or is the one that was refused."""
        with self._lock:
            is_usable = time.time() < self._expires_at and refused != f"Bearer {self._access}"
            return self._access if is_usable else None

    def _renew(self, refused: str, deadline: float) -> str:
        """Exchange for a new access token, unless another thread got one since this one looked."""
        access = self._usable_access(refused)
        if access is None:
            access = self._exchange(deadline)
            with self._lock:
                self._access, self._expires_at = access, _expiry(access) - SPARE_SECONDS
        return access

    def _exchange(self, deadline: float) -> str:
        if _claims(self._api_key).get("token_type") == "access":
            raise LabelStudioError(
                "LABEL_STUDIO_API_KEY is an access token, which lives five minutes.", remedy=TOKEN_REMEDY
            )
        endpoint = f"{self._url}/api/token/refresh/"
        try:
            with hang_up_at(deadline) as watch:
                response = self._session.post(
                    endpoint,
                    json={"refresh": self._api_key},
                    timeout=max(deadline - time.monotonic(), LEAST_SECONDS),
                    allow_redirects=False,
                    auth=keep_headers,
                )
            access = response.json().get("access") if response.status_code == 200 else None
        except (requests.RequestException, ValueError, AttributeError) as error:
            is_late = watch.is_over or isinstance(error, requests.Timeout)
            raise self._silent("no answer in time" if is_late else type(error).__name__) from error
        if not access:
            message = f"Label Studio at {self._url} refused the personal access token (HTTP {response.status_code})."
            raise LabelStudioError(message, remedy=TOKEN_REMEDY)
        return str(access)

    def _silent(self, why: str) -> LabelStudioError:
        return LabelStudioError(
            f"Label Studio at {self._url} cannot be asked for an access token: {why}.",
            remedy="Check LABEL_STUDIO_URL and that Label Studio runs.",
        )


def _expiry(access: str) -> float:
    """When the access token dies, seconds since 1970 by this machine's clock."""
    claims = _claims(access)
    issued, expires = claims.get("iat"), claims.get("exp")
    life = expires - issued if isinstance(issued, (int, float)) and isinstance(expires, (int, float)) else None
    return time.time() + (life or UNKNOWN_LIFE_SECONDS)  # not `exp` itself: the two clocks may differ


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified; {} if it is none."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
