"""The command `label_folder` from its options to its files, with models that find three squares in every image."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from backend import wiring
from backend.label_studio.config import ConfigLimits, parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.models.registry import DEMO_LEXICON
from backend.predict import TaskPredictor
from backend.values import ImageEmbedding, Pixels
from scripts.label_folder import main
from scripts.labeling_folder.options import build_parser
from tests.export.test_files import small_disk
from tests.fakes import FakeClassifier, FakeDetector, FakeSegmenter, Hall, noise_png, png
from tests.paths import DOCS, ROOT

LABELS = ("--labels", "cat,dog")
SQUARES = [(3, 3), (13, 3), (13, 13)]  # left and top of the fake models' squares of 5 pixels


class InterruptedSegmenter(FakeSegmenter):
    """Models during whose second image somebody presses Ctrl-C."""

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        if len(self.encoded) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return super().encode(pixels)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two images of the same name in different folders, and another one."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("a.png", "street/a.png", "street/b c.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(noise_png(40, 30, number))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    return use(monkeypatch, Hall(classifier=FakeClassifier()))


def use(monkeypatch: pytest.MonkeyPatch, hall: Hall) -> Hall:
    """Let the command load these models."""
    for name in ("IMAGE_MAX_PIXELS", "IMAGE_MAX_BYTES", "MAX_CLASSES"):
        monkeypatch.delenv(name, raising=False)

    def build_predictor(settings: object) -> TaskPredictor:
        return hall.predictor

    monkeypatch.setattr(wiring, "build_predictor", build_predictor)
    return hall


def label(photos: Path, out: Path, *options: str) -> int:
    return main([str(photos), "--out", str(out), *options])


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def segment_names(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out / "segments")) for path in out.rglob("*_*_*.png"))


def test_each_image_gets_its_segments_and_a_picture(photos: Path, out: Path, hall: Hall) -> None:
    assert label(photos, out, *LABELS) == 0
    names = segment_names(out)
    assert len(names) == 9
    assert [Path(name).parent.as_posix() for name in names[::3]] == ["a.png", "street/a.png", "street/b c.png"]
    assert all(Path(name).name.startswith("cat_") and name.endswith("_0.80.png") for name in names)
    first = np.asarray(Image.open(out / "segments" / names[0]))
    left, top = SQUARES[0]
    photo = np.asarray(Image.open(photos / "a.png"))
    np.testing.assert_array_equal(first[..., :3], photo[top : top + 5, left : left + 5])
    assert (first[..., 3] == 255).all()
    assert Image.open(out / "overlays" / "street" / "b c.png.jpg").size == (40, 30)


def test_the_time_of_the_masks_is_told_before_the_first_image(photos: Path, out: Path, hall: Hall, capsys) -> None:
    assert label(photos, out, *LABELS) == 0
    said = capsys.readouterr().out
    assert "images a second (encoder " in said and " for 3 images. Measured in " in said
    assert said.index("Estimated time of the masks") < said.index(f"{out}: ")


def test_no_time_is_told_where_nothing_is_left_or_one_object_is_cut_out(
    photos: Path, out: Path, hall: Hall, capsys
) -> None:
    label(photos, out, *LABELS)
    capsys.readouterr()
    label(photos, out, *LABELS)
    label(photos, out.with_name("cut"), "--background", "remove", "--point", "5,5")
    assert "Estimated time" not in capsys.readouterr().out


def test_a_first_image_that_cannot_be_read_is_why_the_time_is_not_told(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "a.png").write_bytes(b"no image")
    label(photos, out, *LABELS)
    said = capsys.readouterr().out
    assert "The time is not estimated. a.png is not an image: 8 bytes" in said and "Estimated time" not in said


def test_where_a_detector_is_loaded_a_text_keeps_what_is_in_its_boxes(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = {"red car": [((2.0, 3.0, 12.0, 9.0), 0.6)], "dog": [((20.0, 10.0, 30.0, 25.0), 0.5)]}
    detector = FakeDetector(boxes, unreadable=["very long"])
    use(monkeypatch, Hall(detector=detector))
    assert label(photos, out, "--text", "the red car", "--text", "dogs", "--image-url", "https://example.org/") == 0
    assert detector.calls == [("red car", "dog")] * 3
    assert "Estimated time" not in capsys.readouterr().out  # a detector's boxes need no automatic masks
    for task in read(out / "predictions.json"):
        (prediction,) = task["predictions"]
        config = parse_labeling_config((out / "label_config.xml").read_text()).images[0]
        regions = parse_regions(prediction["result"], config)
        assert [(one.label, one.score, int(one.mask.sum())) for one in regions] == [
            ("the red car", 0.6, 60),
            ("dogs", 0.5, 150),
        ]
        assert prediction["model_version"].startswith("fake-1+seer-1-folder-")
    assert label(photos, out / "second", "--text", "very long") == 1


def test_label_studio_and_coco_files_hold_the_same_masks_and_ids(photos: Path, out: Path, hall: Hall) -> None:
    label(photos, out, *LABELS, "--image-url", "https://example.org/pictures/")
    tasks = read(out / "predictions.json")
    assert [task["data"]["image"] for task in tasks] == [
        f"https://example.org/pictures/{name}" for name in ("a.png", "street/a.png", "street/b%20c.png")
    ]
    config = parse_labeling_config((out / "label_config.xml").read_text()).images[0]
    assert [one.name for one in config.answer_classes] == ["cat", "dog"]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(out / "instances.json"))
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    for task, image in zip(tasks, coco.loadImgs(coco.getImgIds()), strict=True):
        (prediction,) = task["predictions"]
        regions = parse_regions(prediction["result"], config)
        entries = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert image["coco_url"] == task["data"]["image"]
        assert [entry["region_id"] for entry in entries] == [region.region_id for region in regions]
        assert [(region.label, region.score) for region in regions] == [("cat", 0.8)] * 3
        assert [entry["score"] for entry in entries] == [0.8] * 3
        for region, entry, (left, top) in zip(regions, entries, SQUARES, strict=True):
            assert (entry["area"], entry["bbox"]) == (25, [left, top, 5, 5])
            np.testing.assert_array_equal(coco.annToMask(entry).astype(bool), region.mask)
        assert prediction["score"] == 0.8
        assert prediction["model_version"].startswith("fake-1-folder-")
    ids = {Path(name).name.split("_")[1] for name in segment_names(out)}
    assert ids == {entry["region_id"] for entry in coco.loadAnns(coco.getAnnIds())}


def test_images_are_local_files_of_label_studio_unless_an_address_is_given(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    label(photos, out, *LABELS)
    assert read(out / "predictions.json")[1]["data"]["image"] == "/data/local-files/?d=photos/street/a.png"
    said = capsys.readouterr().out
    assert f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={photos.parent}," in said
    assert "3 images done, 9 segments (cat 9), 0 failed" in said


def test_statistics_have_a_row_for_each_label(photos: Path, out: Path, hall: Hall) -> None:
    label(photos, out, *LABELS)
    rows = list(csv.DictReader((out / "statistics.csv").open()))
    cat = [rows[0][name] for name in ("label", "images", "count", "total_area", "mean_area", "mean_confidence")]
    assert cat == ["cat", "3", "9", "225", "25.0", "0.8000"]
    assert [rows[1][name] for name in ("label", "count", "mean_area")] == ["dog", "0", ""]


def test_segments_may_lie_in_a_folder_for_each_label(photos: Path, out: Path, hall: Hall) -> None:
    label(photos, out, "--labels", "a/b,a.b", "--by-label")
    assert {Path(name).parent.as_posix() for name in segment_names(out)} == {"a-b"}
    assert len(segment_names(out)) == 9


def test_only_chosen_labels_are_kept(photos: Path, out: Path, hall: Hall) -> None:
    assert label(photos, out, *LABELS, "--keep", "dog") == 0
    assert segment_names(out) == []
    assert [task["predictions"][0]["result"] for task in read(out / "predictions.json")] == [[]] * 3
    assert [task["predictions"][0]["score"] for task in read(out / "predictions.json")] == [0.0] * 3
    assert "dog" in (out / "label_config.xml").read_text() and "cat" not in (out / "label_config.xml").read_text()


def test_a_single_label_is_given_to_everything_with_sams_score(photos: Path, out: Path, hall: Hall) -> None:
    label(photos, out, "--labels", "thing")
    assert all(Path(name).name.startswith("thing_") and name.endswith("_0.90.png") for name in segment_names(out))
    assert len(segment_names(out)) == 9


def test_only_what_a_text_names_is_kept(photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Hall(classifier=FakeClassifier(looks=["red ring", "background", "cat"])))
    assert label(photos, out, "--text", "the red ring", "--text", "cats", *LABELS) == 0
    by_image = [Path(name).name.split("_")[0] for name in segment_names(out)]
    assert by_image == ["cat", "the-red-ring"] * 3  # "cats" is the label "cat"
    assert [one["name"] for one in read(out / "instances.json")["categories"]] == ["cat", "dog", "the red ring", "cats"]


def test_a_second_run_asks_the_models_nothing_and_changes_nothing(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    label(photos, out, *LABELS)
    before = tree(out)
    assert label(photos, out, *LABELS) == 0
    assert len(hall.segmenter.encoded) == 3
    assert tree(out) == before
    assert "3 images done (3 of them before), 9 segments" in capsys.readouterr().out


def test_further_images_join_the_earlier_ones(photos: Path, out: Path, hall: Hall) -> None:
    main([str(photos / "*.png"), "--root", str(photos), "--out", str(out), *LABELS])
    assert len(hall.segmenter.encoded) == 1
    assert label(photos, out, *LABELS) == 0
    assert len(hall.segmenter.encoded) == 3
    assert len(read(out / "predictions.json")) == 3


def test_an_interruption_keeps_what_is_done_and_the_next_run_does_the_rest(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(9):
        (photos / f"more-{number}.png").write_bytes(noise_png(40, 30, 10 + number))
    first = use(monkeypatch, Hall(classifier=FakeClassifier(), segmenter=InterruptedSegmenter()))
    assert label(photos, out, *LABELS) == 130
    said = capfd.readouterr().err
    assert "stopping: the images under way are finished; press Ctrl-C again to end at once" in said
    assert "completed work is kept, run the same command to continue" in said
    done = len(list((out / "overlays").rglob("*.jpg")))
    assert 2 <= done == len(first.segmenter.encoded) < 12  # what was in flight was finished
    second = use(monkeypatch, Hall(classifier=FakeClassifier()))
    assert label(photos, out, *LABELS) == 0
    assert len(second.segmenter.encoded) == 12 - done
    undisturbed = out.with_name("undisturbed")
    label(photos, undisturbed, *LABELS)
    assert results_of(out) == results_of(undisturbed)


def results_of(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(out).items() if not name.startswith(".label_folder/lock")}


SLOW_RUN = """
import sys
from backend import wiring
from scripts.label_folder import main
from scripts.labeling_folder.options import build_parser
from tests.fakes import FakeClassifier, FakeSegmenter, Hall

