"""COCO → Label Studio → COCO is the identity on masks, labels, ids, choices and scores."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from backend.export import EncodedRegion, KeyPoint, LabeledImage, build_file_name, read_coco
from backend.values import Size
from tests.export.sets import CATEGORIES, SIZE, list_files, one_pixel, region, ring, two_parts
from tests.importing.projects import CONFIG, Project, labeling_config, write_coco

URI = "https://pictures.example/photo.png"


def image(*regions: EncodedRegion, task_id: int = 7, size: Size = SIZE, **fields: Any) -> LabeledImage:
    name = build_file_name(URI, task_id)
    return LabeledImage(name, size, task_id, 70 + task_id, regions, image_id=task_id, image_uri=URI, **fields)


masks = npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=2, max_side=24)).filter(np.any)


@pytest.mark.parametrize("kinds", [("Brush",), ("Bitmask",), ("Polygon",), ("Rectangle", "Brush")])
@settings(deadline=None, max_examples=40)
@given(mask=masks, label=st.sampled_from(CATEGORIES), tolerance=st.sampled_from([None, 0.0]))
def test_a_mask_comes_back_as_it_was(mask: np.ndarray, label: str, tolerance: float | None, kinds: tuple[str]) -> None:
    size = Size(mask.shape[1], mask.shape[0])
    first = image(region(mask, label, "abc", kind=kinds[0].lower()), size=size)
    with tempfile.TemporaryDirectory() as folder:
        file = write_coco(Path(folder, "a"), [first], tolerance=tolerance) / "instances.json"
        project = Project({7: URI}, labeling_config(*kinds))
        (found,) = project.exported(project.imported(read_coco(file)))
    (back,) = found.regions
    assert (back.label, back.region_id) == (label, "abc")
    assert back.segmentation == first.regions[0].segmentation
    assert (back.area, back.bbox, found.size) == (first.regions[0].area, first.regions[0].bbox, size)


def test_a_data_set_comes_back_byte_by_byte(tmp_path: Path) -> None:
    regions = (
        region(ring(), "red", "r1", kind="brush", choices={"breed": ("pug",)}, score=0.75),
        region(two_parts(), "blue", "r2", kind="polygon"),
        region(one_pixel(0, 47), "green", "r3", kind="brush"),
    )
    box = np.zeros((48, 64), bool)
    box[5:20, 30:64] = True
    points = (
        KeyPoint("p1", "tail", 3.5, 4.5, annotation_id=77),
        KeyPoint("p2", "nose", 35.0, 10.5, parent_id="0123456789abcdef", annotation_id=77),
    )
    images = [
        image(*regions, region(box, "red", "0123456789abcdef", kind="rectangle"), key_points=points),
        image(task_id=8, choices={"light": ("night",)}),
    ]
    names = {"key_points": ("nose", "tail")}
    before = write_coco(tmp_path / "before", images, **names)
    project, data_set = Project({7: URI, 8: URI}, CONFIG), read_coco(before)
    assert (data_set.labels, data_set.key_points) == ({"red": 2, "blue": 1, "green": 1}, {"tail": 1, "nose": 1})
    after = write_coco(tmp_path / "after", project.exported(project.imported(data_set)), **names)
    assert project.failures.reasons == []
    assert project.fetched == []
    assert list_files(after) == list_files(before)
    assert set(list_files(after)) == {"instances.json", "keypoints.json"}
