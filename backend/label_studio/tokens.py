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
from typing import Any

import requests

from backend.errors import LabelStudioError

SPARE_SECONDS = 30.0
UNKNOWN_LIFE_SECONDS = 240.0
REMEDY = (
    "Copy a personal access token from Label Studio (account menu → Account & Settings → Personal Access Token) "
    "into LABEL_STUDIO_API_KEY and start the backend again."
)


class TokenSource:
    """Makes the `Authorization` header; an access token is kept until shortly before its end.

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

    @property
    def can_renew(self) -> bool:
        """Whether a refused token may be replaced by another one."""
        return self._is_pat

    def headers(self, refused: str = "") -> dict[str, str]:
        """The header to send, {} without an api key.

        Args:
            refused: The `Authorization` that Label Studio has just refused, so that it is not given out again.

        Raises:
            LabelStudioError: The token was refused, is an access token, or Label Studio cannot be reached.
        """
        if not self._api_key:
            return {}
        if not self._is_pat:
            return {"Authorization": f"Token {self._api_key}"}
        with self._lock:
            if time.time() >= self._expires_at or refused == f"Bearer {self._access}":
                self._exchange()
            return {"Authorization": f"Bearer {self._access}"}

    def _exchange(self) -> None:
        if _claims(self._api_key).get("token_type") == "access":
            raise LabelStudioError("LABEL_STUDIO_API_KEY is an access token, which lives five minutes.", remedy=REMEDY)
        endpoint = f"{self._url}/api/token/refresh/"
        try:
            response = requests.post(
                endpoint, json={"refresh": self._api_key}, timeout=self._timeout_seconds, allow_redirects=False
            )
            access = response.json().get("access") if response.status_code == 200 else None
        except (requests.RequestException, ValueError, AttributeError) as error:
            raise LabelStudioError(
                f"Label Studio at {self._url} cannot be asked for an access token: {type(error).__name__}.",
                remedy="Check LABEL_STUDIO_URL and that Label Studio runs.",
            ) from error
        if not access:
            message = f"Label Studio at {self._url} refused the personal access token (HTTP {response.status_code})."
            raise LabelStudioError(message, remedy=REMEDY)
        self._access = str(access)
        self._expires_at = _expiry(self._access) - SPARE_SECONDS


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
