"""README.md of a data set, with counts by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.export import DataSet, DataSetStatistics, KeyPoint, LabeledImage, encode_region, write_readme
from backend.export.data_set_readme import build_readme, escape_markdown
from backend.export.records import EncodedRegion
from backend.values import Size

FORMATS = {"coco": "COCO instances with exact masks", "yolo-seg": "outlines"}
COMMAND = "python -m scripts.export --project 1 --format coco"


def region(label: str, pixels: int) -> EncodedRegion:
    mask = np.zeros((10, 20), dtype=bool)
    mask.ravel()[:pixels] = True
    return encode_region(mask, label, "r")


def image(split: str, *regions: EncodedRegion, size: Size = Size(20, 10)) -> LabeledImage:
    return LabeledImage("a.png", size, 1, 1, regions=regions, split=split)


def statistics() -> DataSetStatistics:
    images = [
        image("train", region("bird", 10), region("bird", 30), region("cat", 5)),
        image("train", region("bird", 20), region("cat", 0)),
        replace(image("val", size=Size(10, 10)), key_points=(KeyPoint("k", "beak", 1, 1),)),
        image("val", region("cat", 0)),
    ]
    counted = DataSetStatistics()
    assert list(counted.watch(images)) == images
    return counted


def test_the_page_has_counts_classes_splits_sizes_formats_and_the_command() -> None:
    data_set = DataSet("Birds", ("bird", "cat", "dog"), splits=("train", "val"), with_pictures=True)
    page = build_readme(data_set, statistics(), FORMATS, COMMAND, ["one mask lost"])
    assert (
        page
        == """\
# Birds

4 images (1 without objects) with 4 objects and 1 key point. The pictures are stored upright, as the masks are.

## Classes

| class | objects | images | mean area in pixels | train | val |
| --- | --- | --- | --- | --- | --- |
| bird | 3 | 2 | 20 | 3 | 0 |
| cat | 1 | 1 | 5 | 1 | 0 |
| dog | 0 | 0 | 0 | 0 | 0 |

## Splits

| split | images | share | objects |
| --- | --- | --- | --- |
| train | 2 | 50.0% | 4 |
| val | 2 | 50.0% | 0 |

## Image sizes

| size | images |
| --- | --- |
| 20x10 | 3 |
| 10x10 | 1 |

## Formats

| format | content |
| --- | --- |
| `coco` | COCO instances with exact masks |
| `yolo-seg` | outlines |

## Notes

- one mask lost

## How it was made

```
python -m scripts.export --project 1 --format coco
```
"""
    )


def test_model_versions_of_the_project_are_named_in_full() -> None:
    versions = {"vit_b-ec2df627-auto-0a1b2c3d": 2, "sam2.1_hiera_base_plus-2012733a+llmdet_tiny-f0e476be-auto-11": 30}
    page = build_readme(DataSet("", (), model_versions=versions), DataSetStatistics(), FORMATS, COMMAND)
    assert (
        "## Models\n\nAnnotations may have been made from the project's predictions. Their model versions name models "
        "and weights.\n\n| model version | predictions |\n| --- | --- |\n"
        "| sam2.1\\_hiera\\_base\\_plus-2012733a+llmdet\\_tiny-f0e476be-auto-11 | 30 |\n"
        "| vit\\_b-ec2df627-auto-0a1b2c3d | 2 |\n\n## How it was made"
    ) in page
    assert "## Models" not in build_readme(DataSet("", ()), DataSetStatistics(), FORMATS, COMMAND)


def test_the_record_has_the_counts() -> None:
    assert statistics().to_json() == {
        "images": 4,
        "negatives": 1,
        "objects": 4,
        "key_points": 1,
        "classes": {"bird": {"objects": 3, "images": 2}, "cat": {"objects": 1, "images": 1}},
        "splits": {"train": 2, "val": 2},
    }


def test_names_cannot_break_out_of_the_page() -> None:
    assert escape_markdown("a|b\n<script>`x`") == r"a\|b\\n\<script\>\`x\`"
    page = build_readme(DataSet("# <b>", ("a|b",)), DataSetStatistics(), FORMATS, "x ``` y")
    assert page.startswith("# \\# \\<b\\>\n")
    assert r"| a\|b | 0 | 0 | 0 |" in page
    assert page.count("```") == 2


def test_many_sizes_are_summed_up_after_ten() -> None:
    counted = DataSetStatistics()
    for number in range(1, 13):
        for _ in range(number):
            counted.add(image("", size=Size(number, 10)))
    page = build_readme(DataSet("", ()), counted, FORMATS, COMMAND)
    assert page.startswith("# Data set\n\n78 images (78 without objects) with 0 objects. The pictures are not part")
    assert "| 12x10 | 12 |\n| 11x10 | 11 |" in page
    assert "| 2 other sizes | 3 |" in page
    assert "## Splits" not in page


def test_a_dataset_card_of_a_format_stays_before_it(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: other\n---\n")
    write_readme(tmp_path, DataSet("Birds", ()), statistics(), FORMATS, COMMAND)
    assert (tmp_path / "README.md").read_text().startswith("---\nlicense: other\n---\n\n# Birds\n")
