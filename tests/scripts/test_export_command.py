"""The export command from an export file of Label Studio to the files of a data set."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.export import main
from tests.bulk.annotated import MIXED, annotation, block, box, brush, point, task
from tests.export.coco_files import load_file
from tests.export.sets import list_files
from tests.export.test_files import small_disk

Json = dict[str, Any]
WITH_CHOICES = MIXED.replace(
    "</View>",
    '<Choices name="breed" toName="image" perRegion="true"><Choice value="pug"/><Choice value="husky"/></Choices>'
    "</View>",
)

WITHOUT_POSE = re.sub(r'<KeyPointLabels name="pose".*?</KeyPointLabels>', "", WITH_CHOICES, flags=re.DOTALL)


def breed(name: str, region_id: str = "m1") -> Json:
    value = {"choices": [name]}
    return {"id": region_id, "type": "choices", "from_name": "breed", "to_name": "image", "value": value}


class Command:
    """The command on an export file, with what it printed last."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.out, self._capsys, self.printed, self.errors = folder, folder / "out", capsys, "", ""

    def run(self, tasks: list[Json], *options: str, config: str = MIXED) -> int:
        (self.folder / "birds.json").write_text(json.dumps(tasks))
        (self.folder / "config.xml").write_text(config)
        return self.run_again(*options)

    def run_again(self, *options: str) -> int:
        """Run on the same file."""
        source = ["--file", str(self.folder / "birds.json"), "--config", str(self.folder / "config.xml")]
        status = main([*source, "--out", str(self.out), *options])
        captured = self._capsys.readouterr()
        self.printed, self.errors = captured.out, captured.err
        return status

    def instances(self, name: str = "instances.json") -> Json:
        document: Json = json.loads((self.out / name).read_text())
        return document

    def labels(self, name: str = "instances.json") -> list[str]:
        document = self.instances(name)
        names = {entry["id"]: entry["name"] for entry in document["categories"]}
        return [names[entry["category_id"]] for entry in document["annotations"]]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


def test_a_file_becomes_coco_that_pycocotools_reads(command: Command) -> None:
    mask = block(2, 2, 9, 6) & ~block(4, 3, 3, 3)
    assert command.run([task(1, annotation(brush(mask))), task(2), task(3, annotation())]) == 1
    assert "task 3, annotation 1" in command.printed  # a negative of a file has no size that anybody could look up
    assert command.run([task(1, annotation(brush(mask))), task(2)]) == 0
    coco = load_file(command.out / "instances.json")
    (entry,) = coco.dataset["annotations"]
    np.testing.assert_array_equal(coco.annToMask(entry).astype(bool), mask)
    first = command.printed.splitlines()[0]
    assert first == f"{command.out}: 1 images (0 negatives), 1 masks; 1 tasks not annotated, 0 failed"
    assert coco.dataset["info"]["description"] == "birds"


def test_the_same_annotations_make_the_same_bytes_and_replace_the_earlier_export(command: Command) -> None:
    tasks = [task(1, annotation(brush(block(1, 1, 5, 5)))), task(2, annotation(brush(block(3, 3, 5, 5))))]
    formats = ["--format", "coco", "--format", "yolo-seg", "--format", "semantic"]
    assert command.run(tasks, *formats) == 0
    before = list_files(command.out)
    assert command.run(tasks, *formats) == 0
    assert list_files(command.out) == before
    assert {name.split("/")[0] for name in before} == {"coco", "yolo-seg", "semantic", "README.md", "export.json"}


def test_a_folder_of_somebody_is_refused_before_anything_is_read(command: Command) -> None:
    command.out.mkdir()
    (command.out / "thesis.txt").write_text("mine")
    for options in ([], ["--dry-run"]):
        assert command.run([task(1, annotation(brush(block(1, 1, 5, 5))))], *options) == 1
        assert "thesis.txt" in command.errors
    assert list_files(command.out) == {"thesis.txt": b"mine"}


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(command: Command) -> None:
    tasks = [task(number, annotation(brush(block(1, 1, 5, 5), "dog"))) for number in range(1, 11)]
    options = ["--format", "coco", "--format", "voc", "--split", "train=0.8,val=0.2", "--dry-run"]
    assert command.run([*tasks, task(11)], *options) == 0
    assert not command.out.exists()
    assert command.printed.splitlines() == [
        "Nothing was written. An export would write:",
        f"{command.out}: 10 images (0 negatives), 10 masks; 1 tasks not annotated, 0 failed",
        "  coco in coco/",
        "  voc in voc/",
        "  masks by class: cat 0, dog 10",
        "  images by split: train 8, val 2",
    ]


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_split_without_images_is_named(command: Command, options: list[str]) -> None:
    """Ultralytics and RF-DETR fail on a `val` without pictures; one group of images cannot be split."""
    tasks = [task(number, annotation(brush(block(1, 1, 5, 5)))) for number in (1, 2)]
    for one in tasks:
        one["data"]["clip"] = "a"
    assert command.run(tasks, "--split", "train=0.8,val=0.2", "--group-by", "clip", *options) == 0
    said = "no image is in val, on which programs may fail: there are too few images, or groups of --group-by"
    assert f"  images by split: train 2, val 0\n  {said}\n" in command.printed


