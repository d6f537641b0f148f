"""`scripts.preannotate --from-boxes` with the demo's SAM, no CLIP, and a Label Studio over HTTP."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.bulk import Outcome
from backend.label_studio.config import ConfigLimits
from backend.label_studio.requests import FromBoxes
from backend.label_studio.results import parse_regions
from backend.projects import ProjectSettings
from backend.values import Size
from scripts import preannotate
from scripts.demo_world.scenes import CLASS_NAMES
from scripts.export import main as export
from scripts.measuring.place import Picture, make_pictures
from scripts.preannotating.run_plan import CheckedProject, RunPlan
from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.scripts.boxed_scenes import CONFIG, XML, check_masks, rectangles, xywh
from tests.servers import Answer, LocalServer, Seen

Json = dict[str, Any]
SMALL = Size(320, 240)


@dataclass
class BoxSite(FakeLabelStudio):
    """A project of demo scenes.

    Attributes:
        pictures: By the path of their address.
        drawn: What people drew, by task.
    """

    labels: tuple[str, ...] = CLASS_NAMES
    label_config: str = XML
    pictures: dict[str, bytes] = field(default_factory=dict)
    drawn: dict[int, list[Json]] = field(default_factory=dict)

    def respond(self, seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        path = seen.path.partition("?")[0]
        if path in self.pictures:
            return 200, {"Content-Type": "image/png"}, self.pictures[path]
        return super().respond(seen, handler)

    def _show(self, task: int, predictions: list[Json], query: Mapping[str, list[str]]) -> Json:
        shown = super()._show(task, predictions, query)
        if "result" in query["include"][0].split(","):
            annotation = {"id": task, "result": self.drawn.get(task, []), "updated_at": "2026-01-01T00:00:00Z"}
            shown["annotations"] = [annotation] if task in self.drawn else []
        return shown


@pytest.fixture(scope="module")
def scenes() -> dict[int, Picture]:
    """Three scenes by the ids of their tasks."""
    return dict(enumerate(make_pictures(3, SMALL, first=300), start=1))


@pytest.fixture
def site(scenes: dict[int, Picture]) -> BoxSite:
    tasks = {number: {"image": picture.uri} for number, picture in scenes.items()}
    return BoxSite(tasks, pictures={picture.uri: picture.png for picture in scenes.values()})


Run = Callable[..., str]


@pytest.fixture
def run(
    site: BoxSite,
    start_server: Callable[[], LocalServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command; returns what it printed."""
    server = start_server()
    site.serve(server)
    for name, value in {
        "RUNS_DIR": tmp_path / "runs",
        "CLIP_MODEL": "none",
        "TORCH_THREADS": 1,
        "DEVICE": "cpu",
        "LABEL_STUDIO_URL": server.url,
        "LABEL_STUDIO_API_KEY": "abcdef",
    }.items():
        monkeypatch.setenv(name, str(value))

    def run(*options: object, status: int = 0) -> str:
        argv = ["--project", "3", "--url", server.url, "--api-key", "abcdef", *map(str, options)]
        assert preannotate.main(argv) == status
        said = capsys.readouterr()
        return said.out + said.err

    return run


