"""What callers and webhooks must prove: a user name and password, a bearer token, a webhook's secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """Credentials that the server accepts. They are compared in constant time, whatever their length.

    Attributes:
        user, password: Of basic authentication; both empty: none.
        token: Of bearer authentication; empty: none.
        webhook_secret: Value of the header X-Webhook-Secret; empty: webhooks carry no secret.
    """

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)

    @property
    def are_required(self) -> bool:
        """Whether callers must authenticate."""
        return bool(self.user or self.token)

    @property
    def challenge(self) -> str:
        """Value of the header WWW-Authenticate."""
        schemes = [(self.user, 'Basic realm="Label Studio ML backend"'), (self.token, "Bearer")]
        return ", ".join(scheme for secret, scheme in schemes if secret) or "X-Webhook-Secret"

    def accept(self, authorization: str) -> bool:
        """Return whether the value of an Authorization header is right."""
        scheme, _, value = authorization.strip().partition(" ")
        if scheme.lower() == "basic" and self.user:
            user, password = _decode_basic(value)
            return _is_equal(user, self.user.encode()) & _is_equal(password, self.password.encode())  # always both
        if scheme.lower() == "bearer" and self.token:
            return _is_equal(_to_bytes(value.strip()), self.token.encode())
        return False

    def accept_webhook(self, secret: str) -> bool:
        """Return whether the value of an X-Webhook-Secret header is right; False if none is configured."""
        return bool(self.webhook_secret) and _is_equal(_to_bytes(secret), self.webhook_secret.encode())


def _decode_basic(value: str) -> tuple[bytes, bytes]:
    """Decode user and password; two empty texts if they cannot be decoded, which are never right."""
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b"", b""
    return user, password


def _to_bytes(header: str) -> bytes:
    """Return the bytes of a header as they were sent; WSGI decodes them as latin-1."""
    return header.encode("latin-1", "replace")


def _is_equal(given: bytes, expected: bytes) -> bool:
    """Compare digests, because comparing texts of different lengths takes a time that tells the length."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())
