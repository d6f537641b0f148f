"""Errors that speak to the one who can mend them: what was wrong, with the value, and what to do about it.

`BackendError` is the family; `http_status` is how the HTTP door answers it. Raise a child with two sentences:
`raise BadImage("data/a.png is not an image: …", remedy="Upload a PNG or a JPEG.")`.
"""

from __future__ import annotations

MOST_SHOWN = 200


def shorten(value: object, most: int = MOST_SHOWN) -> str:
    """A value for a message, at most `most` characters: what came in may be 30 MB, and messages go into logs."""
    try:
        shown = value[: most + 1] if isinstance(value, str) else str(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, lists in lists in lists
        shown = f"an odd {type(value).__name__}"
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class BackendError(Exception):
    """Something a person can mend.

    Args:
        message: What was wrong, with the value.
        remedy: What to do about it.
    """

    http_status = 500

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class BadRequest(BackendError):
    """The document that came in is not what Label Studio sends: broken JSON, a missing key, a wrong type."""

    http_status = 400


class BodyTooLarge(BadRequest):
    """The request's body is over the limit."""

    http_status = 413


class BodyTooSlow(BadRequest):
    """The client stalled, or went away, in the middle of the request's body."""

    http_status = 408


class BadConfig(BackendError):
    """The labeling config cannot carry an answer: broken XML, no brush control, an unknown label."""

    http_status = 422


class BadPrompt(BackendError):
    """A prompt that cannot be answered: outside the image, drawn on another size, of no known kind."""

    http_status = 422


class BadRegion(BackendError):
    """A region whose shape is missing or cannot be drawn: a polygon of two points, a radius of 0, a broken PNG."""

    http_status = 422


class BadRle(BadRegion):
    """A brush mask whose bytes cannot be decoded, or of another size than it says."""


class BadImage(BackendError):
    """The bytes are not an image, are truncated, or are more pixels than allowed."""

    http_status = 422


class ImageUnavailable(BackendError):
    """The image could not be fetched: unreachable, refused, too slow, too large."""

    http_status = 502


class ImageForbidden(ImageUnavailable):
    """The image lies on a host that this backend may not ask."""

    http_status = 403


class LabelStudioError(BackendError):
    """Label Studio refused: a wrong token, a project that does not exist, a server that is away."""

    http_status = 502


class BadSettings(BackendError):
    """An environment variable or an option with a value that cannot be used."""


class BadProjectSettings(BadSettings):
    """A setting of a project, in its labeling config or in the extra params of the ML backend, that cannot be used."""

    http_status = 422


class CheckpointError(BackendError):
    """A checkpoint is missing, damaged, or of another architecture than its name says."""


class CacheUnavailable(BackendError):
    """The shared cache is away, or did not keep what it was given; only commands that fill it mind."""


class NotReady(BackendError):
    """The models are still loading."""

    http_status = 503


class Overloaded(BackendError):
    """Too much work waits already."""

    http_status = 503


class ClientGone(BackendError):
    """Whoever asked has closed the connection, so that nobody is left to answer."""

    http_status = 499  # nginx's number for it; nobody but the log sees it


class ExportError(BackendError):
    """The export could not be written: disk full, folder not writable, annotation unreadable."""
