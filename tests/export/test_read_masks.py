"""The folders id_masks and masks are read; what is wrong with one is said with its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadDataSet
from backend.export import read_masks
from backend.export.writers.labeler_folders import ColourMaskWriter, IdMaskWriter
from backend.values import Size
from tests.export.found import read, read_leniently
from tests.export.sets import SIZE, disc, image, region, ring, write

REGIONS = (region(ring(), "red", "r1"), region(disc(30, 20, 11), "blue", "r2"), region(disc(9, 9, 4), "red", "r3"))


def id_masks(folder: Path) -> Path:
    write(IdMaskWriter(), folder / "out", [image(*REGIONS, split="train"), image(task_id=8, split="train")])
    return folder / "out"


def test_masks_of_single_objects_come_back_with_labels_ids_and_overlaps(tmp_path: Path) -> None:
    data_set = read_masks(id_masks(tmp_path))
    (one,) = data_set.images  # a picture without objects has no file
    assert (one.file_name, one.has_ending, one.size) == ("photo-task7", False, SIZE)
    back = read(one).regions
    assert [(one.region_id, one.label, one.segmentation) for one in back] == [
        (one.region_id, one.label, one.segmentation) for one in REGIONS
    ]
    assert data_set.labels == {"red": 2, "blue": 1}


def test_colours_come_back_as_one_region_per_class(tmp_path: Path) -> None:
    write(ColourMaskWriter(), tmp_path / "out", [image(*REGIONS), image(task_id=8)])
    first, second = read_masks(tmp_path / "out").images
    back = {one.label: one.decode_mask() for one in read(first).regions}
    np.testing.assert_array_equal(back["blue"], REGIONS[1].decode_mask())
    covered = REGIONS[1].decode_mask()
    np.testing.assert_array_equal(back["red"], (REGIONS[0].decode_mask() & ~covered) | REGIONS[2].decode_mask())
    assert read(second).regions == ()


def test_a_colour_of_no_class_is_told(tmp_path: Path) -> None:
    write(ColourMaskWriter(), tmp_path / "out", [image(REGIONS[2])])
    path = tmp_path / "out" / "photo-task7.png"
    pixels = np.array(Image.open(path))
    pixels[40, 50:53] = (1, 2, 3)
    Image.fromarray(pixels).save(path)
    regions, bad = read_leniently(read_masks(tmp_path / "out").images[0])
    assert [one.label for one in regions.regions] == ["red"]
    assert bad == ['Colour 1, 2, 3 of picture "photo-task7.png" is the colour of no class, but of 3 pixels.']


def test_a_damaged_and_a_resized_mask_are_told(tmp_path: Path) -> None:
    folder = id_masks(tmp_path)
    (folder / "train" / "photo-task7_2.png").write_bytes(b"no picture")
    Image.fromarray(np.ones((9, 9), bool)).save(folder / "train" / "photo-task7_3.png")
    regions, bad = read_leniently(read_masks(folder).images[0])
    assert [one.region_id for one in regions.regions] == ["r1"]
    assert bad[0].startswith('Mask photo-task7_2.png of picture "train/photo-task7" cannot be decoded: ')
    assert bad[1] == 'Mask photo-task7_3.png of picture "train/photo-task7" is 9x9 on an image of 64x48.'


def test_damaged_pictures_cost_only_themselves(tmp_path: Path) -> None:
    write(ColourMaskWriter(), tmp_path / "out", [image(REGIONS[2]), image(REGIONS[2], task_id=8)])
    path = tmp_path / "out" / "photo-task7.png"
    path.write_bytes(path.read_bytes()[:60])
    damaged, whole = read_masks(tmp_path / "out").images
    regions, bad = read_leniently(replace(damaged, size=SIZE))
    assert regions.regions == () and len(read(whole).regions) == 1
    assert bad[0].startswith('Picture "photo-task7.png" cannot be decoded: ')
    (tmp_path / "out" / "photo-task8.png").write_bytes(b"no picture")
    assert read_masks(tmp_path / "out").images[1].size is None


def test_a_missing_mask_and_a_table_of_another_program_are_told(tmp_path: Path) -> None:
    folder = id_masks(tmp_path)
    (folder / "train" / "photo-task7_2.png").unlink()
    with pytest.raises(BadDataSet, match=r"objects\.csv, line 3: .*photo-task7_2\.png is missing"):
        read_masks(folder)
    (folder / "objects.csv").write_text("name,label\na,red\n")
    with pytest.raises(BadDataSet, match=r"objects\.csv has no column file"):
        read_masks(folder)
    (folder / "objects.csv").write_text("file,id,label,region_id\n../secret_1.png,1,red,r1\n")
    with pytest.raises(BadDataSet, match="does not end with the object's id"):
        read_masks(folder)


def test_a_folder_that_is_none_of_the_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataSet, match=r"has neither objects\.csv nor classes\.csv"):
        read_masks(tmp_path)


def test_any_grey_or_coloured_pixel_is_of_the_object(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text("file,id,label,region_id\na_1.png,1,red,\n")
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[0, 1] = pixels[1, 3] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a_1.png")
    (back,) = read(read_masks(tmp_path).images[0]).regions
    assert (back.area, back.size) == (2, Size(4, 2)) and back.region_id