hall = Hall(classifier=FakeClassifier(), segmenter=FakeSegmenter(encode_seconds=0.1))
wiring.build_predictor = lambda settings: hall.predictor
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("done_before", [0, 2, 7])
def test_a_killed_process_is_continued_without_redoing_or_doubling(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, done_before: int
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(40):
        (photos / f"{number:02}.png").write_bytes(noise_png(40, 30, number))
    argv = [sys.executable, "-c", SLOW_RUN, str(photos), "--out", str(out), *LABELS]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.rglob("*.jpg"))) <= done_before:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = sum('"done"' in path.read_text() for path in (out / ".label_folder" / "images").rglob("*.json"))
    hall = use(monkeypatch, Hall(classifier=FakeClassifier()))
    assert label(photos, out, *LABELS) == 0
    assert len(hall.segmenter.encoded) == 40 - done
    assert done_before <= done < 40
    undisturbed = out.with_name("undisturbed")
    label(photos, undisturbed, *LABELS)
    left = {name: data for name, data in results_of(out).items() if not name.endswith(".part")}
    assert left == results_of(undisturbed)


def test_a_broken_image_does_not_stop_the_others_and_is_tried_again(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_bytes(png(40, 30)[:50])
    (photos / "text.png").write_text("no image")
    assert label(photos, out, *LABELS) == 1
    said = capsys.readouterr().out
    assert "3 images done, 9 segments (cat 9), 2 failed" in said
    assert "\n  broken.png is damaged or truncated after 50 bytes" in said
    rows = list(csv.DictReader((out / "failures.csv").open()))
    assert [row["image"] for row in rows] == ["broken.png", "text.png"]
    assert rows[1]["reason"].startswith("text.png is not an image: 8 bytes")
    assert len(read(out / "predictions.json")) == 3
    (photos / "broken.png").write_bytes(png(40, 30))
    (photos / "text.png").unlink()
    assert label(photos, out, *LABELS) == 0
    assert not (out / "failures.csv").exists()
    assert len(hall.segmenter.encoded) == 4


def test_an_image_that_became_broken_is_no_longer_among_the_results(photos: Path, out: Path, hall: Hall) -> None:
    label(photos, out, *LABELS)
    (photos / "a.png").write_text("no image")
    assert label(photos, out, *LABELS) == 1
    assert [task["data"]["image"][-5:] for task in read(out / "predictions.json")] == ["a.png", "c.png"]


def test_images_of_the_same_content_are_named(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "z.png").write_bytes((photos / "a.png").read_bytes())
    label(photos, out, *LABELS)
    assert "1 images have the same content as an earlier one, for example z.png and a.png" in capsys.readouterr().out
    assert len(segment_names(out)) == 12


def test_a_full_disk_ends_the_run_and_what_was_written_is_kept(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    label(photos, out, *LABELS)
    before = read(out / "predictions.json")
    (photos / "zz.png").write_bytes(noise_png(400, 300, 5))  # its overlay has more than 64 KiB
    with small_disk():
        assert label(photos, out, *LABELS) == 1
    said = capsys.readouterr().err
    assert "zz.png.jpg could not be written: File too large." in said and "--out" in said
    assert read(out / "predictions.json") == before
    assert label(photos, out, *LABELS) == 0
    assert "4 images done (3 of them before)" in capsys.readouterr().out
    assert len(read(out / "predictions.json")) == 4
    assert not list(out.rglob("*.part"))


def test_ten_thousand_labels_are_one_vocabulary(photos: Path, out: Path, hall: Hall, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"class {number}" for number in range(10_000)))
    assert main([str(photos / "a.png"), "--out", str(out), "--labels-file", str(labels)]) == 0
    xml = (out / "label_config.xml").read_text()
    assert len(parse_labeling_config(xml, ConfigLimits(max_classes=10_000)).images[0].answer_classes) == 10_000
    assert Path(segment_names(out)[0]).name.startswith("class-0_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "There are no labels."),
        (("--labels", " , "), "There are no labels."),
        (("--labels", "cat", "--point", "3,4"), "--point and --box say what is cut out, but there is no --background."),
        (("--background", "whitish"), "The background 'whitish' is neither a colour nor an image file."),
        (("--labels", "cat,dog", "--keep", "bird"), "'bird' is to be kept, but is not among the labels: "),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_written(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    assert label(photos, out, *options) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {message}") and "\n  help: " in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--point", "3"), "argument --point: must be X,Y such as 120,80, got '3'"),
        (("--point", "a,b"), "argument --point: must be X,Y such as 120,80, got 'a,b'"),
        (("--box", "1,2,3"), "argument --box: must be LEFT,TOP,RIGHT,BOTTOM such as 10,20,200,180, got '1,2,3'"),
        (("--point", "nan,1"), "argument --point: must be X,Y"),
        (("--soft-edges", "-1"), "argument --soft-edges: must be between 0 and 100, got -1"),
        (("--labels", "a", "--labels-file", "b"), "argument --labels-file: not allowed with argument --labels"),
    ],
)
def test_options_that_cannot_be_parsed_are_refused(
    photos: Path, out: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit):
        label(photos, out, *options)
    assert message in capsys.readouterr().err