PREDICTED = {"predictions": [{"id": 1, "result": [brush(block(1, 1, 5, 5))], "model_version": "demo"}]}


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_predictions_that_nobody_has_submitted_are_named_with_what_to_do(command: Command, options: list[str]) -> None:
    skipped = annotation(brush(block(1, 1, 5, 5)), was_cancelled=True)
    assert command.run([task(1) | PREDICTED, task(2, skipped) | PREDICTED, task(3)], *options) == 0
    assert "0 masks; 3 tasks not annotated, 0 failed" in command.printed
    said = "  only annotations are exported, and these tasks have none; 2 tasks of the file have predictions\n"
    assert said + "    help: Open the tasks in Label Studio, correct the masks and press Submit." in command.printed
    assert "Create Annotations From Predictions (docs/reviewing.md)" in command.printed


def test_predictions_beside_annotations_are_ordinary(command: Command) -> None:
    assert command.run([task(1, annotation(brush(block(1, 1, 5, 5)))), task(2) | PREDICTED]) == 0
    assert "only annotations are exported" not in command.printed
    assert command.run([task(1), task(2)], "--dry-run") == 0
    assert "only annotations are exported" not in command.printed


def test_splits_are_documents_of_their_own(command: Command) -> None:
    tasks = [task(number, annotation(brush(block(1, 1, 5, 5)))) for number in range(1, 11)]
    assert command.run(tasks, "--split", "train=0.8,val=0.2", "--seed", "3") == 0
    sizes = [len(command.instances(f"instances_{split}.json")["images"]) for split in ("train", "val")]
    assert sizes == [8, 2]


def test_each_annotator_gets_a_data_set(command: Command) -> None:
    by = [{"completed_by": {"id": n, "email": f"{name}@b.org"}} for n, name in enumerate(("anna", "ben"), start=1)]
    both = task(
        1,
        annotation(brush(block(1, 1, 5, 5)), number=1, **by[0]),
        annotation(brush(block(1, 1, 5, 5), "dog"), number=2, **by[1]),
    )
    assert (
        command.run([both, task(2, annotation(brush(block(1, 1, 5, 5)), number=3, **by[0]))], "--annotation", "all")
        == 0
    )
    assert command.labels("anna-b-org/instances.json") == ["cat", "cat"]
    assert command.labels("ben-b-org/instances.json") == ["dog"]
    dry = command.run([both], "--annotation", "all", "--dry-run")
    assert dry == 0
    assert "  coco in anna-b-org/" in command.printed.splitlines()


def test_the_consensus_has_what_most_annotators_drew_and_the_rest_is_listed(command: Command) -> None:
    drawn = [
        (brush(block(1, 1, 6, 6), region_id="a"), brush(block(20, 2, 4, 4), "dog", "alone")),
        (brush(block(1, 1, 6, 6), region_id="b"),),
        (brush(block(2, 1, 6, 6), region_id="c"),),
    ]
    people = [{"id": n, "email": f"{n}@b.org"} for n in (1, 2, 3)]
    annotations = [annotation(*drawn[n], number=n + 1, completed_by=people[n]) for n in range(3)]
    assert command.run([task(1, *annotations)], "--annotation", "consensus") == 0
    (entry,) = command.instances()["annotations"]
    assert (entry["bbox"], entry["area"], entry["region_id"]) == ([1, 1, 6, 6], 36, "a")
    assert "  skipped because too few annotators have them: 1 regions" in command.printed.splitlines()
    assert 'region "alone" of annotation 1 (dog): 1 of 3 annotators have it' in command.printed


def test_classes_can_come_from_a_choice(command: Command) -> None:
    good = task(1, annotation(brush(block(1, 1, 5, 5)), breed("husky")))
    bad = task(2, annotation(brush(block(1, 1, 5, 5), region_id="m2")))
    assert command.run([good, bad], "--class-from", "breed", config=WITH_CHOICES) == 1
    assert [entry["name"] for entry in command.instances()["categories"]] == ["pug", "husky"]
    assert command.labels() == ["husky"]
    assert 'task 2, annotation 1: Region "m2" (brush) has no choice of "breed".' in command.printed
    assert command.run([good, bad], "--class-from", "breed", "--skip-bad-regions", config=WITH_CHOICES) == 0
    assert [entry["task_id"] for entry in command.instances()["images"]] == [1, 2]
    assert command.labels() == ["husky"]


