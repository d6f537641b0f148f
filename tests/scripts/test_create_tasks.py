"""`--create-tasks` against a Label Studio over HTTP: each image gets one task, whatever happens on the way."""

from __future__ import annotations

import io
import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.bulk import RunFolder, hold_lock, identify_run
from scripts.import_annotations import main
from tests.bulk.fake_label_studio import PROJECT
from tests.bulk.fault_proxy import DELAY, DROP, DROP_UNSENT, LOSE, REFUSE, FaultProxy
from tests.importing.projects import LABELS
from tests.importing.site import ImportSite
from tests.servers import LocalServer
from tests.tokens import LEGACY

Json = dict[str, Any]
SQUARE = [4, 4, 12, 4, 12, 12, 4, 12]


def picture(width: int = 32, height: int = 24, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, kind)
    return file.getvalue()


class Command:
    """The command, with the site that it imports into and what it printed last."""

    def __init__(self, site: ImportSite, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.site, self.folder, self._capsys = site, folder, capsys
        self.out = self.errors = ""

    def write(self, *images: str | Json, **pictures: bytes) -> Path:
        """Write a COCO file, each image with one region, and pictures of all names that do not look like addresses."""
        documents: list[Json] = []
        for number, image in enumerate(images, start=1):
            given = {"file_name": image} if isinstance(image, str) else image
            documents.append({"id": number, "width": 32, "height": 24, **given})
        for name in (one["file_name"] for one in documents if ":" not in one["file_name"]):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture())
        annotations = [
            {"id": one["id"], "image_id": one["id"], "category_id": 1, "segmentation": [SQUARE]} for one in documents
        ]
        path = self.folder / "instances.json"
        categories = [{"id": 1, "name": "red"}]
        path.write_text(json.dumps({"images": documents, "annotations": annotations, "categories": categories}))
        return path

    def run(self, path: Path, *options: str, format_name: str = "coco", create: str = "--create-tasks") -> int:
        status = main(["--project", PROJECT, "--format", format_name, str(path), *filter(None, [create]), *options])
        captured = self._capsys.readouterr()
        self.out, self.errors = captured.out, captured.err
        return status

    def tasks(self) -> list[str]:
        """The addresses of the project's tasks, those of uploaded pictures without the eight digits."""
        uris = [str(data["image"]) for data in self.site.tasks.values()]
        return [uri.rpartition("/")[2][9:] if uri.startswith("/data/upload") else uri for uri in uris]

    def predicted(self) -> list[int]:
        return sorted(one["task"] for one in self.site.predictions.values())


