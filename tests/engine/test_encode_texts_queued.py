"""Encoding a large vocabulary leaves the models to other requests between its batches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.engine import ImageLabeler, encode_texts_queued
from backend.errors import ClientDisconnected, Overloaded
from backend.runtime import Deadline, PriorityExecutor
from backend.values import ClassName, Priority
from tests.fakes import FakeClassifier, FakeSegmenter

NAMES = (ClassName("a"), ClassName("b"))


class Texts:
    """Text features in batches; `log` is told of each, and `gate` lets each through."""

    def __init__(self, batches: int, log: list[str], gate: threading.Semaphore | None = None) -> None:
        self.turn, self.left = threading.Lock(), batches
        self._log, self._gate = log, gate

    @property
    def is_done(self) -> bool:
        return self.left == 0

    def encode_next(self) -> None:
        self._log.append("batch")
        assert self._gate is None or self._gate.acquire(timeout=20)
        self.left -= 1


class Reader(FakeClassifier):
    def __init__(self, texts: Texts) -> None:
        super().__init__()
        self._texts = texts

    def pending_texts(self, names, templates=()):
        return None if self._texts.is_done else self._texts


def labeler_of(texts: Texts) -> ImageLabeler:
    return ImageLabeler(FakeSegmenter(), Reader(texts))


def test_a_click_of_another_project_goes_between_two_batches() -> None:
    log, gate = [], threading.Semaphore(0)
    texts, executor = Texts(3, log, gate), PriorityExecutor(1, 64)
    with ThreadPoolExecutor(2) as pool:
        encoding = pool.submit(encode_texts_queued, labeler_of(texts), executor, [NAMES], (), Priority.CLICK)
        while not log:
            assert not encoding.done()
        click = executor.submit(Priority.CLICK, lambda: log.append("click"))
        gate.release()
        click.result(20)
        gate.release(2)
        encoding.result(20)
    assert log == ["batch", "click", "batch", "batch"]


def test_two_requests_for_one_vocabulary_take_one_thread_of_the_models() -> None:
    log, gate = [], threading.Semaphore(0)
    texts, executor = Texts(2, log, gate), PriorityExecutor(2, 64)
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(encode_texts_queued, labeler_of(texts), executor, [NAMES], (), Priority.CLICK) for _ in range(2)
        ]
        while not log:
            assert not asked[0].done()
        executor.submit(Priority.CLICK, lambda: log.append("click")).result(20)  # the second thread is free
        gate.release(2)
        for future in asked:
            future.result(20)
    assert log == ["batch", "click", "batch"]


def test_a_client_that_leaves_stops_the_encoding_after_a_batch() -> None:
    log: list[str] = []
    texts = Texts(1000, log)
    leaves = Deadline(has_disconnected=lambda: len(log) >= 3)
    with pytest.raises(ClientDisconnected):
        encode_texts_queued(labeler_of(texts), PriorityExecutor(1, 64), [NAMES], (), Priority.CLICK, leaves)
    assert len(log) == 3


def test_a_request_whose_time_is_over_leaves_the_batches_that_are_done() -> None:
    log: list[str] = []
    texts = Texts(1000, log, threading.Semaphore(2))
    executor = PriorityExecutor(1, 64)
    with pytest.raises(Overloaded, match=r"Timed out|took too long"):
        encode_texts_queued(labeler_of(texts), executor, [NAMES], (), Priority.CLICK, Deadline.after(1.5))
    assert 998 <= texts.left < 1000  # the third batch hangs
    texts._gate.release()


def test_without_clip_there_is_nothing_to_encode() -> None:
    encode_texts_queued(ImageLabeler(FakeSegmenter(), None), PriorityExecutor(1, 64), [NAMES], (), Priority.CLICK)
