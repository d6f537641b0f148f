"""The HTTP status of each error class."""

from __future__ import annotations

import pytest

from backend import errors
from backend.errors import BackendError
from backend.server.http_status import http_status_of

STATUS = {
    "BackendError": 500,
    "BadConfig": 422,
    "BadDataSet": 500,
    "BadImage": 422,
    "BadProjectSettings": 422,
    "BadPrompt": 422,
    "BadRegion": 422,
    "BadRequest": 400,
    "BadRle": 422,
    "BadSettings": 500,
    "BodyTooLarge": 413,
    "BodyTooSlow": 408,
    "CacheUnavailable": 500,
    "CheckpointError": 500,
    "ClientDisconnected": 499,
    "ExportError": 500,
    "ImageForbidden": 403,
    "ImageUnavailable": 502,
    "LabelStudioError": 502,
    "LabelStudioUnavailable": 502,
    "NoAnswer": 502,
    "LedgerError": 500,
    "RunRefused": 500,
    "NotReady": 503,
    "OutOfMemory": 500,
    "Overloaded": 503,
    "TryAgain": 503,
    "RateLimited": 429,
    "Unauthorized": 401,
    "WrongAddress": 502,
}


def classes() -> dict[str, type[BackendError]]:
    known = vars(errors).items()
    return {name: value for name, value in known if isinstance(value, type) and issubclass(value, BackendError)}


def test_every_error_class_has_its_status_here() -> None:
    assert classes().keys() == STATUS.keys()


@pytest.mark.parametrize("name", STATUS)
def test_a_class_is_answered_with_its_status(name: str) -> None:
    assert http_status_of(classes()[name]("x", remedy="y")) == STATUS[name]


def test_a_class_without_a_status_is_answered_as_its_base_class() -> None:
    class HostUnreachable(errors.ImageUnavailable):
        pass

    assert http_status_of(HostUnreachable("x", remedy="y")) == 502
