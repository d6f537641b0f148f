"""The ledger of a bulk run: what became of each task, in an SQLite file that survives a killed process.

A task is `pending` until its prediction is about to be sent; `sent` is written before the request goes out, so after a
crash nothing that may be stored looks as if it were not. A request whose answer was lost leaves its tasks `in_doubt`.
Label Studio wins over the ledger: what it has is done, whatever stands here.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from backend.errors import LedgerError

SCHEMA_VERSION = 1
BUSY_SECONDS = 10.0
TaskKey = int | str

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks (
    task PRIMARY KEY,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    sends INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    updated_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_state ON tasks (state) WHERE state NOT IN ('done', 'pending');
"""
_MARK = """
INSERT INTO tasks (task, state, attempts, sends, reason, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (task) DO UPDATE SET
    state = ?2, attempts = attempts + ?3, sends = sends + ?4, reason = ?5, updated_at = ?6
"""
_ADD = """
INSERT INTO tasks (task, state, updated_at) VALUES (?, 'pending', ?)
ON CONFLICT (task) DO UPDATE SET
    state = 'pending', attempts = 0, reason = '', updated_at = excluded.updated_at
"""


class TaskState(str, Enum):
    """What is known of a task."""

    PENDING = "pending"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"  # deleted from the project meanwhile


OPEN_STATES = (TaskState.SENT, TaskState.IN_DOUBT)


@dataclass(frozen=True)
class RunIdentity:
    """What a ledger belongs to: where the tasks are, which project, and the version of the predictions."""

    server: str
    project: str
    version: str


@dataclass(frozen=True)
class FailedTask:
    """A task without a prediction, and why."""

    task: TaskKey
    state: TaskState
    attempts: int
    reason: str


class Ledger:
    """The ledger of one run and all its resumptions. Thread-safe; one process at a time writes to it.

    Args:
        path: Of the SQLite file, on a local disk; its folder is created.
        identity: What the run belongs to.
        about: JSON values that describe the run: settings, labeling config, models.

    Raises:
        LedgerError: The file is damaged, cannot be written, or belongs to something else.
    """

    def __init__(self, path: Path, identity: RunIdentity, about: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(identity, about or {})
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, tasks: Iterable[TaskKey]) -> None:
        """Note tasks that are about to be predicted; those whose last request is open keep their state."""
        now = time.time()
        with self._transaction() as connection:
            connection.executemany(
                _ADD + " WHERE tasks.state NOT IN ('sent', 'in_doubt')", [(task, now) for task in tasks]
            )

    def mark(
        self, tasks: Iterable[TaskKey], state: TaskState, reason: str = "", *, attempts: int = 0, sends: int = 0
    ) -> None:
        """Write the state of tasks to the disk, in one transaction.

        Args:
            attempts: How many failed attempts to add.
            sends: How many requests to add that named these tasks.
        """
        now = time.time()
        with self._transaction() as connection:
            connection.executemany(_MARK, [(task, state.value, attempts, sends, reason, now) for task in tasks])

    def open_requests(self) -> dict[TaskKey, float]:
        """Return the tasks that are `sent` or `in_doubt`, and since when, in seconds since 1970."""
        query = "SELECT task, updated_at FROM tasks WHERE state IN ('sent', 'in_doubt')"
        return dict(self._fetch(query))

    def sent_repeatedly(self) -> list[TaskKey]:
        """Return the tasks that were part of several requests, so that they may have several predictions."""
        return [task for (task,) in self._fetch("SELECT task FROM tasks WHERE sends > 1 ORDER BY task")]

    def done_because(self, reason: str) -> set[TaskKey]:
        """Return the tasks that are done for this reason."""
        return {task for (task,) in self._fetch("SELECT task FROM tasks WHERE state = 'done' AND reason = ?", reason)}

    def state_of(self, task: TaskKey) -> TaskState | None:
        """Return a task's state; None if the ledger does not know the task."""
        rows = self._fetch("SELECT state FROM tasks WHERE task = ?", task)
        return TaskState(rows[0][0]) if rows else None

    def counts(self) -> dict[TaskState, int]:
        """Return the number of tasks in each state."""
        counted = dict(self._fetch("SELECT state, count(*) FROM tasks GROUP BY state"))
        return {state: counted.get(state.value, 0) for state in TaskState}

    def failures(self) -> list[FailedTask]:
        """Return the tasks that failed or are gone, by ascending task."""
        query = "SELECT task, state, attempts, reason FROM tasks WHERE state IN ('failed', 'gone') ORDER BY task"
        rows = self._fetch(query)
        return [FailedTask(task, TaskState(state), attempts, reason) for task, state, attempts, reason in rows]

    def _prepare(self, identity: RunIdentity, about: Mapping[str, Any]) -> None:
        """Create the tables, or check that they are whole and belong to this run."""
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # "sent" must be on the disk before anything is sent
        (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        self._connection.executescript(_SCHEMA)
        known = read_about(self._connection)
        expected = {"schema": SCHEMA_VERSION, **asdict(identity)}
        if known:
            self._check_identity(known, expected)
        described = {"started_at": time.time(), **known, **expected, **about, "resumed_at": time.time()}
        with self._transaction() as connection:
            rows = [(key, json.dumps(value)) for key, value in described.items()]
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", rows)

    def _check_identity(self, known: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        differing = [
            f"{key} {known.get(key)!r}, not {value!r}" for key, value in expected.items() if known.get(key) != value
        ]
        if differing:
            remedy = f"Move {self.path.parent} away, or set RUNS_DIR to another folder."
            raise LedgerError(f"The ledger {self.path} belongs to {'; '.join(differing)}.", remedy=remedy)

    def _fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._translated(), self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk ends the transaction by itself
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise `LedgerError` in place of the errors of SQLite and of the folder."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise describe_error(self.path, error) from error


def read_about(connection: sqlite3.Connection) -> dict[str, Any]:
    """Read what a ledger says about its run."""
    return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM about")}


def describe_error(path: Path, error: Exception) -> LedgerError:
    """Build the error for a ledger that cannot be used: full disk, no access, another writer, or damage."""
    text = str(error)
    if "full" in text or getattr(error, "errno", None) in (28, 122):  # ENOSPC, EDQUOT
        message = f"There is no space left on the disk of the ledger {path}."
        remedy = "Free some space, or set RUNS_DIR to a folder on another disk, and run the same command again."
    elif "locked" in text:
        message = f"Another process writes to the ledger {path}."
        remedy = "Wait for it, or stop it; one run at a time may use a ledger."
    elif isinstance(error, OSError | sqlite3.OperationalError):
        message = f"The ledger {path} cannot be written: {text}."
        remedy = "Set RUNS_DIR to a folder on a local disk that has space left and that this user may write to."
    else:
        message = f"The ledger {path} is damaged: {text}."
        remedy = f"Delete the folder {path.parent} and run the same command again: Label Studio knows what is done."
    return LedgerError(message, remedy=remedy)
