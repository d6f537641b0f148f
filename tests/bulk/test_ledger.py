"""The ledger: what it remembers, and that it refuses what it cannot trust with a sentence and a remedy."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from backend.bulk import Ledger, RunFolder, RunIdentity, TaskState, describe_changes, identify_run
from backend.errors import LedgerError
from tests.paths import ROOT

IDENTITY = RunIdentity("localhost:8080", "3", "demo-1234-auto-0a1b2c3d")


def test_states_survive_the_process_that_wrote_them(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from backend.bulk import Ledger, RunIdentity, TaskState
ledger = Ledger(Path({str(tmp_path)!r}) / "ledger.sqlite3", RunIdentity("a", "3", "v"))
ledger.add([1, 2, 3, "pictures/a.png"])
ledger.mark([1, 2], TaskState.SENT, sends=1)
ledger.mark([2], TaskState.DONE)
ledger.mark([3], TaskState.FAILED, "too large", attempts=1)
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    with Ledger(tmp_path / "ledger.sqlite3", RunIdentity("a", "3", "v")) as ledger:
        tasks = [1, 2, 3, "pictures/a.png", 4]
        assert [ledger.state_of(task) for task in tasks] == [
            TaskState.SENT,
            TaskState.DONE,
            TaskState.FAILED,
            TaskState.PENDING,
            None,
        ]
        assert list(ledger.open_requests()) == [1]
        assert [(one.task, one.attempts, one.reason) for one in ledger.failures()] == [(3, 1, "too large")]


def test_a_new_attempt_forgets_the_last_failure_but_not_an_open_request(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite3", IDENTITY) as ledger:
        ledger.mark([1], TaskState.FAILED, "too large", attempts=3)
        ledger.mark([2], TaskState.IN_DOUBT, sends=1)
        ledger.add([1, 2])
        assert (ledger.state_of(1), ledger.state_of(2)) == (TaskState.PENDING, TaskState.IN_DOUBT)
        assert ledger.failures() == []


def test_tasks_that_were_sent_repeatedly_are_suspects(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite3", IDENTITY) as ledger:
        ledger.mark([1, 2, 3], TaskState.SENT, sends=1)
        ledger.mark([2], TaskState.SENT, sends=1)
        ledger.mark([3], TaskState.PENDING, sends=-1)  # it was not sent after all
        ledger.mark([3], TaskState.SENT, sends=1)
        assert ledger.sent_repeatedly() == [2]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (RunIdentity("localhost:8080", "4", IDENTITY.version), "project '3', not '4'"),
        (RunIdentity("elsewhere:80", "3", IDENTITY.version), "server 'localhost:8080', not 'elsewhere:80'"),
        (RunIdentity("localhost:8080", "3", "other"), "version 'demo-1234-auto-0a1b2c3d', not 'other'"),
    ],
)
def test_the_ledger_of_something_else_is_refused(tmp_path: Path, other: RunIdentity, difference: str) -> None:
    path = tmp_path / "ledger.sqlite3"
    Ledger(path, IDENTITY).__exit__()
    with pytest.raises(LedgerError) as refusal:
        Ledger(path, other)
    assert refusal.value.message == f"The ledger {path} belongs to {difference}."
    assert "RUNS_DIR" in refusal.value.remedy


def damage(path: Path) -> None:
    with Ledger(path, IDENTITY) as ledger:
        ledger.add(range(5000))
    for leftover in path.parent.glob("*-wal"):
        leftover.unlink()
    content = bytearray(path.read_bytes())
    content[8192:16384] = os.urandom(8192)
    path.write_bytes(content)


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_damaged_ledger_is_refused_with_the_way_out(tmp_path: Path, is_cut: bool) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"not a database at all, but long enough to look at" * 50) if is_cut else damage(path)
    with pytest.raises(LedgerError, match="is damaged: ") as refusal:
        Ledger(path, IDENTITY)
    assert refusal.value.remedy.startswith(f"Delete the folder {tmp_path} and run the same command again")


def test_a_full_disk_is_named_and_leaves_the_ledger_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with Ledger(path, IDENTITY) as ledger:
        ledger.add(range(100))
        (pages,) = ledger._connection.execute("PRAGMA page_count").fetchone()
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to have no space left
        with pytest.raises(LedgerError, match=r"^There is no space left on the disk of the ledger") as full:
            ledger.add(range(100, 100_000))
        assert "Free some space" in full.value.remedy
        assert ledger.counts()[TaskState.PENDING] == 100
    with Ledger(path, IDENTITY) as again:
        assert again.counts()[TaskState.PENDING] == 100


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(LedgerError, match="cannot be written: ") as refusal:
        Ledger(tmp_path / "runs" / "3" / "ledger.sqlite3", IDENTITY)
    assert "RUNS_DIR" in refusal.value.remedy


def test_a_second_writer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.bulk.ledger.BUSY_SECONDS", 0.01)
    with Ledger(tmp_path / "ledger.sqlite3", IDENTITY) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="Another process writes to the ledger"):
            ledger.add([1])
        other.close()


@pytest.mark.parametrize(
    "url", ["http://Localhost:8080", "http://localhost:8080/", "HTTP://localhost:8080", "http://localhost:08080"]
)
def test_a_server_has_one_folder_however_its_url_is_written(tmp_path: Path, url: str) -> None:
    folder = RunFolder(tmp_path, identify_run(url, 3, "v"))
    assert folder.path == RunFolder(tmp_path, identify_run("http://localhost:8080", "3", "v")).path
    assert folder.path.relative_to(tmp_path).parts[0].endswith("-3")


def test_servers_projects_versions_and_shards_have_folders_of_their_own(tmp_path: Path) -> None:
    names = [
        ("http://a", 3, "v", ""),
        ("http://a:81", 3, "v", ""),
        ("https://a", 3, "v", ""),
        ("http://a/b", 3, "v", ""),
        ("http://a", 4, "v", ""),
        ("http://a", 3, "w", ""),
        ("http://a", 3, "v", "1/2"),
        ("http://a", 3, "v", "2/2"),
        ("http://a", 3, "../v", ""),
        ("http://a", 3, "..", ""),
        ("http://a", 3, "v" * 300, ""),
        ("http://a", 3, "v" * 301, ""),
        ("http://a", 3, "hub:org/model", ""),
    ]
    paths = {
        RunFolder(tmp_path, identify_run(url, project, version), shard).path for url, project, version, shard in names
    }
    assert len(paths) == len(names)
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
        assert path.resolve().is_relative_to(tmp_path / path.relative_to(tmp_path).parts[0])
        assert len(path.relative_to(tmp_path).parts) in (2, 3)


def test_the_last_run_of_the_project_is_found_and_compared(tmp_path: Path) -> None:
    def run(version: str, **settings: object) -> RunFolder:
        folder = RunFolder(tmp_path, identify_run("http://a", 3, version))
        folder.open_ledger({"settings": settings}).__exit__()
        return folder

    third = RunFolder(tmp_path, identify_run("http://a", 3, "v3"))
    assert third.previous_run() is None
    run("v1", points=16)
    second = run("v2", points=24)
    (second.project_path / "v9").mkdir()
    (second.project_path / "v9" / "ledger.sqlite3").write_text("damaged")
    previous = third.previous_run()
    assert previous is not None
    assert (previous.version, previous.about["settings"]) == ("v2", {"points": 24})
    assert second.previous_run() is None  # it is the last one itself
    assert third.versions() == ["v1", "v2"]


def test_differences_name_the_value_before_and_after() -> None:
    before = {"points": 16, "labels": ["car", "bus"], "texts": [], "same": 1, "order": ["a", "b"]}
    now = {"points": 24, "labels": ["car", "van"], "same": 1, "clip": "demo", "order": ["b", "a"]}
    assert describe_changes(before, now) == [
        "points: 16 → 24",
        "labels: -bus, +van",
        "order: another order",
        "clip: none → demo",
    ]


def test_failures_are_written_whole_and_disappear_when_they_are_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, IDENTITY)
    with folder.open_ledger() as ledger:
        ledger.mark([7], TaskState.FAILED, 'It says "no", twice,\nand more.', attempts=2)
        path = folder.write_failures(ledger)
        assert path is not None
        expected = 'task,state,attempts,reason\r\n7,failed,2,"It says ""no"", twice,\nand more."\r\n'
        assert path.read_bytes().decode() == expected
        ledger.mark([7], TaskState.DONE)
        assert folder.write_failures(ledger) is None
        assert not path.exists()
