"""The import command against a Label Studio over HTTP: what it sends, once, and what it says otherwise."""

from __future__ import annotations

import json
import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.export import LabeledImage, build_file_name
from backend.export.writers.yolo_seg import YoloSegWriter
from scripts.import_annotations import main
from tests.bulk.fake_label_studio import PROJECT
from tests.bulk.fault_proxy import DELAY, DROP, DROP_UNSENT, LOSE, PASS, REFUSE, FaultProxy
from tests.export.sets import SIZE, disc, region, ring, write
from tests.importing.projects import write_coco
from tests.importing.site import ImportSite
from tests.servers import LocalServer
from tests.tokens import LEGACY

Json = dict[str, Any]
VERSION = "other-model"
TASKS = (1, 2, 3)


def uri_of(task: int) -> str:
    return f"/data/upload/3/{task}.png"


def image(task: int, *labels: str) -> LabeledImage:
    regions = tuple(region((ring(), disc(20, 20, 6))[n % 2], label, f"r{n}") for n, label in enumerate(labels))
    name = build_file_name(uri_of(task), task)
    return LabeledImage(name, SIZE, task, 70, regions, image_uri=uri_of(task), image_id=task)


class Command:
    """The command, with the site that it imports into and what it printed last."""

    def __init__(self, site: ImportSite, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.site, self.folder, self._capsys, self._number = site, folder, capsys, 0
        self.out = self.errors = ""

    def coco(self, *images: LabeledImage, **fields: Any) -> Path:
        """Write a data set; by default one with regions in each task."""
        self._number += 1
        chosen = images or tuple(image(task, "red", "blue") for task in TASKS)
        return write_coco(self.folder / f"coco-{self._number}", chosen, **fields)

    def run(self, path: Path, *options: str, format_name: str = "coco") -> int:
        status = main(["--project", PROJECT, "--format", format_name, str(path), *options])
        captured = self._capsys.readouterr()
        self.out, self.errors = captured.out, captured.err
        return status


@pytest.fixture
def command(
    start_server: Callable[[], LocalServer],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    site, server = ImportSite({task: {"image": uri_of(task)} for task in TASKS}), start_server()
    site.serve(server)
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY)
    monkeypatch.setenv("RUNS_DIR", str(tmp_path / "runs"))
    return Command(site, tmp_path, capsys)


def predictions(site: ImportSite) -> dict[int, list[list[str]]]:
    """The labels of each task's predictions."""
    found: dict[int, list[list[str]]] = {task: [] for task in TASKS}
    for one in site.predictions.values():
        found[one["task"]].append([result["value"]["brushlabels"][0] for result in one["result"]])
    return found


def test_predictions_are_stored_once_however_often_it_runs(command: Command) -> None:
    path = command.coco()
    assert command.run(path, "--model-version", VERSION) == 0
    assert "3 images: 3 matched to tasks, 0 not" in command.out
    assert "created 3, skipped 0, failed 0" in command.out
    assert "regions: 3 red, 3 blue" in command.out
    assert command.run(path, "--model-version", VERSION) == 0
    assert "created 0, skipped 3, failed 0" in command.out
    assert predictions(command.site) == {task: [["red", "blue"]] for task in TASKS}
    assert {one["model_version"] for one in command.site.predictions.values()} == {VERSION}


@pytest.mark.parametrize("options", [[], ["--as", "annotations"], ["--dry-run"], ["--create-tasks"]])
def test_a_data_set_without_images_is_told_and_is_no_failure(options: list[str], command: Command) -> None:
    path = command.folder / "empty.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    assert command.run(path, *options) == 0
    assert command.out.splitlines() == [
        "0 images: 0 matched to tasks, 0 not",
        f"Nothing was done: {path} has no images.",
    ]
    assert command.site.sent() == []


@pytest.mark.parametrize("kind", ["predictions", "annotations"])
def test_images_without_regions_become_pictures_without_objects(kind: str, command: Command) -> None:
    said = "the data set has no regions: its images are imported as pictures without objects"
    path = command.coco(image(1), image(2))
    assert command.run(path, "--as", kind) == 0
    assert said in command.out
    stored = command.site.submitted if kind == "annotations" else command.site.predictions
    assert len(stored) == 2
    assert command.run(command.coco(image(1, "red"), image(2)), "--as", kind) == 0
    assert said not in command.out


def test_without_a_version_the_same_file_has_the_same_one_and_another_has_another(command: Command) -> None:
    first, other = command.coco(), command.coco(image(1, "green"))
    for path in (first, first, other):
        assert command.run(path) == 0
        assert "difference" not in command.out  # to the run before: they are other files
    assert command.run(first, "--shape", "polygon") == 0
    versions = {one["model_version"] for one in command.site.predictions.values()}
    assert len(versions) == 3 and all(version.startswith("coco-") for version in versions)
    assert len(command.site.predictions) == 3 + 1 + 3


def test_predictions_are_replaced_where_that_is_wanted(command: Command) -> None:
    assert command.run(command.coco(), "--model-version", VERSION) == 0
    changed = command.coco(image(1, "green"), image(2, "green"))
    assert command.run(changed, "--model-version", VERSION, "--replace") == 0
    assert predictions(command.site) == {1: [["green"]], 2: [["green"]], 3: [["red", "blue"]]}


def test_what_people_work_with_is_not_replaced(command: Command) -> None:
    assert command.run(command.coco(), "--model-version", VERSION) == 0
    (reviewed,) = command.site.stored(VERSION)[1]
    command.site.annotations[1] = [reviewed]
    command.site.drafts = {2}
    assert command.run(command.coco(), "--model-version", VERSION, "--replace") == 1
    assert "task 1: Its prediction of version other-model cannot be replaced: an annotation was made" in command.out
    assert "task 2: Its prediction of version other-model cannot be replaced: somebody is labeling" in command.out
    assert command.site.counts(VERSION) == {1}


def test_annotations_are_created_once_however_often_it_runs(command: Command) -> None:
    path = command.coco(image(1, "red", "blue"), image(2))
    for expected in ("created 2, skipped 0", "created 0, skipped 2"):
        assert command.run(path, "--as", "annotations") == 0
        assert expected in command.out
    assert {task: len(own) for task, own in command.site.submitted.items()} == {1: 1, 2: 1}
    assert [result["id"] for result in command.site.submitted[1][0]["result"]] == ["r0", "r1"]
    command.site.submitted[1][0]["was_cancelled"] = True
    assert command.run(path, "--as", "annotations") == 0
    assert "created 1, skipped 1" in command.out


def test_a_dry_run_sends_nothing_and_says_what_would_be(command: Command) -> None:
    path = command.coco()
    for kind in ("predictions", "annotations"):
        assert command.run(path, "--dry-run", "--as", kind) == 0
        assert f"Dry run: would create 3 {kind}" in command.out
    assert command.site.sent() == []
    assert command.run(path, "--as", "annotations") == 0
    assert command.run(path, "--dry-run", "--as", "annotations") == 0
    assert "would create 0 annotations; 3 are there, 0 failed" in command.out


def test_images_without_a_task_are_named_and_the_others_imported(command: Command) -> None:
    path = command.coco(image(1, "red"), image(8, "red"))
    assert command.run(path, "--as", "annotations") == 1
    assert 'Image 8 ("8-task8.png") is of task 8, which project 3 does not have.' in command.out
    assert "--by-name" in command.out
    assert list(command.site.submitted) == [1]


def test_labels_of_another_project_stop_it_before_anything_is_sent(command: Command) -> None:
    path = command.coco(image(1, "Red"), image(2, "red"), categories=("Red", "red"))
    assert command.run(path) == 1
    assert "'Red' of 1 regions (did you mean 'red'?)" in command.errors and "--rename OLD=NEW" in command.errors
    assert command.site.sent() == []
    assert command.run(path, "--rename", "Red=red") == 0
    assert predictions(command.site) == {1: [["red"]], 2: [["red"]], 3: []}


def with_bad_region(command: Command) -> Path:
    """A data set with two regions in each task; the first one of task 1 is broken."""
    path = command.coco()
    document = json.loads((path / "instances.json").read_text())
    document["annotations"][0]["segmentation"]["counts"] += "1"
    (path / "instances.json").write_text(json.dumps(document))
    return path


def test_a_bad_region_costs_its_task_or_where_wanted_only_itself(command: Command) -> None:
    path = with_bad_region(command)
    assert command.run(path, "--as", "annotations") == 1
    assert 'of image 1 ("1-task1.png") has a broken RLE' in command.out
    assert sorted(command.site.submitted) == [2, 3]
    assert command.run(path, "--as", "annotations", "--skip-bad-regions") == 0
    assert "1 regions were left out:" in command.out
    assert [result["id"] for result in command.site.submitted[1][0]["result"]] == ["r1"]


@pytest.mark.parametrize("kind", ["predictions", "annotations"])
def test_skipping_bad_regions_later_adds_only_what_failed_before(kind: str, command: Command) -> None:
    path = with_bad_region(command)
    assert command.run(path, "--as", kind) == 1
    assert "created 2, skipped 0" in command.out
    for expected in ("created 1, skipped 2", "created 0, skipped 3"):
        assert command.run(path, "--as", kind, "--skip-bad-regions") == 0
        assert expected in command.out
    stored = command.site.submitted.values() if kind == "annotations" else predictions(command.site).values()
    assert [len(own) for own in stored] == [1, 1, 1]


def test_a_file_of_pictures_of_another_size_is_told(command: Command) -> None:
    assert command.run(command.coco(image(1, "red")), "--as", "annotations") == 0
    for result in command.site.submitted[1][0]["result"]:
        result["original_width"] = 640
    assert command.run(command.coco(image(1, "blue"))) == 1
    assert "is 64x48 in the data set, but task 1 was annotated as 640x48." in command.out
    assert predictions(command.site)[1] == []


def test_without_permission_it_stops_and_says_so(command: Command) -> None:
    command.site.refused = dict.fromkeys(TASKS, 403)
    tasks = range(1, 9)
    command.site.tasks = {task: {"image": uri_of(task)} for task in tasks}
    command.site.refused = dict.fromkeys(tasks, 403)
    assert command.run(command.coco(*(image(task, "red") for task in tasks)), "--as", "annotations") == 1
    assert "refused 5 annotations in a row" in command.errors
    assert "You do not have permission to perform this action." in command.errors
    assert len(command.site.sent()) == 5


def test_one_refused_task_does_not_stop_the_others(command: Command) -> None:
    command.site.refused = {2: 404}
    assert command.run(command.coco(), "--as", "annotations") == 1
    assert "created 2, skipped 0 (they have these regions), failed 1" in command.out
    assert "task 2: " in command.out


@pytest.fixture
def proxy(command: Command, start_server: Callable[[], LocalServer], monkeypatch: pytest.MonkeyPatch) -> FaultProxy:
    """A proxy between the command and its site."""
    server, proxy = start_server(), FaultProxy(os.environ["LABEL_STUDIO_URL"])
    proxy.serve(server)
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    return proxy


@pytest.mark.parametrize("fault", [LOSE, DROP, DROP_UNSENT, REFUSE, DELAY])
def test_a_lost_answer_costs_no_annotation_and_doubles_none(command: Command, proxy: FaultProxy, fault: str) -> None:
    proxy.faults = deque([PASS, fault])
    settle_seconds = "20" if fault == DELAY else "0.3"
    status = command.run(command.coco(), "--as", "annotations", "--settle-seconds", settle_seconds)
    proxy.wait_for_late()
    assert status == 0 and "error" not in command.errors
    assert "created 3, skipped 0" in command.out
    assert {task: len(own) for task, own in command.site.submitted.items()} == dict.fromkeys(TASKS, 1)
    assert len(command.site.sent()) == 3


def test_an_annotation_whose_answers_are_all_lost_is_named(command: Command, proxy: FaultProxy) -> None:
    proxy.faults = deque([PASS, *[DROP_UNSENT] * 3])
    path = command.coco()
    assert command.run(path, "--as", "annotations", "--settle-seconds", "0") == 1
    assert "It is not known whether the annotation of task 2 is stored." in command.errors
    assert command.run(path, "--as", "annotations") == 0
    assert "created 2, skipped 1" in command.out
    assert {task: len(own) for task, own in command.site.submitted.items()} == dict.fromkeys(TASKS, 1)


def test_an_interrupted_wait_for_a_lost_annotation_names_its_task(command: Command, proxy: FaultProxy) -> None:
    proxy.faults, proxy.on_fault = deque([DROP_UNSENT]), lambda: os.kill(os.getpid(), signal.SIGINT)
    assert command.run(command.coco(), "--as", "annotations", "--settle-seconds", "60") == 130
    assert "task 1: It is not known whether the annotation of task 1 is stored." in command.out


def test_label_files_are_measured_by_the_pictures_of_the_tasks(command: Command) -> None:
    folder = command.folder / "yolo"
    write(YoloSegWriter(), folder, [replace(image(1, "red"), file_name="1.png"), image(2, "blue")])
    assert command.run(folder, format_name="yolo-seg") == 0
    assert predictions(command.site) == {1: [["red"]], 2: [["blue"]], 3: []}
    (result,) = next(iter(command.site.predictions.values()))["result"]
    assert (result["original_width"], result["original_height"]) == (SIZE.width, SIZE.height)


def test_files_that_cannot_be_read_are_told(command: Command) -> None:
    path = command.folder / "a.json"
    path.write_text("no json")
    assert command.run(path) == 1
    assert f"error: {path} is no JSON" in command.errors
    assert command.run(command.folder, format_name="masks") == 1
    assert "has neither objects.csv nor classes.csv" in command.errors
    assert command.site.sent() == []


def test_a_rename_of_a_label_that_nothing_has_is_named(command: Command) -> None:
    options = ("--rename", "rde=green", "--rename", "blue=green")
    line = "--rename rde=green changes nothing: the data set has no label 'rde' (did you mean 'red'?)"
    assert command.run(command.coco(), *options, "--dry-run") == 0
    assert command.out.count("--rename") == 1 and line in command.out
    assert command.run(command.coco(), *options) == 0
    assert line in command.out
    assert predictions(command.site)[1] == [["red", "green"]]


@pytest.mark.parametrize("options", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("width", -3, "has the width -3, which is no whole number from 1 to 65535."),
        ("height", 1e12, "has the height 1000000000000.0, which is no whole number from 1 to 65535."),
        ("width", "x", "has the width 'x', which is no whole number from 1 to 65535."),
        ("attributes", "day", "has the attributes 'day', which are no object of names and values."),
    ],
)
def test_an_image_with_an_absurd_field_is_refused_by_name_also_in_a_dry_run(
    command: Command, field: str, value: object, message: str, options: list[str]
) -> None:
    folder = command.coco()
    document = json.loads((folder / "instances.json").read_text())
    document["images"][1][field] = value
    (folder / "instances.json").write_text(json.dumps(document))
    assert command.run(folder, *options) == 1
    assert f'instances.json: image 2 ("2-task2.png") {message}' in command.errors
    assert command.site.sent() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rename", "red"], "--rename red has no name before and after a =."),
        (["--rename", "red=blue", "--rename", "red=green"], "--rename gives 'red' two names, blue and green."),
        (["--crowd", "breed=cat"], "The labeling config has no per-region choice breed=cat."),
        (["--shape", "ellipse"], "The labeling config has no control for the shape 'ellipse'."),
        (["--as", "annotations", "--replace"], "--replace is of predictions."),
        (["--as", "annotations", "--model-version", "x"], "--model-version is of predictions."),
    ],
)
def test_options_that_do_not_fit_are_told(command: Command, options: list[str], message: str) -> None:
    assert command.run(command.coco(), *options) == 1
    assert message in command.errors
    assert command.site.sent() == []