@pytest.fixture
def command(
    start_server: Callable[[], LocalServer],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    site, server = ImportSite(), start_server()
    site.serve(server)
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", LEGACY)
    monkeypatch.setenv("RUNS_DIR", str(tmp_path / "runs"))
    folder = tmp_path / "set"
    folder.mkdir()
    return Command(site, folder, capsys)


@pytest.fixture
def proxy(command: Command, start_server: Callable[[], LocalServer], monkeypatch: pytest.MonkeyPatch) -> FaultProxy:
    """A proxy between the command and its site."""
    server, proxy = start_server(), FaultProxy(os.environ["LABEL_STUDIO_URL"])
    proxy.serve(server)
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    return proxy


def test_pictures_become_tasks_with_predictions_once_however_often_it_runs(command: Command) -> None:
    path = command.write("a.png", "b c.png", "deep/d.png")
    assert command.run(path) == 0
    assert "3 images: 0 matched to tasks, 3 without one, 0 not" in command.out
    assert "created 3 tasks, failed 0" in command.out and "created 3, skipped 0, failed 0" in command.out
    assert command.tasks() == ["a.png", "b_c.png", "d.png"]
    assert command.site.uploads["b_c.png"] == (command.folder / "b c.png").read_bytes()
    assert command.predicted() == [1, 2, 3]
    assert command.run(path) == 0
    assert "3 images: 3 matched to tasks, 0 not" in command.out and "created 0, skipped 3" in command.out
    assert len(command.site.tasks) == 3
    assert command.run(path, "--model-version", "another", create="") == 0
    assert command.predicted() == [1, 1, 2, 2, 3, 3]


def test_annotations_of_new_tasks_are_created_in_the_same_run(command: Command) -> None:
    assert command.run(command.write("a.png", "b.png"), "--as", "annotations") == 0
    assert {task: len(own) for task, own in command.site.submitted.items()} == {1: 1, 2: 1}
    assert command.site.submitted[1][0]["result"][0]["value"]["brushlabels"] == ["red"]


def test_without_the_option_images_without_a_task_are_named(command: Command) -> None:
    assert command.run(command.write("a.png"), create="") == 1
    assert "no task of project 3 shows a picture of the name a.png. Add --create-tasks, or import" in command.out
    assert "were not compared" not in command.out
    assert command.site.sent() == []


UPLOADED = "/data/upload/3/0a1b2c3d-b.png"


def test_only_missing_images_become_tasks(command: Command) -> None:
    command.site.tasks = {7: {"image": "s3://birds/a.png"}, 9: {"image": UPLOADED}}
    command.site.files[UPLOADED] = picture()
    assert command.run(command.write("a.png", "b.png", "c.png")) == 0
    assert "3 images: 2 matched to tasks, 1 without one, 0 not" in command.out
    assert command.tasks() == ["s3://birds/a.png", "b.png", "c.png"]
    assert command.predicted() == [7, 9, 10]


def test_pictures_that_were_matched_by_their_names_are_said_not_to_be_compared(command: Command) -> None:
    command.site.tasks = {7: {"image": "s3://birds/a.png"}, 9: {"image": UPLOADED}}
    path = command.write("a.png", "b.png", {"file_name": "s3://birds/c.png"})
    command.site.tasks[10] = {"image": "s3://birds/c.png"}  # the same address is the same picture
    (command.folder / "b.png").unlink()
    assert command.run(path) == 0
    assert "2 images were matched to tasks by the names of their pictures; the pictures were not" in command.out
    assert command.run(command.write("new.png")) == 0
    assert "were not compared" not in command.out


def compressed(width: int, height: int, seed: int, kind: str) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--as", "annotations"]])
def test_another_picture_of_the_same_name_is_an_error_and_nothing_is_sent(
    command: Command, kind: str, options: list[str]
) -> None:
    """Both pictures have the same size in pixels; as BMP in bytes, too."""
    path = command.write("b.png", "new.png")
    (command.folder / "b.png").write_bytes(compressed(32, 24, 1, kind))
    command.site.tasks = {9: {"image": UPLOADED}}
    for stored in (compressed(32, 24, 2, kind), compressed(32, 24, 1, kind) + b"x", compressed(32, 24, 1, kind)[:-1]):
        command.site.files[UPLOADED] = stored
        assert command.run(path, *options) == 1
        assert "1 picture is not that of the task with its name, so nothing was sent" in command.errors
        assert f'image 1 ("b.png") is {command.folder}/b.png, but task 9 shows {UPLOADED}' in command.errors
        assert "help: Import into a project of its own" in command.errors
    assert command.site.sent() == []
    command.site.files[UPLOADED] = (command.folder / "b.png").read_bytes()
    assert command.run(path, *options) == 0
    assert "were not compared" not in command.out


def test_a_small_picture_in_place_of_a_large_one_is_another(command: Command) -> None:
    path = command.write("b.png")
    (command.folder / "b.png").write_bytes(compressed(32, 24, 1, "PNG"))
    command.site.tasks = {9: {"image": UPLOADED}}
    command.site.files[UPLOADED] = picture()
    assert len(picture()) < 1024 < (command.folder / "b.png").stat().st_size
    assert command.run(path) == 1
    assert "1 picture is not that of the task" in command.errors


def test_many_other_pictures_are_counted(command: Command) -> None:
    names = [f"{n}.png" for n in range(5)]
    assert command.run(command.write(*names)) == 0
    command.write(*names)
    for name in names:
        (command.folder / name).write_bytes(picture(kind="GIF"))
    assert command.run(command.folder / "instances.json", "--model-version", "another") == 1
    assert "5 pictures are not those of the tasks with their names" in command.errors
    assert "; and 2 more." in command.errors
    assert command.run(command.folder / "instances.json", "--model-version", "another", create="") == 0
    assert len(command.predicted()) == 10


def test_an_address_that_only_looks_like_an_upload_is_not_asked(command: Command) -> None:
    command.site.tasks = {9: {"image": "/data/upload/3/../../api/users/b.png"}}
    command.site.files["/data/upload/3/../../api/users/b.png"] = b"another"
    assert command.run(command.write("b.png")) == 0
    assert "1 images were matched to tasks by the names of their pictures; the pictures were not" in command.out


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_picture_that_label_studio_does_not_give_is_not_compared(command: Command, status: int) -> None:
    command.site.tasks, command.site.files = {9: {"image": UPLOADED}}, {UPLOADED: status}
    assert command.run(command.write("b.png")) == 0
    assert "1 images were matched to tasks by the names of their pictures; the pictures were not" in command.out


def test_an_empty_file_is_not_compared(command: Command) -> None:
    command.site.tasks, command.site.files = {9: {"image": UPLOADED}}, {UPLOADED: picture()}
    path = command.write("b.png")
    (command.folder / "b.png").write_bytes(b"")
    assert command.run(path) == 0
    assert "1 images were matched to tasks by the names of their pictures; the pictures were not" in command.out


def test_pictures_are_compared_after_an_outage(command: Command) -> None:
    command.site.tasks, command.site.files = {9: {"image": UPLOADED}}, {UPLOADED: 503}

    def come_back(request: str) -> None:
        if command.site.requests.count("GET projects/3") == 2:  # the first one comes at the start
            command.site.files[UPLOADED] = picture(kind="GIF")

    command.site.at_request = come_back
    assert command.run(command.write("b.png")) == 1
    assert "1 picture is not that of the task" in command.errors


@pytest.mark.parametrize("kind", ["predictions", "annotations"])
def test_a_dry_run_says_how_many_tasks_there_would_be_and_sends_nothing(command: Command, kind: str) -> None:
    command.site.tasks = {7: {"image": "s3://birds/a.png"}}
    path = command.write("a.png", "b.png", "c.png", "d.png")
    (command.folder / "d.png").write_bytes(b"no picture")
    assert command.run(path, "--dry-run", "--as", kind) == 1
    assert f"Dry run: would create 2 tasks and 3 {kind}" in command.out
    assert "0 are there, 1 failed" in command.out and "d.png is not an image" in command.out
    assert "regions: 3 red" in command.out
    assert command.site.sent() == []


@pytest.mark.parametrize(
    ("image", "address"),
    [
        ({"file_name": "1.jpg", "coco_url": "http://images.example/2.jpg"}, "http://images.example/2.jpg"),
        ({"file_name": "1.jpg", "flickr_url": "http://flickr.example/3_z.jpg"}, "http://flickr.example/3_z.jpg"),
        ({"file_name": "s3://birds/a b.jpg"}, "s3://birds/a b.jpg"),
        ({"file_name": "gs://birds/a.jpg", "coco_url": "/data/upload/1/a.jpg"}, "gs://birds/a.jpg"),
    ],
)
def test_an_address_of_the_file_becomes_the_data_of_the_task(command: Command, image: Json, address: str) -> None:
    path = command.write(image)
    for _ in range(2):
        assert command.run(path) == 0
    assert command.tasks() == [address]
    assert command.predicted() == [1]
    assert command.site.uploads == {}


def test_a_named_folder_goes_before_addresses(command: Command) -> None:
    image = {"file_name": "1.png", "coco_url": "http://images.example/1.png"}
    path = command.write(image)
    assert command.run(path, "--images", str(command.folder)) == 0
    assert command.tasks() == ["1.png"]


@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("s3://birds/photos", "s3://birds/photos/val/a b.png"),
        ("https://birds.example/", "https://birds.example/val/a%20b.png"),
        ("/data/local-files/?d=birds/", "/data/local-files/?d=birds/val/a%20b.png"),
        ("/data/local-files/?d=", "/data/local-files/?d=val/a%20b.png"),
    ],
)
def test_a_prefix_gives_the_addresses(command: Command, prefix: str, address: str) -> None:
    path = command.write("val/a b.png")
    for _ in range(2):
        assert command.run(path, "--image-prefix", prefix) == 0
    assert command.tasks() == [address]
    assert command.site.uploads == {}


