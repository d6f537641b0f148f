"""The HTTP status that each error class is answered with."""

from __future__ import annotations

from collections.abc import Mapping

from backend.errors import (
    BackendError,
    BadConfig,
    BadImage,
    BadProjectSettings,
    BadPrompt,
    BadRegion,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    ClientDisconnected,
    ImageForbidden,
    ImageUnavailable,
    LabelStudioError,
    NotReady,
    Overloaded,
    TryAgain,
)

HTTP_STATUS: Mapping[type[BackendError], int] = {
    BackendError: 500,
    BadRequest: 400,
    BodyTooLarge: 413,
    BodyTooSlow: 408,
    BadConfig: 422,
    BadPrompt: 422,
    BadRegion: 422,
    BadImage: 422,
    BadProjectSettings: 422,
    ImageUnavailable: 502,
    ImageForbidden: 403,
    LabelStudioError: 502,
    TryAgain: 503,
    NotReady: 503,
    Overloaded: 503,
    ClientDisconnected: 499,  # nginx's "client closed request"; it appears only in the log
}


def http_status_of(error: BackendError) -> int:
    """Return the status of the error's class, or of its nearest base class that has one."""
    return next(HTTP_STATUS[base] for base in type(error).__mro__ if base in HTTP_STATUS)
