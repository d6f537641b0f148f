"""Pictures that were fetched: found again by their URI, for a day, and removed without touching anything else."""

from __future__ import annotations

import os
from pathlib import Path

from backend.export import PictureCache
from backend.export.output_folder.picture_cache import MAX_AGE_SECONDS, remove_pictures


def test_a_picture_is_found_by_its_uri_and_source_only(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "pictures", "http://a 1")
    assert cache.find("/data/a.png") is None
    path = cache.put("/data/a.png", b"bytes", "-upright.png")
    assert cache.find("/data/a.png") == path
    assert path.read_bytes() == b"bytes"
    assert cache.find("/data/b.png") is None
    assert PictureCache(cache.folder, "http://a 2").find("/data/a.png") is None


def test_a_picture_of_another_type_replaces_the_earlier_one(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, "")
    cache.put("a", b"old", ".jpg")
    path = cache.put("a", b"new", ".png")
    assert cache.find("a") == path
    assert list(tmp_path.iterdir()) == [path]


def test_a_picture_is_fetched_again_after_a_day(tmp_path: Path) -> None:
    path = PictureCache(tmp_path, "").put("a", b"old", ".jpg")
    os.utime(path, (5000, 5000))
    for age, found in ((-1, path), (MAX_AGE_SECONDS - 1, path), (MAX_AGE_SECONDS + 1, None)):
        assert PictureCache(tmp_path, "", 5000 + age).find("a") == found
    assert not path.exists()


def test_only_pictures_are_removed(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "pictures", "")
    cache.put("a", b"x", ".jpg")
    (cache.folder / ".tmp123.part").write_bytes(b"of a killed process")
    remove_pictures(cache.folder)
    assert not cache.folder.exists()
    cache.put("a", b"x", ".jpg")
    (cache.folder / "holiday.jpg").write_bytes(b"mine")
    remove_pictures(cache.folder)
    assert [path.name for path in cache.folder.iterdir()] == ["holiday.jpg"]
    remove_pictures(tmp_path / "missing")