def test_pictures_of_the_same_name_are_told_apart_also_after_a_kill(command: Command) -> None:
    path = command.write("p1/1.png", "p2/1.png", "p3/1.png", "2.png")
    assert command.run(path) == 0
    names = command.tasks()
    assert len(set(names)) == 4 and names[3] == "2.png"
    assert all(name.startswith("1-") for name in names[:3])
    command.site.tasks.pop(2)  # as if the run had been killed before it
    command.site.tasks.pop(3)
    assert command.run(path) == 0
    assert "4 images: 2 matched to tasks, 2 without one, 0 not" in command.out
    assert sorted(command.tasks()) == sorted(names)
    assert command.run(path, "--model-version", "another", create="") == 0
    by_task = {one["task"]: one for one in command.site.predictions.values() if one["model_version"] == "another"}
    assert len(by_task) == 4


def test_addresses_of_the_same_name_are_told_apart_also_after_a_kill(command: Command) -> None:
    path = command.write("p1/1.png", "p2/1.png", "p3/1.png")
    command.site.tasks = {7: {"image": "s3://birds/p1/1.png"}, 8: {"image": "s3://birds/p3/1.png"}}
    assert command.run(path, "--image-prefix", "s3://birds/") == 0
    assert "3 images: 2 matched to tasks, 1 without one, 0 not" in command.out
    assert command.site.tasks[9] == {"image": "s3://birds/p2/1.png"}
    assert command.predicted() == [7, 8, 9]


