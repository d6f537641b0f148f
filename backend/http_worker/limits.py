"""RequestLimits: what a client may cost before and after its request is handled."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1 << 20
_BODIES_AT_ONCE = 8  # of the largest size


@dataclass(frozen=True)
class RequestLimits:
    """Limits of `BufferingWorker`.

    Attributes:
        max_body_bytes: A larger body is not read; the application refuses the request.
        request_timeout_seconds: From the first byte of a request, or from the connection, to the last byte.
        response_timeout_seconds: From the end of the application's work until the client has taken the response.
        drain_seconds: Time after SIGTERM in which connections are still accepted and /ready already responds 503.
        max_unfinished_per_peer: Requests of one address that have not arrived completely.
    """

    max_body_bytes: int = 64 * _MEBIBYTE
    request_timeout_seconds: float = 30.0
    response_timeout_seconds: float = 30.0
    drain_seconds: float = 0.0
    max_unfinished_per_peer: int = 64

    @property
    def max_buffered_bytes(self) -> int:
        """Limit of all buffered requests and responses together."""
        return _BODIES_AT_ONCE * self.max_body_bytes
