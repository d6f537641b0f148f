"""Exceptions with a message for the person who can fix the problem: what is wrong, with the value, and what to do.

Raise a subclass of `BackendError` with two sentences:
`raise BadImage("data/a.png is not an image: …", remedy="Upload a PNG or a JPEG.")`. Which HTTP status each class is
answered with stands in `server.http_status`.
"""

from __future__ import annotations

from typing import Any

from backend.safe_text import MAX_SHOWN_CHARACTERS, show

MAX_MESSAGE_CHARACTERS = 4000


def shorten(value: object, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """Format a foreign value for a message: safe to show (`safe_text.show`), in at most `max_characters`.

    A request can carry 30 MB, and messages are logged.
    """
    return show(value, max_characters)


class BackendError(Exception):
    """Base class of all expected errors.

    Both texts are made safe to show, so a message may quote any value and any exception.

    Args:
        message: What is wrong, with the value.
        remedy: What to do about it.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        self.message = show(message, MAX_MESSAGE_CHARACTERS)
        self.remedy = show(remedy, MAX_MESSAGE_CHARACTERS)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the texts, which `Exception` would pass to the constructor without their names."""
        return _restore, (type(self), self.args, dict(self.__dict__))


def _restore(kind: type[BackendError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> BackendError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


class BadRequest(BackendError):
    """Malformed request body: invalid JSON, a missing key or a value of the wrong type."""


class BodyTooLarge(BadRequest):
    """Request body over the size limit."""


class BodyTooSlow(BadRequest):
    """Request body that was cut off by a disconnect, or that a server waited for too long."""


class Unauthorized(BackendError):
    """Request with missing or wrong credentials."""


class BadConfig(BackendError):
    """Labeling config that cannot hold predictions: invalid XML, no control for masks, an unknown label."""


class BadPrompt(BackendError):
    """Prompt that cannot be answered: outside the image, drawn at another image size, or of an unsupported type."""


class BadRegion(BackendError):
    """Region with a missing or invalid shape: a polygon of two points, a radius of 0, a damaged PNG."""


class BadRle(BadRegion):
    """Brush mask that cannot be decoded, or whose size is not the one it declares."""


class BadImage(BackendError):
    """Image data that is not an image, is truncated, or exceeds the pixel limit."""


class ImageUnavailable(BackendError):
    """Image that could not be fetched: host unreachable, access denied, timeout, or file over the size limit."""


class ImageForbidden(ImageUnavailable):
    """Image URL whose host is not on the allowlist, or has no address that is allowed."""


class LabelStudioError(BackendError):
    """Failed Label Studio API call: invalid token, unknown project, server unreachable."""


class LabelStudioUnavailable(LabelStudioError):
    """Label Studio that cannot answer now: connection refused, timeout, HTTP 429 or a status from 500 on."""


class WrongAddress(LabelStudioUnavailable):
    """Label Studio's URL that is probably wrong: its host name does not exist, or its port does not speak TLS."""


class NoAnswer(LabelStudioUnavailable):
    """Request whose answer was lost: Label Studio may have carried it out, or may still do so.

    Attributes:
        has_ended: Whether Label Studio itself says that the request has failed, so nothing more will come of it.
    """

    has_ended = False


class LedgerError(BackendError):
    """Ledger of a bulk run that is damaged, cannot be written, or belongs to another project or version."""


class RunRefused(BackendError):
    """Bulk run that another one excludes, because both would import the same predictions."""


class BadSettings(BackendError):
    """Invalid value of an environment variable or a command line option."""


class BadProjectSettings(BadSettings):
    """Invalid project setting, in the labeling config or in the extra params of the ML backend."""


class CheckpointError(BackendError):
    """Checkpoint that is missing, damaged, or of another architecture than the model name says."""


class OutOfMemory(BackendError):
    """Model that does not fit into the memory of its device, nor into that of the CPU."""


class CacheUnavailable(BackendError):
    """Shared cache that is unreachable or rejected a write; raised only by commands that fill the cache."""


class TryAgain(BackendError):
    """Request that may succeed later.

    Args:
        retry_seconds: Seconds after which trying again makes sense.
    """

    def __init__(self, message: str, *, remedy: str, retry_seconds: int = 5) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_seconds = retry_seconds


class RateLimited(TryAgain):
    """Request over a rate limit."""


class NotReady(TryAgain):
    """Models that are still loading, or a server that is shutting down."""


class Overloaded(TryAgain):
    """Prediction that was refused because too many run or wait, or that timed out in the queue."""


class ClientDisconnected(BackendError):
    """Client that disconnected before its request was answered."""


class ExportError(BackendError):
    """Export that could not be written: disk full, folder not writable, unreadable annotation."""


class BadDataSet(BackendError):
    """Data set that cannot be imported: damaged, of another layout, or not of the project's images and labels."""
