"""The folder of an export: the old one or the new one, whole, whatever happens."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.errors import ExportError
from backend.export import ExportFolder
from tests.export.test_files import LONG, small_disk
from tests.paths import ROOT


def export(path: Path, text: str) -> None:
    folder = ExportFolder(path)
    with folder as staging:
        (staging / "coco").mkdir()
        (staging / "coco" / "instances.json").write_text(text)
        folder.record = {"formats": ["coco"], "counts": {"images": 1}}


def content(path: Path) -> str:
    return (path / "coco" / "instances.json").read_text()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int, code: int) -> Iterator[None]:
    """Let the call with this number (from 1) fail as the system would."""
    original, calls = getattr(owner, name), 0

    def fail(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(code, os.strerror(code), str(arguments[0]))
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        yield
    assert calls >= number


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own, so that another user can be tried."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name))
        folder.chmod(0o755)
        yield folder


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Take away the permission to write to a folder, from root by being nobody."""
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def test_an_export_replaces_the_earlier_one_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "birds"
    export(path, "one")
    export(path, "two")
    assert content(path) == "two"
    assert names(path.parent) == ["birds"]
    assert json.loads((path / "export.json").read_text()) == {
        "formats": ["coco"],
        "counts": {"images": 1},
        "made_by": "label-studio-sam-clip",
        "finished": True,
        "entries": ["coco"],
    }


def test_the_earlier_export_is_there_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    with ExportFolder(path) as staging:
        (staging / "a.txt").write_text("two")
        assert staging.parent == path.parent
        assert content(path) == "one"
    assert names(path) == ["a.txt", "export.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no"), ExportError("No.", remedy="None.")])
def test_an_error_leaves_the_earlier_export_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    with pytest.raises(type(error)), ExportFolder(path) as staging:
        (staging / "a.txt").write_text("half")
        raise error
    assert content(path) == "one"
    assert names(tmp_path) == ["birds"]


def test_an_error_before_any_export_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError), ExportFolder(tmp_path / "birds"):
        raise ValueError
    assert names(tmp_path) == []


def test_a_full_disk_is_said_with_the_file_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    with pytest.raises(ExportError) as caught, ExportFolder(path) as staging:
        file = staging / "a.json"
        with small_disk():
            file.write_text(LONG["text"])
    assert "could not be written: File too large. " in caught.value.message
    assert caught.value.message.endswith(f"The earlier content of {path} is unchanged.")
    assert caught.value.remedy == "Allow larger files there (ulimit -f), or choose another folder with --out."
    assert content(path) == "one"
    assert names(tmp_path) == ["birds"]


def test_a_disk_that_is_full_only_when_it_is_synced_is_noticed_before_anything_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    with pytest.raises(ExportError, match="No space left on device"):  # noqa: SIM117
        with failing(monkeypatch, os, "fsync", 5, errno.ENOSPC):
            export(path, "two")
    assert content(path) == "one"
    assert names(tmp_path) == ["birds"]


def test_a_parent_that_may_not_be_written_is_said_with_the_parent(open_folder: Path) -> None:
    path = open_folder / "birds"
    export(path, "one")
    with unwritable(open_folder), pytest.raises(ExportError) as caught:
        export(path, "two")
    assert caught.value.message == (
        f"{path}.lock could not be written: Permission denied. The earlier content of {path} is unchanged."
    )
    assert f"so {open_folder} must be writable. " in caught.value.remedy
    assert content(path) == "one"
    assert names(open_folder) == ["birds"]


def test_an_export_that_may_not_be_removed_is_refused_at_the_start(open_folder: Path) -> None:
    path = open_folder / "birds"
    export(path, "one")
    open_folder.chmod(0o777)
    with unwritable(path), pytest.raises(ExportError) as caught, ExportFolder(path):
        raise AssertionError("this must not be reached")
    assert caught.value.message == (
        f"{path} could not be written: Permission denied. The earlier content of {path} is unchanged."
    )
    assert caught.value.remedy == "Make the folder writable, or choose another one with --out."
    assert names(open_folder) == ["birds"]


def test_a_place_that_does_not_exist_and_may_not_be_created_is_said(open_folder: Path) -> None:
    with unwritable(open_folder), pytest.raises(ExportError) as caught:
        export(open_folder / "deep" / "birds", "one")
    assert caught.value.message == f"{open_folder / 'deep'} could not be written: Permission denied."
    assert names(open_folder) == []


def test_what_is_not_the_disks_fault_stays_what_it_is(tmp_path: Path) -> None:
    errors = [
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        PermissionError(errno.EACCES, "Permission denied", "/annotations.json"),
    ]
    for error in errors:
        with pytest.raises(type(error)) as caught, ExportFolder(tmp_path / "birds"):
            raise error
        assert caught.value is error
    assert names(tmp_path) == []