def test_groups_are_marked_by_a_label_or_a_choice(command: Command) -> None:
    tasks = [task(1, annotation(brush(block(1, 1, 5, 5)), breed("pug"), brush(block(8, 8, 4, 4), "dog", "m2")))]
    for name, expected in (("breed=pug", [1, 0]), ("dog", [0, 1])):
        assert command.run(tasks, "--crowd", name, config=WITH_CHOICES) == 0
        assert [entry["iscrowd"] for entry in command.instances()["annotations"]] == expected
        assert "  1 masks stand for groups (--crowd)" in command.printed.splitlines()


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        (
            ["--class-from", "bread"],
            "no per-region choices named 'bread'",
            "Name one of these with --class-from: breed",
        ),
        (["--crowd", "breed=cat"], "'breed=cat'", "Name one of these with --crowd: cat, dog, breed=pug, breed=husky"),
        (["--format", "overlays"], "overlays needs the pictures", "Add --with-images"),
        (["--format", "yolo-pose"], "no labels of key points", "choose another format"),
        (["--seed", "1"], "--seed has no effect without --split", "Add --split"),
    ],
)
def test_options_that_do_not_fit_the_project_are_refused_and_nothing_is_written(
    options: list[str], message: str, remedy: str, command: Command
) -> None:
    for dry in ([], ["--dry-run"]):
        assert command.run([task(1, annotation(brush(block(1, 1, 5, 5))))], *options, *dry, config=WITHOUT_POSE) == 1
        assert message in command.errors and remedy in command.errors
        assert not command.out.exists()


@pytest.mark.parametrize("options", [["--format", "coco2"], ["--polygons", "-1"], ["--polygons", "nan"]])
def test_options_that_are_no_options_end_with_status_2(options: list[str], command: Command) -> None:
    with pytest.raises(SystemExit) as caught:
        command.run([], *options)
    assert caught.value.code == 2


def test_boxes_that_may_be_prompts_fail_their_task_until_somebody_decides(command: Command) -> None:
    tasks = [task(1, annotation(brush(block(1, 1, 5, 5)), box(20, 4, 10, 8, region_id="b1")))]
    assert command.run(tasks) == 1
    assert "  decide once for all tasks:" in command.printed.splitlines()
    assert "--keep box" in command.printed and "--drop box" in command.printed
    assert command.run(tasks, "--keep", "box") == 0
    kinds = [(entry["kind"], entry["bbox"], entry["area"]) for entry in command.instances()["annotations"]]
    assert kinds == [("brush", [1, 1, 5, 5], 25), ("rectangle", [20, 4, 10, 8], 80)]
    assert command.run(tasks, "--drop", "box") == 0
    assert [entry["kind"] for entry in command.instances()["annotations"]] == ["brush"]


def test_annotations_with_nothing_but_prompts_are_named_and_written_down(command: Command) -> None:
    """The first twenty are printed; the record of the export has all."""
    tasks = [task(number, annotation(point(3, 3, control="click"), number=number + 100)) for number in range(1, 31)]
    names = [f"task {number}, annotation {number + 100}" for number in range(1, 31)]
    assert command.run([*tasks, task(31, annotation(brush(block(1, 1, 5, 5))))]) == 0
    lines = command.printed.splitlines()
    place = next(place for place, line in enumerate(lines) if "perhaps the mask was not accepted:" in line)
    assert lines[place].startswith("  30 annotations have an image with nothing else")
    assert lines[place + 1 :] == [*(f"    {name}" for name in names[:20]), "    … and 10 more"]
    assert json.loads((command.out / "export.json").read_text())["only_left_out"] == names
    assert command.run([task(31, annotation(brush(block(1, 1, 5, 5))))]) == 0
    assert "only_left_out" not in json.loads((command.out / "export.json").read_text())


def test_key_points_are_a_document_of_their_own_in_the_order_of_the_pose(command: Command) -> None:
    """In the labeling config "tail" has the place 0 in a pose, and "nose" the place 1."""
    points = [
        point(5, 6, control="pose", label="nose", region_id="p1"),
        point(9, 8, control="pose", label="tail", region_id="p2"),
    ]
    tasks = [task(1, annotation(brush(block(1, 1, 5, 5)), *points))]
    assert command.run(tasks) == 0
    poses = command.instances("keypoints.json")["annotations"]
    assert [pose["keypoints"] for pose in poses] == [[0, 0, 0, 5, 6, 2], [9, 8, 2, 0, 0, 0]]
    assert len(command.instances()["annotations"]) == 1


def test_polygons_say_what_is_lost(command: Command) -> None:
    assert command.run([task(1, annotation(brush(block(1, 1, 5, 5))))], "--polygons", "1") == 0
    assert command.instances()["annotations"][0]["segmentation"] == [[1, 1, 6, 1, 6, 6, 1, 6]]
    assert "IoU of polygons and mask: mean 1.0000 of 1" in command.printed


