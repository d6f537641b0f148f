"""The record of an output folder: whatever moment a run is killed at, the next one neither repeats nor doubles."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.errors import BadSettings, ExportError
from backend.export import Segment
from backend.folders import FolderImage, FolderRecord, ImageLimits, Layout, OutputWriter
from backend.folders import image_outputs as outputs
from backend.folders import run_record as records
from backend.folders.image_files import open_image
from backend.folders.image_outputs import ImageResults
from tests.fakes import png

LIMITS = ImageLimits(10**6, 10**6, 50)
SETTINGS = {"labels": ["car", "bus"], "keep": ()}


@pytest.fixture
def image(tmp_path: Path) -> FolderImage:
    (tmp_path / "a.png").write_bytes(png(20, 10))
    return FolderImage(tmp_path / "a.png", "street/a.png")


def results(image: FolderImage, *labels: str, confidence: float = 0.9) -> ImageResults:
    mask = np.zeros((10, 20), bool)
    mask[2:6, 3:9] = True
    segments = [Segment(mask, label, f"{image.image_id}-{n:02}", confidence) for n, label in enumerate(labels, 1)]
    return ImageResults(open_image(image, LIMITS), segments, mask)


def writer(record: FolderRecord, *, by_label: bool = False) -> OutputWriter:
    return OutputWriter(record, ["car", "bus"], Layout(by_label, "/images/", "demo-1"))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_image_is_done_until_its_file_changes(tmp_path: Path, image: FolderImage) -> None:
    record = FolderRecord(tmp_path / "out")
    assert not record.is_done(image)
    writer(record).write(results(image, "car"))
    assert record.is_done(image)
    os.utime(image.path, ns=(1, 1))
    assert not record.is_done(image)


class Killed(BaseException):
    """The process ends here."""


def dies_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the process end at the n-th file, which is left half-written beside its place; returns a counter."""
    count = 0

    def wrap(write: Callable[..., None]) -> Callable[..., None]:
        def counted(path: Path, *arguments: object, **options: object) -> None:
            nonlocal count
            count += 1
            if count == step:
                path.parent.mkdir(parents=True, exist_ok=True)
                (path.parent / ".half.part").write_bytes(b"half")
                raise Killed
            write(path, *arguments, **options)

        return counted

    monkeypatch.setattr(outputs, "write_bytes", wrap(outputs.write_bytes))
    monkeypatch.setattr(records, "write_bytes", wrap(records.write_bytes))
    return lambda: count


@pytest.mark.parametrize("by_label", [False, True])
def test_a_run_that_is_killed_at_any_file_leaves_nothing_behind(
    tmp_path: Path, image: FolderImage, by_label: bool
) -> None:
    """The second attempt finds other segments, so that anything left of the first one shows."""
    undisturbed = tmp_path / "undisturbed"
    with pytest.MonkeyPatch.context() as patch:
        written = dies_at(0, patch)
        writer(FolderRecord(undisturbed), by_label=by_label).write(results(image, "bus", confidence=0.5))
        files = written()
    assert files == 5  # a record, a segment, the overlay, the cut-out, the record again
    for step in range(1, files + 2):
        folder = tmp_path / f"killed-at-{step}"
        record = FolderRecord(folder)
        with pytest.MonkeyPatch.context() as patch:
            dies_at(step, patch)
            with pytest.raises(Killed):
                writer(record, by_label=by_label).write(results(image, "car", "bus"))
        assert not record.is_done(image)
        writer(record, by_label=by_label).write(results(image, "bus", confidence=0.5))
        left = tree(folder)
        left.pop(f".label_folder/images/{image.image_id[:2]}/.half.part", None)  # beside the records it does no harm
        assert left == tree(undisturbed), f"killed at {step}"


def test_the_results_of_a_changed_image_replace_the_earlier_ones(tmp_path: Path, image: FolderImage) -> None:
    record = FolderRecord(tmp_path / "out")
    writer(record).write(results(image, "car", "bus"))
    os.utime(image.path, ns=(1, 1))
    writer(record).write(results(image, "bus", confidence=0.5))
    names = sorted(path.name for path in (record.folder / "segments").rglob("*.png") if path.is_file())
    assert names == [f"bus_{image.image_id}-01_0.50.png"]


def test_a_damaged_record_means_that_the_image_is_made_again(tmp_path: Path, image: FolderImage) -> None:
    record = FolderRecord(tmp_path / "out")
    writer(record).write(results(image, "car"))
    (path,) = (record.folder / ".label_folder" / "images").rglob("*.json")
    path.write_text(path.read_text()[:40])
    assert not record.is_done(image)
    assert list(record.read_done([image])) == []


def test_a_record_from_elsewhere_deletes_nothing_elsewhere(tmp_path: Path, image: FolderImage) -> None:
    record = FolderRecord(tmp_path / "out")
    writer(record).write(results(image, "car"))
    (path,) = (record.folder / ".label_folder" / "images").rglob("*.json")
    for name in (str(image.path), "../a.png"):
        path.write_text(json.dumps({"state": "writing", "files": [name]}))
        record.begin(image, [])
        assert image.path.exists()


def test_a_folder_is_continued_with_the_same_settings_only(tmp_path: Path) -> None:
    record = FolderRecord(tmp_path / "out")
    record.begin_run(SETTINGS)
    FolderRecord(tmp_path / "out").begin_run({"keep": [], "labels": ["car", "bus"]})
    message = (
        r'out has results with other settings: labels was \["car", "bus"\] and is \["car"\] \(and keep\). '
        "Choose another --out, or delete these results with --start-over."
    )
    with pytest.raises(BadSettings, match=message):
        record.begin_run({"labels": ["car"], "keep": ["car"]})


def test_a_folder_with_other_files_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match=r"has files that were not written by this command. Choose an empty or a new"):
        FolderRecord(tmp_path).begin_run(SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    FolderRecord(tmp_path).begin_run(SETTINGS)
    assert FolderRecord(tmp_path).read_settings() == {"labels": ["car", "bus"], "keep": []}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ExportError, match=r"out is a file. Choose a folder with --out"):
        FolderRecord(tmp_path / "out").read_settings()
    deeper = FolderRecord(tmp_path / "out" / "deeper")
    with (
        pytest.raises(ExportError, match=r"deeper cannot be written: Not a directory. Make it writable"),
        deeper.locked(),
    ):
        pass


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    record = FolderRecord(tmp_path / "out")
    record.begin_run(SETTINGS)
    (tmp_path / "out" / ".label_folder" / "run.json").write_text('{"labels": [')
    with pytest.raises(ExportError, match=r"run.json is damaged: .* Start over with --start-over"):
        record.read_settings()


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    first, second = FolderRecord(tmp_path / "out"), FolderRecord(tmp_path / "out")
    with first.locked():
        message = r"Another process is writing into .*out. Wait until it ends"
        with pytest.raises(ExportError, match=message), second.locked():
            pass
        assert second.read_settings() is None  # the lock alone makes it nobody's
    with second.locked():
        pass


def test_starting_over_deletes_only_what_was_written(tmp_path: Path, image: FolderImage) -> None:
    record = FolderRecord(tmp_path / "out")
    record.begin_run(SETTINGS)
    writer(record).write(results(image, "car"))
    (record.folder / "notes.txt").write_text("mine")
    (record.folder / "predictions-2.json").write_text("[]")
    record.delete_results(["segments", "overlays", "cutouts", "predictions*.json"])
    assert set(tree(record.folder)) == {"notes.txt"}
