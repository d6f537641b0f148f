"""Regions become results of the controls that hold them; labels, choices and sizes that do not fit are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.bulk import Failures
from backend.errors import BadDataSet, BadSettings
from backend.export import FoundDataSet, KeyPoint, read_coco
from backend.importing import (
    ResultOptions,
    TaskIndex,
    add_ordinary_rectangles,
    check_labels,
    check_shape,
    plan_import,
)
from backend.label_studio.config import parse_labeling_config
from tests.export.sets import disc, region, ring
from tests.importing.projects import CONFIG, LABELS, Project, labeling_config, write_coco
from tests.importing.test_round_trip import URI, image

Json = dict[str, Any]
BLOCK = np.zeros((48, 64), bool)
BLOCK[4:9, 3:17] = True


def coco(folder: Path, *regions: Any, **fields: Any) -> FoundDataSet:
    return read_coco(write_coco(folder / "coco", [image(*regions, **fields)]))


def kinds(project: Project, data_set: FoundDataSet) -> list[str]:
    return [result["type"] for result in project.imported(data_set)[7]]


@pytest.mark.parametrize(
    ("controls", "options", "expected"),
    [
        (("Brush", "Polygon", "Rectangle"), {}, ["brushlabels", "rectanglelabels", "polygonlabels"]),
        (("Bitmask", "Polygon", "Rectangle"), {}, ["bitmasklabels", "rectanglelabels", "polygonlabels"]),
        (("Polygon", "Rectangle"), {}, ["polygonlabels", "rectanglelabels", "polygonlabels"]),
        (("Rectangle",), {}, ["rectanglelabels"] * 3),
        (("Brush", "Polygon", "Rectangle"), {"shape": "polygon"}, ["polygonlabels"] * 3),
        (("Brush", "Polygon", "Rectangle"), {"shape": "rectangle"}, ["rectanglelabels"] * 3),
        (("Ellipse", "Brush"), {}, ["brushlabels"] * 3),
    ],
)
def test_a_region_becomes_the_shape_that_holds_it_exactly(
    tmp_path: Path, controls: tuple[str, ...], options: Json, expected: list[str]
) -> None:
    data_set = coco(
        tmp_path,
        region(ring(), region_id="a", kind="rectangle"),  # which it is not
        region(BLOCK, region_id="b", kind="rectangle"),
        region(disc(20, 20, 9), region_id="c", kind="polygon"),
    )
    project = Project({7: URI}, labeling_config(*controls), **options)
    assert kinds(project, data_set) == expected
    assert project.results.counts.inexact == ({"rectangle": 2} if set(expected) == {"rectanglelabels"} else {})


def test_a_tolerance_makes_polygons_of_fewer_points(tmp_path: Path) -> None:
    data_set = coco(tmp_path, region(disc(20, 20, 9)))
    exact, rough = (Project({7: URI}, labeling_config("Polygon"), tolerance=one) for one in (0.0, 1.5))
    points = [len(one.imported(data_set)[7][0]["value"]["points"]) for one in (exact, rough)]
    assert points[1] < points[0] / 2
    assert (exact.results.counts.inexact, rough.results.counts.inexact) == ({}, {"polygon": 1})


def test_a_smart_only_rectangle_takes_no_regions(tmp_path: Path) -> None:
    xml = labeling_config("Brush").replace(
        "</View>",
        f'<RectangleLabels name="drag" toName="image" smartOnly="true">{LABELS}</RectangleLabels></View>',
    )
    assert kinds(Project({7: URI}, xml), coco(tmp_path, region(BLOCK, kind="rectangle"))) == ["brushlabels"]


def test_choices_of_regions_and_images_come_back_and_others_are_counted(tmp_path: Path) -> None:
    given = {"breed": ("husky",), "occluded": ("true",)}
    project = Project({7: URI})
    results = project.imported(coco(tmp_path, region(ring(), choices=given), choices={"light": ("day",), "x": ("y",)}))
    chosen = [(one["from_name"], one["value"]["choices"]) for one in results[7] if one["type"] == "choices"]
    assert chosen == [("breed", ["husky"]), ("light", ["day"])]
    assert project.results.counts.no_control == {"occluded": 1, "x": 1}


def test_a_choice_that_the_project_does_not_have_is_named_with_the_closest(tmp_path: Path) -> None:
    data_set = coco(tmp_path, region(ring(), region_id="r1", choices={"breed": ("Huski",)}))
    with pytest.raises(BadDataSet) as refused:
        Project({7: URI}).imported(data_set)
    assert refused.value.message == (
        'Region "r1" of image 7 ("photo-task7.png") has the choice \'Huski\' of "breed", which the labeling config '
        "does not have (did you mean 'husky'?)."
    )


def test_a_choice_of_the_image_that_the_project_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataSet, match=r"^Image 7 .* has the choice 'dusk' of \"light\""):
        Project({7: URI}).imported(coco(tmp_path, choices={"light": ("dusk",)}))


def test_a_bad_region_is_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    data_set = coco(tmp_path, region(ring(), region_id="r1", choices={"breed": ("cat",)}), region(BLOCK))
    project = Project({7: URI}, skip_bad_regions=True)
    assert len(project.imported(data_set)[7]) == 1
    (reason,) = project.results.skipped
    assert reason.startswith('Region "r1" of image 7')


def test_groups_get_the_choice_that_marks_them(tmp_path: Path) -> None:
    project = Project({7: URI}, crowd=("breed", "pug"))
    results = project.imported(coco(tmp_path, region(ring(), is_crowd=True), region(BLOCK, region_id="s")))
    assert [one["id"] for one in results[7] if one["type"] == "choices"] == ["r"]


def test_labels_that_the_project_does_not_have_are_all_named_before_anything_is_sent(tmp_path: Path) -> None:
    data_set = read_coco(
        write_coco(
            tmp_path / "coco",
            [image(region(ring(), "Red"), region(BLOCK, "Red", "s"), region(BLOCK, "car", "t"))],
            categories=("Red", "car", "unused"),
        )
    )
    images = [add_ordinary_rectangles(one) for one in parse_labeling_config(CONFIG).images]
    with pytest.raises(BadDataSet) as refused:
        check_labels(data_set, images, ResultOptions())
    assert refused.value.message == (
        "Labels of the data set are not in the labeling config: 'Red' of 2 regions (did you mean 'red'?); "
        "'car' of 1 regions."
    )
    renamed = {"Red": "red", "car": "blue"}
    check_labels(data_set, images, ResultOptions(renamed=renamed))
    project = Project({7: URI}, renamed=renamed)
    project.imported(data_set)
    assert project.results.counts.labels == {"red": 2, "blue": 1}


def test_key_points_without_a_control_are_counted(tmp_path: Path) -> None:
    points = (KeyPoint("p1", "nose", 3.5, 4.5), KeyPoint("p2", "ear", 5.5, 4.5))
    project = Project({7: URI})
    folder = write_coco(tmp_path / "coco", [image(key_points=points)], key_points=("nose", "ear"))
    results = project.imported(read_coco(folder))
    (point,) = results[7]
    assert (point["id"], point["type"], point["from_name"]) == ("p1", "keypointlabels", "pose")
    assert "is_positive" not in point
    assert project.results.counts.no_key_point == {"ear": 1}


def test_the_size_in_the_file_must_be_the_one_of_the_task(tmp_path: Path) -> None:
    project = Project({7: URI})
    data_set = coco(tmp_path, region(ring()))
    stated = [{"result": [{"type": "choices", "original_width": 640, "original_height": 480, "to_name": "image"}]}]
    index = TaskIndex([{"id": 7, "data": {"image": URI}}], project.config, "3")
    (task,) = plan_import(data_set, index, Failures())
    with pytest.raises(BadDataSet) as refused:
        project.results.build(task, stated)
    assert refused.value.message == (
        'Image 7 ("photo-task7.png") is 64x48 in the data set, but task 7 was annotated as 640x480.'
    )


def test_a_file_without_sizes_takes_the_one_of_the_picture(tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "coco", [image(region(ring()))])
    document = json.loads((folder / "instances.json").read_text())
    del document["images"][0]["width"]
    (folder / "instances.json").write_text(json.dumps(document))
    project = Project({7: URI})
    assert len(project.imported(read_coco(folder))[7]) == 1
    assert project.fetched == [7]


def test_a_shape_that_the_project_does_not_have_is_refused() -> None:
    with pytest.raises(BadSettings) as refused:
        check_shape(parse_labeling_config(labeling_config("Brush", "Polygon")), "ellipse")
    assert refused.value.remedy == "It has: brush, polygon. Choose one of them with --shape."
