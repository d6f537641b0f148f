"""The importer at moments that no server can be brought to: a store that answers as the test says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from backend.bulk import (
    ChunkLimits,
    Ledger,
    Outages,
    PredictionImporter,
    RunIdentity,
    StopFlag,
    Summary,
    Target,
    TaskState,
)
from backend.bulk.chunks import ChunkBuilder, EncodedPrediction
from backend.errors import NoAnswer

LOST = NoAnswer("The answer was lost.", remedy="Wait.")


class ScriptedStore:
    """Answers the questions for stored tasks from a list; the first import gets no answer."""

    def __init__(self, *stored: set[int]) -> None:
        self.stored: Iterator[set[int]] = iter(stored)
        self.imports: list[int] = []

    def tasks_with_version(self, project_id: str, task_ids: Collection[int], version: str) -> set[int]:
        return next(self.stored)

    def existing_tasks(self, project_id: str, task_ids: Collection[int]) -> set[int]:
        return set(task_ids)

    def import_documents(self, project_id: str, documents: Sequence[bytes]) -> int:
        self.imports.append(len(documents))
        if len(self.imports) == 1:
            raise LOST
        return len(documents)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3", RunIdentity("a", "3", "v")) as ledger:
        yield ledger


def test_predictions_that_were_stored_between_the_question_and_the_second_request_are_not_sent_again(
    ledger: Ledger,
) -> None:
    store = ScriptedStore(set(), set(), {1})  # before the first request; after the settle time; before the second
    summary, outages = Summary(), Outages(lambda: None, StopFlag())
    importer = PredictionImporter(Target(store, "3", "v"), ledger, outages, summary, settle_seconds=0.01)
    importer.add(EncodedPrediction(1, b"{}", has_mask=True))
    importer.finish()
    assert store.imports == [1]
    assert (summary.created, summary.skipped, ledger.state_of(1)) == (1, 0, TaskState.DONE)


def test_a_chunk_is_full_by_tasks_by_bytes_or_by_time() -> None:
    now = [0.0]
    chunk = ChunkBuilder(ChunkLimits(max_tasks=3, max_bytes=100, max_seconds=60.0), lambda: now[0])

    def add(task: int, size: int) -> list[int]:
        return [one.task for one in chunk.add(EncodedPrediction(task, b"x" * size, has_mask=True))]

    assert (add(1, 10), chunk.is_due) == ([], False)
    now[0] = 59.0
    assert (add(2, 10), chunk.is_due) == ([], False)
    now[0] = 60.0
    assert chunk.is_due
    assert [one.task for one in chunk.take()] == [1, 2]
    assert not chunk.is_due  # an empty one is never sent
    add(3, 60)
    assert add(4, 60) == [3]  # together they would have more than 100 bytes
    assert add(5, 500) == [4]
    assert chunk.is_due  # too large on its own, so it goes alone
    assert [one.task for one in chunk.take()] == [5]
    add(6, 1), add(7, 1), add(8, 1)
    assert chunk.is_due