def write_coco(path: Path, pictures: Mapping[int, Picture], **more: Any) -> Path:
    """A COCO file with the true boxes of scenes, whose images are named as the uploaded pictures."""
    images, annotations = [], []
    for number, picture in pictures.items():
        size = {"width": SMALL.width, "height": SMALL.height}
        images.append({"id": number, "file_name": Path(picture.uri).name, **size, **more})
        for item in picture.scene.objects:
            category = CLASS_NAMES.index(item.class_name) + 1
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": category, "bbox": xywh(item.mask)}
            annotations.append(entry)
    categories = [{"id": place, "name": name} for place, name in enumerate(CLASS_NAMES, start=1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def version_in(said: str) -> str:
    (version,) = re.findall("^Model version (.*)$", said, re.MULTILINE)
    return str(version)


def masks_of(site: BoxSite, version: str) -> dict[int, list[Json]]:
    """The results of the predictions of a version by task, each task at most once."""
    of_version = [one for one in site.predictions.values() if one["model_version"] == version]
    assert len({one["task"] for one in of_version}) == len(of_version)
    return {one["task"]: one["result"] for one in sorted(of_version, key=lambda one: int(one["task"]))}


def box_iou(first: list[float], second: list[float]) -> float:
    across = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    down = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def test_boxes_of_a_coco_file_become_masks_that_an_export_gives_back_with_their_labels_and_boxes(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    boxes = write_coco(tmp_path / "boxes.json", {1: scenes[1], 2: scenes[2]})
    said = run("--from-boxes", boxes)
    version, count = version_in(said), sum(len(scenes[number].scene.objects) for number in (1, 2))
    assert re.fullmatch(r"demo.*-boxes-[0-9a-f]{8}", version)
    assert f"{count} boxes in 2 tasks; other tasks are left as they are\n" in said
    assert "\ncreated 2, skipped 0, failed 0\n" in said
    made = masks_of(site, version)
    assert made.keys() == {1, 2} and site.shown_version == version
    for number, results in made.items():
        check_masks(results, scenes[number].scene)
        assert {result["type"] for result in results} == {"brushlabels"}

    again = run("--from-boxes", boxes)
    assert version_in(again) == version and "\ncreated 0, skipped 2, failed 0\n" in again

    tasks = [
        {"id": number, "data": site.tasks[number], "annotations": [{"id": number, "result": results}]}
        for number, results in made.items()
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    (tmp_path / "config.xml").write_text(XML)
    files = ["--file", str(tmp_path / "tasks.json"), "--config", str(tmp_path / "config.xml")]
    assert export([*files, "--out", str(tmp_path / "out")]) == 0
    given, back = (json.loads(path.read_text()) for path in (boxes, tmp_path / "out" / "instances.json"))
    assert len(back["annotations"]) == count
    names = [{one["id"]: one["name"] for one in document["categories"]} for document in (given, back)]
    pairs = list(zip(given["annotations"], back["annotations"], strict=True))
    assert all(names[0][one["category_id"]] == names[1][other["category_id"]] for one, other in pairs)
    assert np.mean([box_iou(one["bbox"], other["bbox"]) for one, other in pairs]) >= 0.9


def test_an_export_before_anybody_submits_says_that_there_are_only_predictions(
    run: Run, scenes: dict[int, Picture], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--from-boxes", write_coco(tmp_path / "boxes.json", {1: scenes[1], 2: scenes[2]}))
    assert export(["--project", "3", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "0 masks; 3 tasks not annotated, 0 failed" in said
    assert "these tasks have none; the project has 2 predictions\n    help: Open the tasks" in said


def test_another_file_is_another_version_and_replaces_the_first(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    first = version_in(run("--from-boxes", write_coco(tmp_path / "a.json", scenes)))
    said = run("--from-boxes", write_coco(tmp_path / "b.json", {2: scenes[2]}), "--replace", first)
    second = version_in(said)
    assert second != first
    assert (masks_of(site, first).keys(), masks_of(site, second).keys()) == ({1, 3}, {2})


def test_a_file_of_another_project_is_refused_before_the_models_are_loaded(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.wiring.build_predictor", lambda *_: pytest.fail("the models were loaded"))
    said = run("--from-boxes", write_coco(tmp_path / "a.json", scenes, task_id=77), status=1)
    assert "a.json has no box to make a mask of. None of its 3 images with boxes is in project 3." in said
    assert "is of task 77, which project 3 does not have" in said and "Name the project that the file was made" in said
    assert site.predictions == {}


def test_images_without_a_task_are_named_and_the_others_are_done(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    del site.tasks[3]
    said = run("--from-boxes", write_coco(tmp_path / "a.json", scenes), status=1)
    assert "  1 images have no task:\n    Image 3 " in said and "created 2, skipped 0, failed 0" in said
    assert masks_of(site, version_in(said)).keys() == {1, 2}


def test_results_of_a_detector_are_filtered_by_score_and_renamed(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    item = scenes[1].scene.objects[0]
    name = Path(scenes[1].uri).stem
    entries = [
        {"image_id": name, "category_id": 0, "bbox": xywh(item.mask), "score": 0.9},
        {"image_id": name, "category_id": 0, "bbox": xywh(item.mask), "score": 0.1},
        {"image_id": name, "category_id": 0, "bbox": [SMALL.width + 5, 5, 9, 9], "score": 0.9},
    ]
    results = tmp_path / "predictions.json"
    results.write_text(json.dumps(entries))
    unknown = run("--from-boxes", results, "--min-score", 0.5, status=1)
    assert "Labels of the boxes are in no control for masks: '0' of 2 boxes." in unknown
    said = run("--from-boxes", results, "--min-score", 0.5, "--rename", f"0={item.class_name}")
    assert "2 boxes in 1 tasks" in said and "1 boxes with a score below --min-score are left out" in said
    assert "1 boxes lie outside their image" in said
    (regions,) = [parse_regions(results, CONFIG.images[0]) for results in masks_of(site, version_in(said)).values()]
    assert [region.label for region in regions] == [item.class_name]


def test_rectangles_of_the_project_become_masks_and_tasks_without_one_are_done_when_they_have(
    site: BoxSite, run: Run, scenes: dict[int, Picture]
) -> None:
    site.drawn = {1: rectangles(scenes[1].scene)}
    site._store({"task": 1, "model_version": "detector", "result": rectangles(scenes[1].scene, "p")[:1]})
    site._store({"task": 2, "model_version": "detector", "result": rectangles(scenes[2].scene, "p")})
    said = run("--from-boxes", "project")
    version = version_in(said)
    made = masks_of(site, version)
    assert made.keys() == {1, 2}
    for number, results in made.items():
        check_masks(results, scenes[number].scene)
    notes = [result["meta"]["text"][-1] for result in made[1]]
    assert notes == [f"from box r{place}" for place in range(len(notes))]
    assert made[2][0]["meta"]["text"][-1] == "from box p0"

    site.drawn[3] = rectangles(scenes[3].scene)
    again = run("--from-boxes", "project")
    assert version_in(again) == version and "\ncreated 1, skipped 2, failed 0\n" in again
    assert masks_of(site, version).keys() == {1, 2, 3}


def test_whose_rectangles_count_can_be_said(site: BoxSite, run: Run, scenes: dict[int, Picture]) -> None:
    site.drawn = {1: rectangles(scenes[1].scene)}
    site._store({"task": 1, "model_version": "detector", "result": rectangles(scenes[1].scene, "p")})
    site._store({"task": 2, "model_version": "other", "result": rectangles(scenes[2].scene, "q")})
    notes = {}
    for of in ("annotations", "predictions", "other"):
        said = run("--from-boxes", "project", "--boxes-of", of)
        made = masks_of(site, version_in(said))
        notes[of] = {number: results[0]["meta"]["text"][-1] for number, results in made.items()}
    assert notes == {
        "annotations": {1: "from box r0"},
        "predictions": {1: "from box p0", 2: "from box q0"},
        "other": {2: "from box q0"},
    }
    said = run("--from-boxes", "project", "--boxes-of", "nobody", status=1)
    assert "No task of project 3 has a prediction of version nobody." in said and "detector" in said


def test_a_project_without_rectangles_is_refused_with_what_to_look_at(run: Run) -> None:
    assert "No task of project 3 has a rectangle to make a mask of." in run("--from-boxes", "project", status=1)


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if the models are loaded."""
    monkeypatch.setattr("backend.wiring.build_predictor", lambda *_: pytest.fail("The models were loaded."))


@pytest.mark.usefixtures("unloaded")
def test_renaming_a_label_that_no_box_has_is_refused_before_the_models_load(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    name = scenes[1].scene.objects[0].class_name
    typo = name + "s"
    site.drawn = {1: rectangles(scenes[1].scene)}
    for source in ("project", write_coco(tmp_path / "a.json", {1: scenes[1]})):
        said = run("--from-boxes", source, "--rename", f"{typo}={name}", status=1)
        reason = f"--rename {typo}={name} changes nothing: no box has the label {typo!r} (did you mean {name!r}?)."
        assert f"error: {reason}\n  help: The labels of boxes are " in said
        assert name in said.partition("The labels of boxes are ")[2]
    assert site.predictions == {}


def test_a_label_that_boxes_may_have_may_be_renamed_even_if_none_of_them_has_it(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    site.drawn = {1: rectangles(scenes[1].scene)}
    unused = next(name for name in CLASS_NAMES if name not in {one.class_name for one in scenes[1].scene.objects})
    for source in ("project", write_coco(tmp_path / "a.json", {1: scenes[1]})):
        run("--from-boxes", source, "--rename", f"{unused}=red", "--dry-run", "--sheet", tmp_path / "a.html")


def change_annotations(path: Path, **changed: object) -> Path:
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"annotations": [one | changed for one in document["annotations"]]}))
    return path


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize(
    ("changed", "options", "reason", "remedy"),
    [
        ({"iscrowd": 1}, [], "{n} boxes are of groups of objects (iscrowd).", "give each its own box, with iscrowd 0."),
        (
            {"bbox": [5, 5, 0, 0]},
            [],
            "{n} boxes cannot be used. Annotation 1 of a.json has the bbox",
            "Correct the file.",
        ),
        ({"score": 0.2}, ["--min-score", 0.5], "{n} boxes have a score below --min-score.", "Lower --min-score."),
    ],
)
def test_a_file_whose_boxes_are_all_left_out_says_why_and_what_to_do_about_that(
    run: Run,
    scenes: dict[int, Picture],
    tmp_path: Path,
    changed: dict[str, object],
    options: list[object],
    reason: str,
    remedy: str,
) -> None:
    path = change_annotations(write_coco(tmp_path / "a.json", {1: scenes[1]}), **changed)
    said = run("--from-boxes", path, *options, status=1)
    error, help_ = said[said.index("error: ") :].split("\n  help: ")
    start = f"error: {path} has no box to make a mask of. "
    assert error.startswith(start + reason.format(n=len(scenes[1].scene.objects)))
    assert help_.endswith(f"{remedy}\n") and "project" not in help_


@pytest.mark.usefixtures("unloaded")
def test_a_file_without_boxes_says_so(run: Run, scenes: dict[int, Picture], tmp_path: Path) -> None:
    results = tmp_path / "predictions.json"
    results.write_text("[]")
    for path in (results, write_coco(tmp_path / "a.json", {})):
        said = run("--from-boxes", path, status=1)
        assert f"error: {path} has no box to make a mask of.\n  help: Name a COCO data set with" in said


@pytest.mark.usefixtures("unloaded")
def test_rectangles_that_are_all_below_the_score_are_not_said_to_be_missing(
    site: BoxSite, run: Run, scenes: dict[int, Picture]
) -> None:
    results = [one | {"score": 0.2} for one in rectangles(scenes[1].scene)]
    site._store({"task": 1, "model_version": "detector", "result": results})
    said = run("--from-boxes", "project", "--min-score", 0.5, status=1)
    assert f"{len(results)} boxes have a score below --min-score.\n  help: Lower --min-score. Draw some" in said


def test_boxes_of_resized_pictures_fail_with_the_reason(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    said = run("--from-boxes", write_coco(tmp_path / "a.json", {1: scenes[1]}, width=640, height=480), status=1)
    (path,) = re.findall("^Each task that failed or is gone, with its reason: (.*)$", said, re.MULTILINE)
    with Path(path).open(encoding="utf-8", newline="") as file:
        (_, row) = csv.reader(file)
    assert row[:2] == ["1", "failed"]
    assert "The boxes are of an image of 640x480 pixels, but" in row[3] and "320x240" in row[3]


def test_a_dry_run_shows_tasks_with_boxes_and_imports_nothing(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    boxes, sheet = write_coco(tmp_path / "a.json", {2: scenes[2]}), tmp_path / "sheet.html"
    said = run("--from-boxes", boxes, "--dry-run", "--sample", 5, "--sheet", sheet)
    assert "1 of 1 tasks, 0 of them failed" in said and site.predictions == {}
    content = sheet.read_text()
    assert scenes[2].scene.objects[0].class_name in content and "-boxes-" in content


@pytest.mark.slow
def test_workers_make_the_masks_of_the_same_boxes(
    site: BoxSite, run: Run, scenes: dict[int, Picture], tmp_path: Path
) -> None:
    said = run("--from-boxes", write_coco(tmp_path / "a.json", scenes), "--workers", 1)
    made = masks_of(site, version_in(said))
    assert made.keys() == {1, 2, 3}
    for number, results in made.items():
        check_masks(results, scenes[number].scene)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--from-boxes", "a.json", "--text", "car"], "--text has no effect on the masks of boxes."),
        (["--from-boxes", "a.json", "--text-from-labels"], "--text-from-labels has no effect on the masks of boxes."),
        (["--from-boxes", "a.json", "--keep", "best"], "--keep has no effect on the masks of boxes."),
        (["--from-boxes", "a.json", "--boxes-of", "v"], "--boxes-of is for the boxes of a project."),
        (["--from-boxes", "project", "--coco-images", "i.json"], "--coco-images is for the boxes of a file."),
        (["--from-boxes", "project", "--by-name"], "--by-name is for the boxes of a file."),
        (["--min-score", "0.5"], "--min-score is for boxes."),
        (["--rename", "a=b"], "--rename is for boxes."),
        (["--from-boxes", "a.json", "--rename", "a"], "--rename a has no name before and after a =."),
        (["--from-boxes", "no such file"], "no such file cannot be read: No such file or directory."),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: Run, site: BoxSite, options: list[str], says: str) -> None:
    assert says in run(*options, status=1)
    assert site.predictions == {}


@pytest.mark.parametrize(("has_others", "hides"), [(True, True), (False, False)])
def test_an_empty_prediction_of_boxes_does_not_hide_others(has_others: bool, hides: bool) -> None:
    project = CheckedProject("3", "Boxes", XML, CONFIG, ConfigLimits(), ProjectSettings(), None)
    empty = Outcome({"id": 1, "has_others": has_others}, {"result": [], "score": 0.0})
    assert RunPlan(project, FromBoxes({}), "demo").hides_others(empty) == hides