def test_an_export_of_which_every_task_fails_does_not_replace_an_earlier_one(command: Command) -> None:
    assert command.run([task(1, annotation(brush(block(1, 1, 5, 5))))]) == 0
    before = list_files(command.out)
    assert command.run([task(1, annotation(brush(block(1, 1, 5, 5), None)))]) == 1
    assert f"No task could be exported, so {command.out} is left as it was." in command.errors
    assert 'task 1, annotation 1: Region "m1" (brush) has no label.' in command.printed
    assert list_files(command.out) == before


@pytest.mark.parametrize("option", ["--keep", "--drop"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_control_that_is_nowhere_is_refused_and_nothing_is_written(
    option: str, more: list[str], command: Command
) -> None:
    tasks = [task(1, annotation(brush(block(1, 1, 5, 5)))), {"id": 2, "data": {}, "annotations": [7, {"result": 7}]}]
    assert command.run(tasks, option, "nosuch", *more) == 1
    assert f"error: {option}: neither the labeling config nor an annotation has a control 'nosuch'." in command.errors
    assert f"help: Name one of these with {option}: box, click, " in command.errors
    assert not command.out.exists()


def test_a_control_that_only_annotations_still_have_can_be_dropped(command: Command) -> None:
    old = box(20, 4, 10, 8, region_id="b1") | {"from_name": "oldbox"}
    tasks = [task(1, annotation(brush(block(1, 1, 5, 5)), old))]
    assert command.run(tasks) == 1
    assert "--drop oldbox" in command.printed
    assert command.run(tasks, "--drop", "oldbox") == 0
    assert [entry["kind"] for entry in command.instances()["annotations"]] == ["brush"]


def test_options_that_choose_no_annotation_do_not_replace_an_earlier_export(command: Command) -> None:
    assert command.run([task(1, annotation(brush(block(1, 1, 5, 5))))]) == 0
    before = list_files(command.out)
    assert command.run_again("--annotation", "user:nobody@example.com") == 1
    assert f"1 tasks have annotations, but none that the options choose, so {command.out} is left" in command.errors
    assert list_files(command.out) == before


def test_a_full_disk_is_named_and_leaves_the_earlier_export(command: Command) -> None:
    assert command.run([task(1, annotation(brush(block(1, 1, 5, 5))))]) == 0
    before = list_files(command.out)
    results = [brush(block(1, 1, 5, 5), region_id=f"r{number}" * 10) for number in range(1000)]
    command.run([task(1, annotation(*results))], "--dry-run")
    with small_disk():
        assert command.run_again() == 1
    assert "could not be written: File too large." in command.errors
    assert list_files(command.out) == before
    assert {path.name for path in command.folder.iterdir()} <= {"out", "out.lock", "birds.json", "config.xml"}


@pytest.mark.parametrize(
    ("rule", "labels", "line"),
    [
        (
            "best",
            ["dog"],
            "had several annotations; exported the ground truth if marked, otherwise the newest",
        ),
        ("latest", ["dog"], "had several annotations; exported the newest"),
        ("first", ["cat"], "had several annotations; exported the oldest"),
        ("user:1", ["cat"], "had several annotations; exported the newest of that person"),
        ("user:3", [], "have annotations, but none that the options choose"),
        ("ground-truth", [], "have annotations, but none that the options choose"),
    ],
)
def test_the_summary_says_which_of_several_annotations_was_exported(
    rule: str, labels: list[str], line: str, command: Command
) -> None:
    old = {"completed_by": 1, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    new = {"completed_by": 2, "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z"}
    both = task(
        1,
        annotation(brush(block(1, 1, 5, 5)), number=1, **old),
        annotation(brush(block(1, 1, 5, 5), "dog"), number=2, **new),
    )
    assert command.run([both], "--annotation", rule) == (0 if labels else 1)
    assert not labels or command.labels() == labels
    assert command.out.exists() == bool(labels)
    assert f"  1 tasks {line}" in command.printed.splitlines()


def test_an_export_with_images_is_not_replaced_by_one_without(command: Command) -> None:
    assert command.run([task(1, annotation(brush(block(2, 2, 9, 6))))]) == 0
    before = command.instances()
    assert command.run([task(1), task(2)]) == 1
    assert "No task has an annotation, and the earlier export has 1 images" in command.errors
    assert f"so {command.out} is left as it was" in command.errors
    assert command.run([]) == 1
    assert command.instances() == before


def test_an_export_without_images_is_written_where_there_is_none_to_lose(command: Command) -> None:
    assert command.run([task(1)]) == 0
    assert command.run([task(1), task(2)]) == 0
    assert command.instances()["images"] == []