def test_two_images_with_one_picture_are_named_and_make_no_task(command: Command) -> None:
    path = command.write("a.png", "a.png", "b.png")
    assert command.run(path) == 1
    assert "2 images of the data set have the same picture" in command.out
    assert 'image 1 ("a.png"), image 2 ("a.png")' in command.out
    assert command.tasks() == ["b.png"]


def test_pictures_that_cannot_be_uploaded_are_named_and_the_others_are(command: Command) -> None:
    names = ("gone.png", "broken.png", "small.png", "old.tif", "good.png")
    path = command.write(*names)
    (command.folder / "gone.png").unlink()
    (command.folder / "broken.png").write_bytes(b"<html>")
    (command.folder / "small.png").write_bytes(picture(16, 12))
    assert command.run(path) == 1
    assert f'Image 1 ("gone.png"): there is no picture gone.png in {command.folder}.' in command.out
    assert "broken.png is not an image" in command.out
    assert 'Image 3 ("small.png") is 32x24 in the data set, but its picture' in command.out
    assert 'Image 4 ("old.tif"): Label Studio takes no .tif' in command.out
    assert command.tasks() == ["good.png"] and command.predicted() == [1]


def test_a_file_does_not_lead_out_of_the_folder(command: Command) -> None:
    (command.folder.parent / "secret.png").write_bytes(picture())
    path = command.write({"file_name": "x.png"})
    for name in ("../secret.png", str(command.folder.parent / "secret.png")):
        path.write_text(path.read_text().replace("x.png", name))
        assert command.run(path) == 1
        assert "there is no picture secret.png" in command.out
    assert command.site.sent() == []


def test_a_picture_that_label_studio_refuses_costs_only_itself_and_is_named(command: Command) -> None:
    path = command.write("a.png", "large.png", "c.png", "refused.png", "e.png")
    (command.folder / "large.png").write_bytes(picture() + bytes(900_000))
    command.site.max_upload_bytes = 800_000
    assert command.run(path) == 1  # without a wait: the settle time is longer than the test may take
    assert 'image 2 ("large.png") (0.9 MB): Label Studio at' in command.out
    assert 'image 4 ("refused.png") (0.0 MB): Label Studio at' in command.out
    assert "refused.png is not supported" in command.out and "created 3 tasks, failed 2" in command.out
    assert command.tasks() == ["a.png", "c.png", "e.png"] and command.predicted() == [1, 2, 3]


def test_without_permission_it_stops_and_says_so(command: Command) -> None:
    command.site.import_status = 403
    assert command.run(command.write(*(f"{n}.png" for n in range(60)))) == 1
    assert "refused 5 new tasks in a row" in command.errors
    assert "You do not have permission to perform this action." in command.errors
    assert command.site.tasks == {} and len(command.site.sent()) < 20


@pytest.mark.parametrize("fault", [LOSE, DROP, DROP_UNSENT, REFUSE, DELAY])
@pytest.mark.parametrize("options", [[], ["--image-prefix", "s3://birds/"]])
def test_a_lost_answer_doubles_no_task(command: Command, proxy: FaultProxy, fault: str, options: list[str]) -> None:
    proxy.faults = deque([fault])
    settle_seconds = "20" if fault == DELAY else "0.3"
    status = command.run(command.write("a.png", "b.png"), "--settle-seconds", settle_seconds, *options)
    proxy.wait_for_late()
    assert status == 0 and "created 2 tasks, failed 0" in command.out
    assert len(command.site.tasks) == 2 and command.predicted() == [1, 2]


