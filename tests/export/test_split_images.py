"""Splitting a stream: the images come back as they were, with their splits; groups come from the task's data."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from backend.errors import ExportError
from backend.export import KeyPoint, LabeledImage, encode_region, split_images
from backend.values import Size

HALVES = {"train": 0.5, "val": 0.5}


def image(number: int, label: str = "bird", **fields: Any) -> LabeledImage:
    mask = np.zeros((2, 3), dtype=bool)
    mask[0, 1] = True
    region = encode_region(mask, label, "r1", choices=MappingProxyType({"sex": ("female",)}))
    return LabeledImage(
        file_name=f"task{number}.png",
        size=Size(3, 2),
        task_id=number,
        annotation_id=1,
        regions=(region,),
        image_id=number,
        key_points=(KeyPoint("k", "beak", 1.0, 2.0),),
        picture=Path("/pictures/a.png"),
        fields=MappingProxyType(fields),
    )


def test_the_images_come_back_as_they_were_in_their_order_with_a_split(tmp_path: Path) -> None:
    images = [image(number) for number in range(1, 41)]
    split = list(split_images(iter(images), HALVES, 0, tmp_path))
    assert [replace(one, split="") for one in split] == images
    assert Counter(one.split for one in split) == {"train": 20, "val": 20}
    assert isinstance(split[0].fields, MappingProxyType)
    assert list(tmp_path.iterdir()) == []


def test_images_with_the_same_value_in_the_field_stay_together(tmp_path: Path) -> None:
    images = (image(number, video=number % 4) for number in range(40))
    split = list(split_images(images, HALVES, 0, tmp_path, group_by="video"))
    assert len({(one.fields["video"], one.split) for one in split}) == 4
    assert Counter(one.split for one in split) == {"train": 20, "val": 20}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"camera": 1}, 'Task 7 has no "video" in its data, by which --group-by shall group; its fields are: camera.'),
        ({"video": ""}, 'Task 7 has no "video" in its data, by which --group-by shall group; its fields are: video.'),
        ({"video": ["a"]}, "Task 7 has in \"video\" neither a text nor a number: ['a']."),
    ],
)
def test_a_task_without_the_field_is_named(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ExportError) as caught:
        list(split_images(iter([image(6, video="a"), image(7, **fields)]), HALVES, 0, tmp_path, group_by="video"))
    assert caught.value.message == said
    assert "--group-by" in caught.value.remedy


def test_classes_of_whole_images_are_shared_out_too(tmp_path: Path) -> None:
    images = [
        replace(image(n), regions=(), choices=MappingProxyType({"light": ("day", "night")[n % 2 : n % 2 + 1]}))
        for n in range(20)
    ]
    split = Counter((one.split, one.choices["light"]) for one in split_images(images, HALVES, 0, tmp_path))
    assert set(split.values()) == {5}


def test_no_more_than_one_image_is_in_memory(tmp_path: Path) -> None:
    alive = Counter[str]()

    class Tracked(dict[str, Any]):
        def __init__(self) -> None:
            super().__init__(text="x" * 1000)
            alive["now"] += 1
            alive["most"] = max(alive["most"], alive["now"])

        def __del__(self) -> None:
            alive["now"] -= 1

        def __reduce__(self) -> Any:
            return dict, (dict(self),)

    def images() -> Iterator[LabeledImage]:
        for number in range(50):
            yield replace(image(number), fields=Tracked())

    assert sum(1 for _ in split_images(images(), HALVES, 0, tmp_path)) == 50
    assert alive["most"] <= 2


def test_a_full_disk_is_raised_as_the_system_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None: ...

    monkeypatch.setattr("backend.export.spool.tempfile.TemporaryFile", lambda dir: Full())
    with pytest.raises(OSError, match="No space left"):
        list(split_images([image(1)], HALVES, 0, tmp_path))
