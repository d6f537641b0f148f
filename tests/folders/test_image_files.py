"""Which image files a command line names, their names and ids, and reading one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.errors import BadImage, BadSettings, ImageUnavailable
from backend.folders import FolderImage, ImageLimits, choose_root, find_image_files, name_images
from backend.folders.image_files import open_image, read_stamp
from tests.fakes import png

LIMITS = ImageLimits(max_bytes=10_000, max_pixels=5_000, max_scans=50)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """photos/a.png, photos/b/a.png, photos/b/c.JPG, and what is no image."""
    folder = tmp_path / "photos"
    (folder / "b").mkdir(parents=True)
    for name in ("a.png", "b/a.png", "b/c.JPG", ".hidden.png"):
        (folder / name).write_bytes(png(4, 3))
    (folder / "b" / "notes.txt").write_text("no image")
    return folder


def find(photos: Path, *arguments: str) -> list[str]:
    files = find_image_files(arguments, photos / "out")
    return [file.relative_to(photos).as_posix() for file in files]


def test_folders_are_searched_with_their_subfolders(photos: Path) -> None:
    assert find(photos, str(photos)) == ["a.png", "b/a.png", "b/c.JPG"]


def test_a_file_that_several_arguments_name_counts_once(photos: Path) -> None:
    found = find(photos, str(photos / "b" / "a.png"), str(photos), str(photos / "*.png"), f"{photos}/b/../a.png")
    assert sorted(found) == ["a.png", "b/a.png", "b/c.JPG"]


def test_patterns_reach_into_folders(photos: Path) -> None:
    assert find(photos, str(photos / "**" / "*.png")) == ["a.png", "b/a.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(photos: Path) -> None:
    (photos / "x[1].png").write_bytes(png(4, 3))
    assert find(photos, str(photos / "x[1].png")) == ["x[1].png"]


def test_results_inside_of_the_folder_are_no_images(photos: Path) -> None:
    (photos / "out" / "overlays").mkdir(parents=True)
    (photos / "out" / "overlays" / "a.png.jpg").write_bytes(png(4, 3))
    assert find(photos, str(photos)) == ["a.png", "b/a.png", "b/c.JPG"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("none.png", "none.png does not exist. Check the path"),
        ("*.gif", "Nothing matches .*gif. Check the path"),
        ("empty", "There is no image in .*empty: no file ends with .*.png.* Name image files, or a folder"),
    ],
)
def test_what_is_not_there_is_named(photos: Path, argument: str, message: str) -> None:
    (photos / "empty").mkdir()
    (photos / "empty" / "notes.txt").write_text("no image")
    with pytest.raises(BadSettings, match=message):
        find(photos, str(photos / argument))


def test_files_of_the_same_name_in_different_folders_have_names_and_ids_of_their_own(photos: Path) -> None:
    files = find_image_files([str(photos)], photos / "out")
    images = name_images(files, choose_root(files, None))
    assert [image.name for image in images] == ["a.png", "b/a.png", "b/c.JPG"]
    assert len({image.image_id for image in images}) == 3
    assert images[0].image_id == "7f071235805f"  # sha256("a.png"), so that it is the same on every machine


def test_the_root_is_the_innermost_common_folder_or_the_given_one(photos: Path) -> None:
    files = find_image_files([str(photos / "b")], photos / "out")
    assert choose_root(files, None) == photos / "b"
    assert [image.name for image in name_images(files, choose_root(files, photos))] == ["b/a.png", "b/c.JPG"]
    with pytest.raises(BadSettings, match=r"b/a.png lies outside of .*elsewhere.* Choose another --out"):
        name_images(files, photos / "elsewhere")


def broken(photos: Path, name: str, data: bytes) -> FolderImage:
    (photos / name).write_bytes(data)
    return FolderImage(photos / name, name)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cut.png", png(40, 30)[:60], "cut.png is damaged or truncated after 60 bytes.* Upload the image again"),
        ("text.png", b"no image at all", "text.png is not an image: 15 bytes.* Use PNG, JPEG"),
        ("empty.png", b"", "empty.png is an empty file. Copy the image again."),
        ("wide.png", png(100, 51), "wide.png has 100x51 = 5100 pixels; the limit is 5000.* raise IMAGE_MAX_PIXELS"),
    ],
)
def test_an_image_that_is_corrupt_or_giant_is_named(photos: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(BadImage, match=message):
        open_image(broken(photos, name, data), LIMITS)


def test_a_file_that_is_too_large_is_not_read(photos: Path) -> None:
    image = broken(photos, "big.png", bytes(10_001))
    with pytest.raises(ImageUnavailable, match=r"big.png has 10001 bytes; the limit is 10000.* raise IMAGE_MAX_BYTES"):
        open_image(image, LIMITS)


def test_a_file_that_is_gone_or_has_a_name_without_room_is_named(photos: Path) -> None:
    with pytest.raises(ImageUnavailable, match=r"gone.png cannot be read: No such file or directory. Check .*gone.png"):
        open_image(FolderImage(photos / "gone.png", "gone.png"), LIMITS)
    with pytest.raises(ImageUnavailable, match=r"more than 250 bytes.* Rename the file"):
        open_image(broken(photos, "x" * 247 + ".png", png(4, 3)), LIMITS)


def test_a_stamp_changes_with_the_file(photos: Path) -> None:
    image = FolderImage(photos / "a.png", "a.png")
    before = open_image(image, LIMITS).stamp
    assert read_stamp(image) == before
    os.utime(image.path, ns=(1, 1))
    assert read_stamp(image) != before
    assert read_stamp(FolderImage(photos / "gone.png", "gone.png")) is None
