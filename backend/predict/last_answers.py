"""The last answers of each task, kept for a minute and shared by all replicas through Redis, if there is one.

Label Studio does not tell that an answer was accepted, and saves the page as a draft up to ten seconds later. Until
then only the backend knows the mask that a person has just accepted; `recent_masks` says what may be done with it.

An entry is named by a digest of the project's key, the task, the image's tag and the image's bytes. A caller who names
another task therefore finds its answers only on the very same image. The bytes are sealed like all of Redis' entries.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace
from typing import Protocol

from backend.images import SourceImage
from backend.label_studio.requests import PageState, TaskImage
from backend.predict.remembered_answer import RememberedAnswer, decode_answers, encode_answers
from backend.runtime import LeastRecentlyUsed

log = logging.getLogger(__name__)

ANSWER_TTL_SECONDS = 60
MAX_ANSWERS = 4  # of a task
MAX_LOCAL_BYTES = 32_000_000
MAX_DOCUMENT_BYTES = 128 << 10  # what `cache.RedisDocuments` takes
REDIS_SECONDS = 0.05  # a click does not wait longer for Redis
MAX_QUEUED = 64  # commands for Redis; more are dropped


@dataclass(frozen=True)
class AnswerPlace:
    """An image of a task.

    Attributes:
        project_key: See `PageState`.
        image_name: Name of the Image tag.
        image_digest: SHA-256 of the image's bytes.
        is_typed: Whether answers to typed texts and commands are meant, which have no prompts, or answers to clicks.
    """

    project_key: str
    task_id: int
    image_name: str
    image_digest: str
    is_typed: bool = False

    @property
    def name(self) -> str:
        """Name of the entry: a digest, in which no value can pass for a part of another."""
        parts = [self.project_key, self.task_id, self.image_name, self.image_digest, self.is_typed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def typed(self) -> AnswerPlace:
        """The place of the same image's answers to typed texts and commands."""
        return replace(self, is_typed=True)


class Documents(Protocol):
    """Interface of `cache.RedisDocuments`."""

    def get(self, name: str, *, in_use: bool) -> bytes | None: ...
    def put(self, name: str, document: bytes, *, in_use: bool) -> bool: ...


class LastAnswers:
    """Store of the last answers of each task. Thread-safe; it never raises.

    Redis is read and written on a thread of its own: a click waits at most `REDIS_SECONDS`, and during an outage the
    store holds what this process answered.

    Args:
        shared: Redis, or None.
        clock: Unix time, the same for all replicas.
    """

    def __init__(self, shared: Documents | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._shared, self._clock = shared, clock
        self._local = LeastRecentlyUsed[str, tuple[RememberedAnswer, ...]](
            MAX_LOCAL_BYTES, lambda answers: sum(answer.nbytes for answer in answers)
        )
        self._lock = threading.Lock()
        self._redis_thread = ThreadPoolExecutor(1, thread_name_prefix="last-answers")
        self._free = threading.BoundedSemaphore(MAX_QUEUED)

    def now(self) -> float:
        return self._clock()

    def recall(self, place: AnswerPlace, prompt_ids: frozenset[str] = frozenset()) -> tuple[RememberedAnswer, ...]:
        """Return the last answers on an image, the newest first.

        Args:
            prompt_ids: Prompts of the request. If the last answer of this process is to some of them, Redis is not
                asked.
        """
        here = self._fresh(self._local.get(place.name) or ())
        if self._shared is None or (here and here[0].prompt_ids & prompt_ids):
            return here
        shared = self._fresh(self._read(self._shared, place.name))
        return max(here, shared, key=lambda answers: answers[0].answered_at if answers else 0.0)

    def remember(self, place: AnswerPlace, answer: RememberedAnswer, before: Sequence[RememberedAnswer] = ()) -> None:
        """Store the newest answer on an image in place of any to the same prompts.

        Args:
            before: What `recall` returned for the same request, maybe from another replica.
        """
        with self._lock:
            known = {old.prompt_ids: old for old in (*before, *self._fresh(self._local.get(place.name) or ()))}
            others = [old for ids, old in known.items() if not ids & answer.prompt_ids]
            others.sort(key=lambda old: -old.answered_at)
            answers = (answer, *others)[:MAX_ANSWERS]
            self._local.put(place.name, answers)
        if self._shared is not None:
            shared, name = self._shared, place.name
            self._queue(lambda: _write(shared, name, answers))

    def _fresh(self, answers: Sequence[RememberedAnswer]) -> tuple[RememberedAnswer, ...]:
        return tuple(answer for answer in answers if abs(self._clock() - answer.answered_at) < ANSWER_TTL_SECONDS)

    def _read(self, shared: Documents, name: str) -> tuple[RememberedAnswer, ...]:
        """Return the answers in Redis; () if it does not answer soon."""
        waiting = self._queue(lambda: _fetch(shared, name))
        try:
            return waiting.result(REDIS_SECONDS) or () if waiting else ()
        except FutureTimeout:
            return ()

    def _queue(
        self, command: Callable[[], tuple[RememberedAnswer, ...] | None]
    ) -> Future[tuple[RememberedAnswer, ...] | None] | None:
        """Run a command on Redis' thread; None if too many wait."""
        if not self._free.acquire(blocking=False):
            return None
        future = self._redis_thread.submit(command)
        future.add_done_callback(lambda _: self._free.release())
        return future


def place_of(image: TaskImage, page: PageState | None, source: SourceImage) -> AnswerPlace | None:
    """Return the place of a request's answer; None if the request does not name task and project."""
    if page is None or not page.project_key or image.task_id is None:
        return None
    return AnswerPlace(page.project_key, image.task_id, image.name, source.digest)


def _fetch(shared: Documents, name: str) -> tuple[RememberedAnswer, ...]:
    document = shared.get(name, in_use=True)
    if not document:
        return ()
    try:
        return decode_answers(document)
    except ValueError as error:
        log.warning("Redis has invalid last answers under %s (%s), which will be overwritten.", name, error)
        return ()


def _write(shared: Documents, name: str, answers: Sequence[RememberedAnswer]) -> None:
    """Store as many of the answers as fit into a document, the newest first."""
    for count in range(len(answers), 0, -1):
        document = encode_answers(answers[:count])
        if len(document) <= MAX_DOCUMENT_BYTES:
            shared.put(name, document, in_use=True)
            return