def test_tasks_whose_answers_are_all_lost_are_in_doubt(command: Command, proxy: FaultProxy) -> None:
    proxy.faults = deque([DROP_UNSENT] * 3)
    path = command.write("a.png", "b.png")
    assert command.run(path, "--settle-seconds", "0") == 1
    assert 'not known whether there are tasks for 2 images, such as image 1 ("a.png"), image 2' in command.errors
    assert command.run(path) == 0
    assert command.tasks() == ["a.png", "b.png"]


def test_an_outage_in_mid_run_is_waited_for(command: Command) -> None:
    path = command.write(*(f"{n}.png" for n in range(120)))  # three requests
    gone: list[str] = []

    def come_back(request: str) -> None:
        if gone and request == "GET tasks":
            gone.append(request)
            command.site.is_down = len(gone) < 3

    post = command.site._create

    def create(seen: Any) -> Any:
        if len(command.site.tasks) == 50 and not gone:
            gone.append("now")
            command.site.is_down = True
        return post(seen)

    command.site._create, command.site.at_request = create, come_back  # type: ignore[method-assign]
    assert command.run(path, "--settle-seconds", "0") == 0
    assert "created 120 tasks, failed 0" in command.out
    assert len(set(command.tasks())) == 120 and command.predicted() == list(range(1, 121))


def test_a_signal_ends_it_after_the_request_under_way(command: Command) -> None:
    path = command.write(*(f"{n}.png" for n in range(120)))
    post = command.site._create

    def create(seen: Any) -> Any:
        os.kill(os.getpid(), 15)
        return post(seen)

    command.site._create = create  # type: ignore[method-assign]
    assert command.run(path) == 143
    assert "created 50 tasks, failed 0" in command.out
    assert len(command.site.tasks) == 50 and command.site.predictions == {}
    command.site._create = post  # type: ignore[method-assign]
    assert command.run(path) == 0
    assert len(set(command.tasks())) == 120 and len(command.site.predictions) == 120


def test_task_ids_of_the_file_are_ignored(command: Command) -> None:
    command.site.tasks = {1: {"image": "s3://birds/other.png"}}
    path = command.write({"file_name": "a-task1.png", "task_id": 1, "coco_url": "/data/upload/9/0a1b2c3d-a.png"})
    for _ in range(2):
        assert command.run(path) == 0
    assert command.tasks() == ["s3://birds/other.png", "a-task1.png"]
    assert command.predicted() == [2]


def test_label_files_find_their_pictures_and_give_the_ending(command: Command) -> None:
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (command.folder / kind / split).mkdir(parents=True)
        (command.folder / "images" / split / "1.jpg").write_bytes(picture(kind="JPEG"))
        (command.folder / "labels" / split / "1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (command.folder / "data.yaml").write_text("names: [red]\n")
    for _ in range(2):
        assert command.run(command.folder, format_name="yolo-seg") == 0
    names = command.tasks()
    assert len(set(names)) == 2 and all(name.startswith("1-") and name.endswith(".jpg") for name in names)
    command.site.tasks.clear()
    for _ in range(2):
        assert command.run(command.folder, "--image-prefix", "s3://birds", format_name="yolo-seg") == 0
    assert command.tasks() == ["s3://birds/images/train/1.jpg", "s3://birds/images/val/1.jpg"]


def test_masks_find_their_pictures(command: Command) -> None:
    (command.folder / "images").mkdir()
    (command.folder / "images" / "a.jpg").write_bytes(picture(kind="JPEG"))
    (command.folder / "classes.csv").write_text("index,label,red,green,blue\n0,,0,0,0\n1,red,255,0,0\n")
    (command.folder / "a.png").write_bytes(picture())
    assert command.run(command.folder, format_name="masks") == 0
    assert command.tasks() == ["a.jpg"] and command.predicted() == [1]


@pytest.mark.parametrize("key", ["image", "photo"])
def test_the_data_key_is_that_of_the_labeling_config(command: Command, key: str) -> None:
    command.site.label_config = (
        f'<View><Image name="page" value="${key}"/><BrushLabels name="b" toName="page">{LABELS}</BrushLabels></View>'
    )
    assert command.run(command.write({"file_name": "s3://birds/a.png"})) == 0
    assert command.site.tasks == {1: {key: "s3://birds/a.png"}}


@pytest.mark.parametrize(
    ("further", "keys"),
    [
        (
            '<Image name="back" value="$back"/><BrushLabels name="c" toName="back"><Label value="x"/></BrushLabels>',
            "back",
        ),
        ('<Text name="text" value="$caption"/>', "caption"),
    ],
)
def test_a_page_that_needs_more_than_a_picture_is_refused(command: Command, further: str, keys: str) -> None:
    command.site.label_config = (
        f'<View><Image name="i" value="$image"/><BrushLabels name="b" toName="i">{LABELS}</BrushLabels>{further}</View>'
    )
    assert command.run(command.write("a.png")) == 1
    assert f"shows image, {keys} of each task, and a picture alone has only one." in command.errors
    assert command.site.sent() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-prefix", "photos/"], "--image-prefix photos/ is no address"),
        (["--image-prefix", "photos/"], "azure-blob:// or /data/local-files/, or upload files with --images DIR."),
        (["--images", "/nowhere"], "There is no folder /nowhere."),
    ],
)
def test_options_that_do_not_fit_are_told(command: Command, options: list[str], message: str) -> None:
    assert command.run(command.write("a.png"), *options) == 1
    assert message in command.errors
    assert command.site.sent() == []


