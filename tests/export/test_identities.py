"""Ids and file names of an export: the same every time, unique, and taken by any file system."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.export import AnnotationIds, build_file_name, build_image_id, build_image_parts
from backend.export.identities import ID_BITS, hash_to_id


def test_an_annotation_id_is_the_first_53_bits_of_the_sha_256_of_annotation_and_region() -> None:
    bits = bin(int(hashlib.sha256(b"9\0r1").hexdigest(), 16))[2:].zfill(256)
    assert AnnotationIds().take(9, "r1") == int(bits[:53], 2)


def test_the_order_of_regions_does_not_change_their_ids() -> None:
    one, other = AnnotationIds(), AnnotationIds()
    first = {key: one.take(*key) for key in [(1, "a"), (1, "b"), (2, "a")]}
    second = {key: other.take(*key) for key in [(2, "a"), (1, "b"), (1, "a")]}
    assert first == second
    assert len(set(first.values())) == 3


@given(st.integers(0, 10**9), st.text(), st.integers(0, 10**9), st.text())
def test_ids_are_unique_never_0_and_survive_readers_that_hold_numbers_as_doubles(
    a: int, region_a: str, b: int, region_b: str
) -> None:
    ids = AnnotationIds()
    taken = [ids.take(a, region_a), ids.take(b, region_b)]
    assert len(set(taken)) == 2
    assert all(0 < number == int(float(number)) < 1 << 53 for number in taken)


def test_a_collision_gets_the_next_free_number_and_0_is_never_given(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"a": 7, "b": 7, "c": 8, "z": 0, "last": (1 << ID_BITS) - 1, "wraps": (1 << ID_BITS) - 1}
    monkeypatch.setattr("backend.export.identities.hash_to_id", lambda _, region_id: numbers[region_id])
    ids = AnnotationIds()
    taken = [ids.take(1, region_id) for region_id in ("a", "b", "c", "z", "last", "wraps")]
    assert taken == [7, 8, 9, 1, (1 << ID_BITS) - 1, 2]


def test_an_image_id_is_the_tasks_id_unless_the_page_has_several_images() -> None:
    assert build_image_id(12) == 12
    assert build_image_id(12, "left") == hash_to_id("12", "left")
    assert len({build_image_id(12, "left"), build_image_id(12, "right"), build_image_id(1, "2left")}) == 3


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/data/upload/2/bb7de776-a640.png", "bb7de776-a640-task7.png"),
        ("http://host:8080/data/local-files/?d=imgs/d%20640.png", "d 640-task7.png"),
        ("s3://bucket/some/key.jpg", "key-task7.jpg"),
        ("https://a.org/x/%C3%BC.png?size=2#top", "ü-task7.png"),
        ("https://a.org/x/u%CC%88.png", "ü-task7.png"),
        ("https://a.org/", "task7"),
        ("http://[::1/a.png", "task7"),
        ("data:image/png;base64,iVBOR/w0KGgo", "task7"),
        ("s3://bucket/..", "task7"),
        ("s3://bucket/.htaccess", "htaccess-task7"),
        ("s3://bucket/-rf.png", "rf-task7.png"),
        ("s3://bucket/..%2F..%2Fetc%2Fpasswd", "passwd-task7"),
        ("/data/local-files/?d=a%5C..%5Cb.png", "b-task7.png"),
        ("s3://bucket/a:b.tar.png", "a_b.tar-task7.png"),
        ("s3://bucket/nul%00byte.png", "nul_byte-task7.png"),
        ("s3://bucket/CON.png", "_CON-task7.png"),
        ("s3://bucket/nul.tar.png", "_nul.tar-task7.png"),
        ("s3://bucket/right%E2%80%AEgnp.png", "right_gnp-task7.png"),
        ("s3://bucket/version 1.2 final", "version 1_2 final-task7"),
        ("s3://bucket/" + "ü" * 200 + ".png", "ü" * 40 + "-task7.png"),
    ],
)
def test_a_file_name_is_the_last_part_of_the_uri_made_harmless_with_the_tasks_id(uri: str, name: str) -> None:
    assert build_file_name(uri, 7) == name


@given(st.lists(st.tuples(st.text(max_size=300), st.integers(1, 20)), max_size=6, unique_by=lambda pair: pair[1]))
def test_any_uris_give_names_that_are_unique_and_that_a_file_system_takes(pairs: list[tuple[str, int]]) -> None:
    names = [build_file_name(uri, number) for uri, number in pairs]
    stems = {unicodedata.normalize("NFD", PurePosixPath(name).stem).casefold() for name in names}
    assert len(stems) == len(names)
    for name in names:
        assert len(name.encode()) <= 128
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert name == name.strip(" .") and name == unicodedata.normalize("NFC", name)


def test_a_file_can_be_made_with_a_name_of_the_worst_uri(tmp_path: Path) -> None:
    worst = json.loads('"s3://b/con.\\u0000\\ud800\\u202e"') + "🎉" * 300
    (tmp_path / build_file_name(worst, 7, "x" * 24)).write_bytes(b"")
    assert len(list(tmp_path.iterdir())) == 1


def test_the_images_of_a_page_are_told_apart_by_their_names() -> None:
    assert build_image_parts(["image"]) == {"image": ""}
    assert build_image_parts(["left", "imageRight"]) == {"left": "left", "imageRight": "imageRight"}
    assert build_file_name("/a.png", 12, build_image_parts(["left", "right"])["left"]) == "a-task12-left.png"


@given(st.lists(st.text(), min_size=2, max_size=5, unique=True))
def test_parts_of_a_page_are_unique_without_case_and_hold_no_hyphen_that_could_end_the_tasks_id(
    names: list[str],
) -> None:
    parts = build_image_parts(names)
    assert len({part.casefold() for part in parts.values()}) == len(names)
    assert all(
        part and set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
        for part in parts.values()
    )