def test_a_disk_that_is_full_at_the_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError, match="No space left"), failing(monkeypatch, os, "fsync", 1, errno.ENOSPC):
        export(tmp_path / "birds", "one")
    assert names(tmp_path) == []


def test_everything_is_on_the_disk_before_anything_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power failure after the renames must not leave a folder of empty files in place of the earlier export."""
    path, synced, renamed = tmp_path / "birds", set[int](), False
    export(path, "one")
    with ExportFolder(path) as staging:
        (staging / "deep").mkdir()
        (staging / "deep" / "a.txt").write_text("two")
        sync, rename = os.fsync, Path.rename

        def note_sync(handle: int) -> None:
            synced.add(os.fstat(handle).st_ino)
            sync(handle)

        def check_rename(self: Path, target: Path) -> Path:
            nonlocal renamed
            if not renamed:
                renamed = True
                written = [staging, *staging.rglob("*")]
                assert {entry.name for entry in written} == {"birds.new", "deep", "a.txt", "export.json"}
                assert {entry.stat().st_ino for entry in written} <= synced
            return rename(self, target)

        monkeypatch.setattr(os, "fsync", note_sync)
        monkeypatch.setattr(Path, "rename", check_rename)
    assert renamed
    assert path.stat().st_ino in synced and tmp_path.stat().st_ino in synced


def test_the_new_folder_has_the_permissions_of_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    path.chmod(0o2770)
    export(path, "two")
    assert path.stat().st_mode & 0o7777 == 0o2770


@pytest.mark.parametrize("number", [1, 2], ids=["the old one away", "the new one to its place"])
def test_a_rename_that_fails_leaves_the_earlier_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    folder = ExportFolder(path)
    with pytest.raises(ExportError, match="Device or resource busy"), folder as staging:
        (staging / "a.txt").write_text("two")
        original, calls = Path.rename, 0

        def fail(self: Path, target: Path) -> Path:
            nonlocal calls
            calls += self.parent == tmp_path
            if self.parent == tmp_path and calls == number:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self))
            return original(self, target)

        monkeypatch.setattr(Path, "rename", fail)
    assert calls >= number
    assert content(path) == "one"
    assert names(tmp_path) == ["birds"]


def test_an_earlier_export_that_cannot_be_removed_is_said_and_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    with pytest.raises(ExportError) as caught, failing(monkeypatch, shutil, "rmtree", 1, errno.EACCES):
        export(path, "two")
    assert caught.value.message == (
        f"{path} is complete, but what it replaced could not be cleaned up ({path}.old/coco: Permission denied)."
    )
    assert content(path) == "two"
    assert names(tmp_path) == ["birds", "birds.lock", "birds.old"]
    export(path, "three")
    assert content(path) == "three"
    assert names(tmp_path) == ["birds"]


# What is not ours


def test_a_folder_that_is_not_an_export_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "thesis"
    path.mkdir()
    (path / "chapter.tex").write_text("years")
    with pytest.raises(ExportError) as caught, ExportFolder(path):
        raise AssertionError("this must not be reached")
    assert caught.value.message == (
        f"{path} would be replaced by the export, but is not empty and not an earlier export: chapter.tex."
    )
    assert (path / "chapter.tex").read_text() == "years"
    assert names(tmp_path) == ["thesis"]


def test_an_export_that_a_person_added_a_file_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    (path / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"also holds what no export wrote: notes\.txt\."):
        export(path, "two")
    assert (content(path), (path / "notes.txt").read_text()) == ("one", "mine")


def test_a_file_that_a_person_adds_during_the_export_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    with pytest.raises(ExportError, match=r"notes\.txt"), ExportFolder(path):
        (path / "notes.txt").write_text("mine")
    assert (content(path), (path / "notes.txt").read_text()) == ("one", "mine")
    assert names(tmp_path) == ["birds"]


def test_another_programs_record_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    path.mkdir()
    (path / "export.json").write_text('{"made_by": "another"}')
    with pytest.raises(ExportError, match=r"not an earlier export: export\.json\."):
        export(path, "one")


def test_an_empty_folder_and_an_export_of_the_earlier_version_are_replaced(tmp_path: Path) -> None:
    empty, earlier = tmp_path / "empty", tmp_path / "earlier"
    empty.mkdir()
    earlier.mkdir()
    (earlier / "instances.json").write_text("{}")
    (earlier / ".DS_Store").write_text("of a file browser")
    for path in (empty, earlier):
        export(path, "new")
        assert names(path) == ["coco", "export.json"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    path.write_text("mine")
    with pytest.raises(ExportError, match="is a file"):
        export(path, "one")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("suffix", [".old", ".new"])
@pytest.mark.parametrize("is_kept_export", [False, True], ids=["somebody's folder", "an export that a person keeps"])
def test_a_folder_of_a_person_beside_it_is_never_removed(tmp_path: Path, suffix: str, is_kept_export: bool) -> None:
    path, other = tmp_path / "birds", tmp_path / f"birds{suffix}"
    if is_kept_export:
        export(other, "kept")
    else:
        other.mkdir()
        (other / "coco").mkdir()
        (other / "coco" / "instances.json").write_text("kept")
    for _ in range(2):
        with pytest.raises(ExportError, match=f"birds\\{suffix} is in the way"):
            export(path, "one")
    assert content(other) == "kept"
    assert names(tmp_path) == [f"birds{suffix}"]


def test_a_file_of_a_person_with_the_name_of_the_lock_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "birds.lock").write_text("# This file is automatically @generated by Poetry")
    for _ in range(2):
        with pytest.raises(ExportError, match=r"birds\.lock is in the way"):
            export(tmp_path / "birds", "one")
    assert (tmp_path / "birds.lock").read_text().startswith("# This file")
    assert names(tmp_path) == ["birds.lock"]


def test_a_mount_point_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    with pytest.raises(ExportError, match="mount point") as caught:
        export(tmp_path, "one")
    assert str(tmp_path / "export") in caught.value.remedy


def test_the_folder_behind_a_symbolic_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    link = tmp_path / "birds"
    link.symlink_to(disk / "data")
    export(link, "one")
    export(link, "two")
    assert link.is_symlink()
    assert content(disk / "data") == "two"
    assert names(disk) == ["data"]


def test_a_second_export_to_the_same_folder_is_refused_while_the_first_one_runs(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    folder = ExportFolder(path)
    with pytest.raises(ValueError), folder:
        raise ValueError
    with ExportFolder(path) as staging:
        (staging / "a.txt").write_text("first")
        ExportFolder(path).pictures.mkdir()  # where the first one is about to put a picture
        for second in (ExportFolder(path), folder):
            with pytest.raises(ExportError, match=f"Another export to {path} is running"):
                second.__enter__()
        assert names(tmp_path) == ["birds.lock", "birds.new", "birds.pictures"]
    assert (path / "a.txt").read_text() == "first"


# Killed

KILLED = """
import os, signal, sys
from pathlib import Path
from backend.export.output_folder import commit
from tests.export.test_commit import export

