"""The lock of a run on one machine."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from backend.bulk import RunFolder, RunIdentity, hold_lock
from backend.errors import LedgerError, RunRefused
from tests.paths import ROOT

IDENTITY = RunIdentity("a:80", "3", "v1")


def test_a_second_run_is_told_who_holds_the_lock_and_gets_it_afterwards(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, IDENTITY)
    with hold_lock(folder), pytest.raises(RunRefused) as refusal, hold_lock(folder):
        pass
    assert refusal.value.message.startswith("Another run works on project 3 with version v1 (process ")
    assert "--shard" in refusal.value.remedy
    with hold_lock(folder):
        pass


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from backend.bulk import RunFolder, RunIdentity, hold_lock
with hold_lock(RunFolder(Path({str(tmp_path)!r}), RunIdentity("a:80", "3", "v1"))):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    with hold_lock(RunFolder(tmp_path, IDENTITY)):
        pass


@pytest.mark.parametrize(
    ("first", "second", "is_free"),
    [("1/2", "2/2", True), ("1/2", "1/2", False), ("", "1/2", False), ("1/2", "", False)],
)
def test_shards_exclude_the_whole_project_but_not_each_other(
    tmp_path: Path, first: str, second: str, is_free: bool
) -> None:
    with hold_lock(RunFolder(tmp_path, IDENTITY, first)):
        verdict = nullcontext() if is_free else pytest.raises(RunRefused)
        with verdict, hold_lock(RunFolder(tmp_path, IDENTITY, second)):
            pass


def test_other_versions_are_not_excluded(tmp_path: Path) -> None:
    with hold_lock(RunFolder(tmp_path, IDENTITY)), hold_lock(RunFolder(tmp_path, RunIdentity("a:80", "3", "v2"))):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"), hold_lock(RunFolder(tmp_path / "file", IDENTITY)):
        pass