def test_labels_that_the_demos_clip_does_not_know_end_it_before_anything_is_written(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, Hall(classifier=FakeClassifier(lexicon=DEMO_LEXICON)))
    assert label(photos, out, "--labels", "red ring,car") == 1
    assert "The demo models know coloured shapes only. They do not know car." in capsys.readouterr().err
    assert not out.exists()


def test_other_settings_need_another_folder_or_a_new_start(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    label(photos, out, *LABELS)
    before = tree(out)
    assert label(photos, out, *LABELS, "--points-per-side", "7") == 1
    assert "other settings: points_per_side was 4 and is 7.\n  help: Choose another --out" in capsys.readouterr().err
    assert tree(out) == before
    assert label(photos, out, "--labels", "dog,cat", "--points-per-side", "7", "--start-over") == 0
    assert read(out / ".label_folder" / "run.json")["points_per_side"] == 7
    assert all(Path(name).name.startswith("dog_") for name in segment_names(out))


def test_a_folder_that_is_not_ours_is_left_alone_even_by_a_new_start(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    (out / "segments").mkdir(parents=True)
    (out / "segments" / "mine.txt").write_text("mine")
    for options in ((), ("--start-over",)):
        assert label(photos, out, *LABELS, *options) == 1
        assert "has files that were not written by this command" in capsys.readouterr().err
    assert tree(out) == {"segments/mine.txt": b"mine"}


def cutout(out: Path, name: str = "a.png") -> np.ndarray:
    return np.asarray(Image.open(out / "cutouts" / f"{name}.png"))


def test_a_clicked_object_is_cut_out_without_any_labels(photos: Path, out: Path, hall: Hall) -> None:
    assert label(photos, out, "--background", "remove", "--point", "20,10", "--soft-edges", "0") == 0
    shown = cutout(out)[..., 3] == 255
    assert shown.sum() == 25 and shown[8:13, 18:23].all()
    assert sorted(path.name for path in out.iterdir()) == [".label_folder", "cutouts"]


def test_an_object_gets_another_background(photos: Path, out: Path, hall: Hall, tmp_path: Path) -> None:
    (tmp_path / "sea.png").write_bytes(png(8, 6, (9, 8, 7)))
    for name, background, colour in (("red", "#ff0000", (255, 0, 0)), ("sea", str(tmp_path / "sea.png"), (9, 8, 7))):
        options = ("--background", background, "--box", "4,5,14,15", "--soft-edges", "0")
        assert label(photos, out / name, *options) == 0
        shown = cutout(out / name, "street/a.png")
        photo = np.asarray(Image.open(photos / "street" / "a.png"))
        np.testing.assert_array_equal(shown[5:15, 4:14], photo[5:15, 4:14])
        shown = shown.copy()
        shown[5:15, 4:14] = colour
        assert (shown == colour).all()


def test_a_point_outside_of_an_image_fails_that_image_only(
    photos: Path, out: Path, hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "wide.png").write_bytes(png(80, 30))
    assert label(photos, out, "--background", "remove", "--point", "60,10") == 1
    said = capsys.readouterr().out
    assert "1 images done, 3 failed" in said
    assert "The point 60,10 lies outside of street/b c.png, which has 40x30 pixels. Give x from 0 to 39" in said


def test_an_image_without_the_named_object_is_counted(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, Hall(classifier=FakeClassifier(looks=["background"])))
    assert label(photos, out, "--background", "remove", "--text", "red ring") == 0
    assert "found nothing to cut out in 3 images" in capsys.readouterr().out
    assert not (out / "cutouts").exists()


def test_labels_have_the_same_colours_in_label_studio_as_in_the_pictures(photos: Path, out: Path, hall: Hall) -> None:
    label(photos, out, "--labels", "red,a & b")
    xml = (out / "label_config.xml").read_text()
    assert '<Label value="red" background="#ff0000"/>' in xml
    assert '<Label value="a &amp; b" background="#' in xml


def test_the_options_in_the_docs_exist_and_its_commands_can_be_parsed() -> None:
    text = (DOCS / "label_folder.md").read_text(encoding="utf-8")
    known = {option for action in build_parser()._actions for option in action.option_strings}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known
    commands = re.findall(r"^\.venv/bin/python -m scripts\.label_folder (.+)$", text, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        build_parser().parse_args(shlex.split(command))


def test_file_names_that_are_not_unicode_are_labeled_and_can_be_shown(
    photos: Path, out: Path, hall: Hall, capfd: pytest.CaptureFixture[str]
) -> None:
    good, bad = (os.fsencode(photos) + name for name in (b"/\xff.png", b"/\xfe.png"))
    for path, data in ((good, noise_png(40, 30, 9)), (bad, b"no image")):
        with open(path, "wb") as file:  # noqa: PTH123 - bytes
            file.write(data)
    assert label(photos, out, *LABELS) == 1
    assert "4 images done, 12 segments (cat 12), 1 failed" in capfd.readouterr().out
    assert b"\xfe.png," in (out / "failures.csv").read_bytes()
    assert [task["data"]["image"][-7:] for task in read(out / "predictions.json")][1] == "%FF.png"
    assert (out / "overlays" / os.fsdecode(b"\xff.png.jpg")).exists()
