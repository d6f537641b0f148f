"""Several formats and several annotators in one pass."""

from __future__ import annotations

import json
from pathlib import Path

from backend.export import FORMATS, DataSet, FormatOptions, LabeledImage, WriterSet, Written
from tests.export.sets import CATEGORIES, image, list_files, region, ring

DATA_SET = DataSet("shapes", CATEGORIES, key_points=("head",))


def write(folder: Path, formats: tuple[str, ...], *images: LabeledImage, by_annotator: bool = False) -> list[Written]:
    folder.mkdir()
    writers = WriterSet(folder, formats, FormatOptions(), DATA_SET, by_annotator=by_annotator)
    for labeled in images:
        writers.add(labeled)
    return writers.close()


def test_one_format_lies_in_the_folder_itself_and_several_in_one_each(tmp_path: Path) -> None:
    (written,) = write(tmp_path / "one", ("coco",), image(region(ring())))
    assert (written.place, list(list_files(tmp_path / "one"))) == ("", ["instances.json"])
    written_both = write(tmp_path / "both", ("coco", "roboflow"), image(region(ring())))
    assert [one.place for one in written_both] == ["coco", "roboflow"]
    files = list_files(tmp_path / "both")
    assert list(files) == ["coco/instances.json", "roboflow/train/_annotations.coco.json"]
    assert files["coco/instances.json"] == files["roboflow/train/_annotations.coco.json"]


def test_each_annotator_gets_a_data_set_and_no_picture_is_in_one_of_them_twice(tmp_path: Path) -> None:
    images = [
        image(region(ring()), annotator="a@example.org"),
        image(region(ring(), "blue"), annotator="A example.org"),  # the same folder on some file systems
        image(annotator=""),
        image(annotator="a@example.org", task_id=8),
    ]
    written = write(tmp_path / "out", ("coco",), *images, by_annotator=True)
    assert [one.place for one in written] == ["a-example-org", "A-example-org-2", "unknown"]
    documents = [json.loads((tmp_path / "out" / one.place / "instances.json").read_text()) for one in written]
    assert [[entry["id"] for entry in document["images"]] for document in documents] == [[7, 8], [7], [7]]
    assert [len(document["annotations"]) for document in documents] == [1, 1, 0]


def test_each_annotator_has_a_folder_for_each_format(tmp_path: Path) -> None:
    written = write(tmp_path / "out", ("coco", "yolo-det"), image(annotator="anna"), by_annotator=True)
    assert [(one.format, one.place) for one in written] == [("coco", "anna/coco"), ("yolo-det", "anna/yolo-det")]


def test_an_export_without_images_is_an_empty_data_set_in_every_format(tmp_path: Path) -> None:
    written = write(tmp_path / "out", tuple(FORMATS))
    assert [one.format for one in written] == list(FORMATS)
    assert json.loads((tmp_path / "out" / "coco" / "instances.json").read_text())["images"] == []


def test_the_notes_of_a_writer_come_with_its_format(tmp_path: Path) -> None:
    (written,) = write(tmp_path / "out", ("yolo-det",), image(region(ring(), is_crowd=True)))
    assert written.format == "yolo-det"
    assert any("crowd" in note for note in written.notes)