@pytest.mark.parametrize("options", [["--images", "."], ["--image-prefix", "s3://birds/"]])
def test_places_of_pictures_are_refused_without_new_tasks(command: Command, options: list[str]) -> None:
    assert command.run(command.write("a.png"), *options, create="") == 1
    assert f"{options[0]} says where the pictures of new tasks are, and no task is to be created." in command.errors


def test_pictures_are_sent_some_at_a_time(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    post = command.site._create

    def create(seen: Any) -> Any:
        before = len(command.site.tasks)
        answer = post(seen)
        sizes.append(len(command.site.tasks) - before)
        return answer

    command.site._create = create  # type: ignore[method-assign]
    monkeypatch.setattr("backend.importing.create_tasks.MAX_BYTES", 3 * len(picture()))
    assert command.run(command.write(*(f"{n}.png" for n in range(7)))) == 0
    assert sizes == [3, 3, 1]
    sizes.clear()
    assert command.run(command.write(*(f"a{n}.png" for n in range(1001))), "--image-prefix", "s3://birds") == 0
    assert sizes == [500, 500, 1]


def named(pictures: Mapping[str, bytes], folder: Path) -> None:
    for name, content in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_named_folder_is_searched_and_several_pictures_of_a_name_are_named(command: Command, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    named({"x/a.png": picture(), "x/b.png": picture(), "y/b.png": picture(), "z/train/c.png": picture()}, photos)
    named({"z/val/c.png": picture()}, photos)
    path = command.write("a.png", "b.png", "train/c.png")
    assert command.run(path, "--images", str(photos)) == 1
    assert f'Image 2 ("b.png"): 2 pictures in {photos} may be its own: x/b.png, y/b.png.' in command.out
    assert command.tasks() == ["a.png", "c.png"]


def test_two_runs_that_create_tasks_of_a_project_exclude_each_other(command: Command, tmp_path: Path) -> None:
    path = command.write("a.png")
    identity = identify_run(os.environ["LABEL_STUDIO_URL"], PROJECT, "--create-tasks")
    with hold_lock(RunFolder(tmp_path / "runs", identity)):
        assert command.run(path) == 1
        assert "Another run creates tasks of project 3 (process " in command.errors
        assert "--shard" not in command.errors and "version" not in command.errors
        assert command.site.sent() == []
        assert command.run(path, create="") == 1  # for want of a task
        assert "Another run" not in command.errors
    assert command.run(path) == 0


def test_splits_of_roboflow_have_their_pictures_beside_their_files(command: Command) -> None:
    for split, size in (("train", 32), ("valid", 40)):
        document = json.loads(command.write("1.png").read_text())
        document["images"][0]["width"] = size
        (command.folder / split).mkdir()
        (command.folder / split / "_annotations.coco.json").write_text(json.dumps(document))
        (command.folder / split / "1.png").write_bytes(picture(size))
    (command.folder / "instances.json").unlink()
    for _ in range(2):
        assert command.run(command.folder, "--as", "annotations") == 0
    assert len(set(command.tasks())) == 2
    sizes = [Image.open(io.BytesIO(content)).width for content in command.site.uploads.values()]
    assert sizes == [32, 40]
    drawn = [own[0]["result"][0]["original_width"] for own in command.site.submitted.values()]
    assert drawn == sizes


def test_a_picture_that_is_exactly_there_goes_before_others_of_its_name(command: Command, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    exact = {"1.png": 32, "thumbs/1.png": 8, "images/2.png": 32, "thumbs/2.png": 8, "t/3.png": 32, "s/t/3.png": 8}
    named({name: picture(width) for name, width in exact.items()}, photos)
    assert command.run(command.write("1.png", "2.png", "t/3.png"), "--images", str(photos)) == 0
    assert [Image.open(io.BytesIO(content)).width for content in command.site.uploads.values()] == [32, 32, 32]


def test_two_endings_of_the_same_exact_name_are_still_named(command: Command) -> None:
    label_files(command.folder, "1.jpg", "1.png")
    assert command.run(command.folder, format_name="yolo-seg") == 1
    assert "2 pictures in" in command.out and command.site.tasks == {}


def test_a_folder_that_was_named_is_not_asked_for_again(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert command.run(command.write("a.png"), "--images", str(tmp_path / "empty")) == 1
    assert f"there is no picture a.png in {tmp_path / 'empty'}. It was searched with all folders in it" in command.out


@pytest.mark.parametrize(("orientation", "remedy"), [(6, "Its EXIF orientation turns"), (1, "The picture was resized")])
def test_a_picture_that_exif_turns_is_not_called_resized(command: Command, orientation: int, remedy: str) -> None:
    path, exif = command.write("a.jpg"), Image.Exif()
    exif[0x0112] = orientation
    stored = (32, 24) if orientation == 6 else (24, 32)
    Image.new("RGB", stored).save(command.folder / "a.jpg", exif=exif)
    assert command.run(path) == 1
    assert f"its picture {command.folder / 'a.jpg'} is 24x32. {remedy}" in command.out


def label_files(folder: Path, *pictures: str) -> None:
    """Write a YOLO data set whose only label file is that of picture 1."""
    named({f"images/{name}": picture() for name in pictures}, folder)
    named({"data.yaml": b"names: [red]", "labels/1.txt": b"0 0.5 0.5 0.5 0.5"}, folder)


def test_pictures_without_a_label_file_are_counted(command: Command) -> None:
    label_files(command.folder, "1.png", "2.png", "val/3.JPG", "readme.txt", ".2.png")
    assert command.run(command.folder, format_name="yolo-seg") == 0
    assert "2 pictures have no label file and are left out; an empty label file makes" in command.out
    assert command.tasks() == ["1.png"]
    named({"labels/2.txt": b"", "labels/val/3.txt": b""}, command.folder)
    assert command.run(command.folder, format_name="yolo-seg") == 0
    assert "label file and are left out" not in command.out and len(command.site.tasks) == 3


@pytest.mark.parametrize(
    "table",
    [
        {"classes.csv": b"index,label,red,green,blue\n0,,0,0,0\n1,red,255,0,0\n", "a.png": picture()},
        {"objects.csv": b"file,id,label,region_id\na_1.png,1,red,\n", "a_1.png": picture()},
    ],
)
def test_pictures_without_a_mask_are_counted(command: Command, table: Mapping[str, bytes]) -> None:
    named({**table, "images/a.png": picture(), "images/b.png": picture()}, command.folder)
    assert command.run(command.folder, format_name="masks") == 0
    assert "1 pictures in images have no mask and are left out" in command.out
    assert command.tasks() == ["a.png"]


def test_the_usual_layout_of_coco(command: Command) -> None:
    for split in ("train2017", "val2017"):
        (command.folder / "annotations").mkdir(exist_ok=True)
        image = {"file_name": f"{split}.png", "coco_url": f"http://images.example/{split}.png"}
        command.write(image).rename(command.folder / "annotations" / f"instances_{split}.json")
        named({f"{split}/{split}.png": picture()}, command.folder)
        (command.folder / f"{split}.png").unlink()
    assert command.run(command.folder / "annotations", "--images", str(command.folder)) == 0
    assert command.tasks() == ["train2017.png", "val2017.png"] and command.predicted() == [1, 2]