place, path = sys.argv[1], Path(sys.argv[2])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if place == "while it is written":
    Path.mkdir = lambda self, *a, _mkdir=Path.mkdir, **o: die() if self.name == "coco" else _mkdir(self, *a, **o)
elif place == "before the first rename":
    commit._sync_tree = die
elif place == "between the renames":
    Path.rename = lambda self, to, _rename=Path.rename: die() if self.name.endswith(".new") else _rename(self, to)
elif place == "before the old one is removed":
    commit.remove_pictures = die
elif place == "while the old one is removed":
    Path.rmdir = die
export(path, "two")
"""
PLACES = {
    "while it is written": ("one", ["birds", "birds.lock", "birds.new"]),
    "before the first rename": ("one", ["birds", "birds.lock", "birds.new"]),
    "between the renames": (None, ["birds.lock", "birds.new", "birds.old"]),
    "before the old one is removed": ("two", ["birds", "birds.lock", "birds.old"]),
    "while the old one is removed": ("two", ["birds", "birds.lock", "birds.old"]),
}


def kill_export(place: str, path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED, place, str(path)], cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("place", PLACES)
def test_the_start_after_a_kill_finds_a_whole_export(tmp_path: Path, place: str) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    kill_export(place, path)
    expected, left = PLACES[place]
    assert names(tmp_path) == left
    assert expected is None or content(path) == expected
    with pytest.raises(ValueError), ExportFolder(path):
        assert content(path) == (expected or "two")  # the exchange is finished: the new one was complete
        raise ValueError
    assert content(path) == (expected or "two")
    assert names(tmp_path) == ["birds"]


def test_a_kill_between_the_renames_with_a_damaged_new_export_brings_the_old_one_back(tmp_path: Path) -> None:
    path = tmp_path / "birds"
    export(path, "one")
    kill_export("between the renames", path)
    (tmp_path / "birds.new" / "export.json").write_text("")
    with pytest.raises(ValueError), ExportFolder(path):
        raise ValueError
    assert content(path) == "one"
    assert names(tmp_path) == ["birds"]
