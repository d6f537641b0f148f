"""Lock of a run on one machine: a second run of the same work is refused while the first one lives.

The lock is the operating system's, so it ends with the process, however that dies. Runs of different shards of a
project exclude a run of the whole project, but not each other.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from backend.bulk.ledger import describe_error
from backend.bulk.run_folder import RunFolder
from backend.errors import RunRefused

LOCK = "run.lock"
Refusal = Callable[[RunFolder, str], RunRefused]


@contextmanager
def hold_lock(folder: RunFolder, refusal: Refusal | None = None) -> Iterator[None]:
    """Hold the lock of a run on this machine.

    Args:
        refusal: Builds the error for the second run, of the folder and who holds it; by default `refuse`.

    Raises:
        RunRefused: Another run holds it.
        LedgerError: The lock file cannot be written.
    """
    with ExitStack() as stack:
        whole = folder.version_path / LOCK
        if folder.shard:
            _lock(stack, whole, folder, fcntl.LOCK_SH, refusal)
            _lock(stack, folder.path / LOCK, folder, fcntl.LOCK_EX, refusal)
        else:
            _lock(stack, whole, folder, fcntl.LOCK_EX, refusal)
        yield


def describe_holder() -> str:
    """Describe this process for the one that it keeps out."""
    return f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}"


def refuse(folder: RunFolder, holder: str) -> RunRefused:
    """Build the error for the second run."""
    what = f"shard {folder.shard} of project" if folder.shard else "project"
    message = f"Another run works on {what} {folder.identity.project} with version {folder.identity.version}"
    remedy = "Wait for it or stop it; to share a project on purpose, give each run its --shard, such as 1/2 and 2/2."
    return RunRefused(f"{message} ({holder or 'unknown'}).", remedy=remedy)


def _lock(stack: ExitStack, path: Path, folder: RunFolder, kind: int, refusal: Refusal | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file: IO[str] = stack.enter_context(path.open("a+", encoding="utf-8"))
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise (refusal or refuse)(folder, file.read().strip()) from error
    except OSError as error:
        raise describe_error(path, error) from error
    file.truncate(0)
    file.write(describe_holder())
    file.flush()
