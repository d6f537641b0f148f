"""One request with predictions: where it goes, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from backend.bulk.chunks import Chunk
from backend.errors import LabelStudioError


class PredictionStore(Protocol):
    """The part of `label_studio.api.PredictionClient` that is needed here."""

    def import_documents(self, project_id: str, documents: Sequence[bytes]) -> int: ...

    def tasks_with_version(self, project_id: str, task_ids: Collection[int], version: str) -> set[int]: ...

    def existing_tasks(self, project_id: str, task_ids: Collection[int]) -> set[int]: ...


@dataclass(frozen=True)
class Target:
    """Where predictions go.

    Attributes:
        check: Raises if the project no longer takes this version: it was deleted, or its labels changed.
    """

    store: PredictionStore
    project_id: str
    version: str
    check: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Delivery:
    """What a request came to: the tasks that had their prediction before, and how many were created."""

    known: Collection[int] = ()
    created: int = 0
    error: LabelStudioError | None = None


def deliver(chunk: Chunk, target: Target, *, check: bool = False) -> Delivery:
    """Ask which predictions of the chunk are stored, because another run may have been here, and send the rest.

    Args:
        check: Whether the project itself is checked first.

    Raises:
        BackendError: The project no longer takes this version.
    """
    known: set[int] = set()
    try:
        if check:
            target.check()
        tasks = [prediction.task for prediction in chunk]
        known = target.store.tasks_with_version(target.project_id, tasks, target.version)
        documents = [prediction.document for prediction in chunk if prediction.task not in known]
        created = target.store.import_documents(target.project_id, documents) if documents else 0
    except LabelStudioError as error:
        return Delivery(known, error=error)
    return Delivery(known, created)
