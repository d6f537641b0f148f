"""A lock by a file that is removed with it: two processes never hold it at once, whenever the file is removed."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import ExportError
from backend.export.output_folder.folder_lock import FolderLock
from tests.paths import ROOT


def test_the_next_one_gets_the_lock_only_after_it_is_released(tmp_path: Path) -> None:
    first, second = (FolderLock(tmp_path / "birds.lock", tmp_path / "birds") for _ in range(2))
    assert first.acquire() == ""
    with pytest.raises(ExportError) as caught:
        second.acquire()
    assert caught.value.message == f"Another export to {tmp_path / 'birds'} is running."
    assert caught.value.remedy == "Wait for it or stop it, or choose another folder with --out."
    first.release()
    assert list(tmp_path.iterdir()) == []
    assert second.acquire() == ""
    second.release()


def test_a_killed_process_leaves_what_it_wrote_and_not_the_lock(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from backend.export.output_folder.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), Path("birds"))
lock.acquire()
lock.write("a long text")
lock.write("short")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "birds.lock")], cwd=ROOT, check=False)
    lock = FolderLock(tmp_path / "birds.lock", tmp_path / "birds")
    assert lock.acquire() == "short"
    lock.release(remove=False)
    assert (tmp_path / "birds.lock").read_text() == "short"


def test_a_file_that_is_removed_between_opening_and_locking_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "birds.lock"
    flock, removals = fcntl.flock, iter([True])

    def release_just_before(handle: int, operation: int) -> None:
        if next(removals, False):
            path.unlink()  # as the process before does, which releases its lock now
        flock(handle, operation)

    monkeypatch.setattr("backend.export.output_folder.folder_lock.fcntl.flock", release_just_before)
    lock = FolderLock(path, tmp_path / "birds")
    lock.acquire()
    with pytest.raises(ExportError, match="is running"):
        FolderLock(path, tmp_path / "birds").acquire()  # a lock on the removed file would keep nobody out
    lock.release()
