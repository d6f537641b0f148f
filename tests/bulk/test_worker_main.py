"""What a worker sends to its parent survives the way."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from backend.bulk.worker_main import find_function, picklable
from backend.errors import BackendError, TryAgain


def families(kind: type[BackendError]) -> Iterator[type[BackendError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from families(child)


@pytest.mark.parametrize("kind", list(families(BackendError)), ids=lambda kind: kind.__name__)
def test_every_error_keeps_its_class_and_texts(kind: type[BackendError]) -> None:
    sent = picklable(kind("It is damaged.", remedy="Upload it again."))
    received = pickle.loads(pickle.dumps(sent))
    assert (type(received), received.message, received.remedy) == (kind, "It is damaged.", "Upload it again.")
    assert str(received) == "It is damaged. Upload it again."


def test_what_an_error_says_beside_its_texts_is_kept() -> None:
    assert pickle.loads(pickle.dumps(TryAgain("Busy.", remedy="Wait.", retry_seconds=7))).retry_seconds == 7


def test_an_error_that_cannot_be_sent_becomes_one_that_says_the_same() -> None:
    class Local(Exception):
        """Pickle cannot find a class in a function."""

    assert repr(picklable(Local("no image"))) == "RuntimeError('Local: no image')"


def test_the_function_of_a_worker_is_found_by_its_name() -> None:
    assert find_function("backend.bulk.worker_main:picklable") is picklable
