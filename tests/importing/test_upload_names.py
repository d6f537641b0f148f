"""Names of uploaded pictures: Label Studio keeps them, each is found again, and no two of a data set are alike."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.export import FoundImage, FoundRegions
from backend.importing.upload_names import build_upload_name, name_uploads, path_of, without_digits
from tests.importing.site import stored_name

PATHS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=90), min_size=1, max_size=5)


def found(file_name: str, path: str = "", *, has_ending: bool = True) -> FoundImage:
    return FoundImage("image 1", file_name, lambda size, tell: FoundRegions(), has_ending=has_ending, path=path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.png", "a.png"),
        ("train/a b.png", "a_b.png"),
        ("0a1b2c3d-a.png", "a.png"),
        ("U\u0308bung.png", "Übung.png"),
        ("a.b.c.png", "a.b.c.png"),
        (f"{'x' * 60}.png", f"{'x' * 60}.png"),
    ],
)
def test_a_usual_name_stays_as_label_studio_keeps_it(path: str, name: str) -> None:
    assert build_upload_name(PurePosixPath(path), is_unique=True) == name


def test_a_name_that_would_be_changed_or_is_taken_gets_digits_of_its_path() -> None:
    # printf 'p/a(1).png' | sha256sum, and the same of p1/a.png
    assert build_upload_name(PurePosixPath("p/a(1).png"), is_unique=True) == "a1-bb6ba82f.png"
    assert build_upload_name(PurePosixPath("p1/a.png"), is_unique=False) == "a-ccb27de7.png"
    assert build_upload_name(PurePosixPath("0a1b2c3d-0a1b2c3d.png"), is_unique=False) == "fff1d67c.png"
    assert len(build_upload_name(PurePosixPath("x" * 200 + ".png"), is_unique=True)) == 60 + 9 + 4


def test_names_are_told_apart_within_a_data_set_only_where_it_is_necessary() -> None:
    names = name_uploads([found("p1/1.png"), found("p2/1.png"), found("2.png"), found("a b.png"), found("a_b.png")])
    assert names[2] == "2.png" and len(set(names)) == 5
    labels = [found("1", f"images/{split}/1", has_ending=False) for split in ("train", "val")]
    assert len(set(name_uploads(labels))) == 2


@given(PATHS)
def test_any_name_survives_label_studio_and_belongs_to_one_path(file_names: list[str]) -> None:
    images = [found(name) for name in file_names]
    by_path = dict(zip(map(path_of, images), name_uploads(images), strict=True))
    named = [name for path, name in by_path.items() if path.name]
    assert len(set(named)) == len(named)
    for name in named:
        assert stored_name(name) == name and len(name) <= 60 + 9 + len(PurePosixPath(name).suffix)
        assert without_digits(f"0a1b2c3d-{name}") == name


@pytest.mark.parametrize(
    ("file_name", "path"),
    [
        ("train/a.png", "train/a.png"),
        ("train\\a.png", "train/a.png"),
        ("/etc/a.png", "a.png"),
        ("../../a.png", "a.png"),
        ("C:\\photos\\a.png", "a.png"),
        ("s3://bucket/deep/a.png", "a.png"),
    ],
)
def test_a_path_stays_in_the_folder(file_name: str, path: str) -> None:
    assert str(path_of(found(file_name))) == path
