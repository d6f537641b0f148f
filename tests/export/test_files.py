"""Files are whole or not there, and an error says which path and what to do."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.errors import ExportError
from backend.export import link_or_copy, write_bytes, write_json, write_json_list

LONG = {"text": "x" * 200_000}


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 64 KiB: the system refuses the write half-way, as a full disk does.

    Only around the write itself, for the limit holds for every file of the process, the test's own log among them.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_written_can_be_read_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "instances.json"
    write_json(path, {"a": [1, "ü"]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, "ü"]}
    assert [entry.name for entry in path.parent.iterdir()] == ["instances.json"]


def test_the_file_may_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_a_write_that_the_system_cuts_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    write_json(path, {"old": True})
    with pytest.raises(ExportError) as caught, small_disk():
        write_json(path, LONG)
    assert caught.value.message == f"{path} could not be written: File too large."
    assert caught.value.remedy == "Allow larger files there (ulimit -f), or choose another folder with --out."
    assert json.loads(path.read_text()) == {"old": True}
    assert [entry.name for entry in tmp_path.iterdir()] == ["instances.json"]


def test_a_full_disk_is_named_with_the_path_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("backend.export.files.os.fsync", full)
    with pytest.raises(ExportError) as caught:
        write_json(tmp_path / "instances.json", LONG)
    assert caught.value.message == f"{tmp_path / 'instances.json'} could not be written: No space left on device."
    assert caught.value.remedy == "Free some space on that disk, or choose another folder with --out."
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ExportError) as caught:
        write_json(tmp_path / "out" / "instances.json", {})
    assert str(tmp_path / "out" / "instances.json") in caught.value.message
    assert "--out" in caught.value.remedy
    assert (tmp_path / "out").read_text() == "mine"


def test_bytes_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.png"
    write_bytes(path, b"old", sync=False)
    with small_disk(), pytest.raises(ExportError, match="File too large"):
        write_bytes(path, bytes(200_000))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("limit", "sizes"), [(10**6, [5]), (77, [2, 2, 1]), (76, [1] * 5), (1, [1] * 5)])
def test_a_list_is_split_into_files_of_a_size(tmp_path: Path, limit: int, sizes: list[int]) -> None:
    documents = [{"n": n, "text": "x" * 16} for n in range(5)]  # 36 bytes each; two with brackets and commas are 77
    (tmp_path / "tasks-9.json").write_text("of an earlier, longer list")
    (tmp_path / "tasks-old.json").write_text("of somebody else")
    written = write_json_list(tmp_path / "tasks.json", iter(documents), limit)
    assert [path.name for path in written] == ["tasks.json", *(f"tasks-{n}.json" for n in range(2, len(sizes) + 1))]
    lists = [json.loads(path.read_text()) for path in written]
    assert [len(one) for one in lists] == sizes
    assert [document for one in lists for document in one] == documents
    assert limit == 1 or all(path.stat().st_size <= limit for path in written)
    assert {path.name for path in tmp_path.iterdir()} == {*(path.name for path in written), "tasks-old.json"}


def test_an_empty_list_is_a_file_too(tmp_path: Path) -> None:
    (path,) = write_json_list(tmp_path / "tasks.json", [], 100)
    assert json.loads(path.read_text()) == []


def test_a_picture_is_linked_and_takes_no_space(tmp_path: Path) -> None:
    source, target = tmp_path / "cache" / "a.png", tmp_path / "images" / "train" / "b.png"
    write_bytes(source, b"picture")
    link_or_copy(source, target)
    assert target.samefile(source)
    assert [entry.name for entry in target.parent.iterdir()] == ["b.png"]


@pytest.mark.parametrize("reason", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_no_link_is_possible_the_picture_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    source, target = tmp_path / "a.png", tmp_path / "images" / "b.png"
    write_bytes(source, b"picture")
    monkeypatch.setattr("backend.export.files.os.link", refuse)
    link_or_copy(source, target)
    assert target.read_bytes() == b"picture"
    assert not target.samefile(source)
    assert [entry.name for entry in target.parent.iterdir()] == ["b.png"]


def test_a_link_replaces_an_existing_file_even_one_that_is_linked_already(tmp_path: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "images" / "b.png"
    write_bytes(source, b"new")
    write_bytes(target, b"old")
    for _ in range(2):
        link_or_copy(source, target)
        assert target.samefile(source)
        assert [entry.name for entry in target.parent.iterdir()] == ["b.png"]


def test_a_symbolic_link_is_followed_to_the_picture(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.png", b"picture")
    (tmp_path / "alias.png").symlink_to("a.png")
    link_or_copy(tmp_path / "alias.png", tmp_path / "images" / "b.png")
    assert not (tmp_path / "images" / "b.png").is_symlink()
    assert (tmp_path / "images" / "b.png").read_bytes() == b"picture"


def test_a_missing_picture_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "gone.png"))):
        link_or_copy(tmp_path / "gone.png", tmp_path / "images" / "b.png")
    assert list((tmp_path / "images").iterdir()) == []


def test_a_picture_that_can_be_neither_linked_nor_copied_is_named_with_its_path(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.png", b"picture")
    (tmp_path / "images").write_text("mine")
    with pytest.raises(ExportError) as caught:
        link_or_copy(tmp_path / "a.png", tmp_path / "images" / "b.png")
    assert caught.value.message == f"{tmp_path / 'images' / 'b.png'} could not be written: File exists."
    assert caught.value.remedy == "The path is a file; choose another folder with --out."
