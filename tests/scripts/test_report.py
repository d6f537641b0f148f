"""The command `scripts.report`: from an export file to the files on disk, and what it says when it cannot."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.errors import LabelStudioUnavailable
from backend.label_studio.api.client import ProjectInfo
from scripts.report import main
from tests.report.project import CONFIG_XML, annotation, box, brush, five_outcomes, prediction, task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the labeling config and an export of two tasks."""
    (tmp_path / "config.xml").write_text(CONFIG_XML, encoding="utf-8")
    (tmp_path / "animals.json").write_text(json.dumps([five_outcomes(1), five_outcomes(2)]), encoding="utf-8")
    return tmp_path


def arguments(folder: Path, *more: str, file: str = "animals.json") -> list[str]:
    return [
        *("--file", str(folder / file)),
        *("--config", str(folder / "config.xml"), "--out", str(folder / "out")),
        *more,
    ]


def test_a_report_from_an_export_file_needs_no_label_studio(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    assert main(arguments(folder)) == 0
    printed = capsys.readouterr().out.replace("\u00a0", " ")
    assert "Of 8 masks that the model proposed, 25 % were accepted untouched." in printed
    assert f"{folder / 'out' / 'report.html'} has the whole report." in printed
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "<title>Review report: animals</title>" in page
    assert "The image was not fetched, because the report was made from a file." in page
    with (folder / "out" / "regions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 10
    assert not [path.name for path in (folder / "out").iterdir() if path.name.startswith(".")]


def test_a_folder_with_other_files_is_refused_and_an_earlier_report_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "classes.csv").write_text("mine")
    assert main(arguments(folder)) == 1
    assert "has files, but no report.html, so it is not an earlier report." in capsys.readouterr().err
    assert [path.name for path in (folder / "out").iterdir()] == ["classes.csv"]
    (folder / "out" / "classes.csv").unlink()
    assert [main(arguments(folder)), main(arguments(folder))] == [0, 0]


def test_a_control_that_is_nowhere_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, "--keep", "nosuch")) == 1
    message = "--keep: neither the labeling config nor an annotation has a control 'nosuch'."
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_pictures_can_be_left_out(folder: Path) -> None:
    assert main(arguments(folder, "--no-pictures")) == 0
    assert "The worst" not in (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_a_missing_matplotlib_is_named_before_anything_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    (folder / "animals.json").unlink()
    assert main(arguments(folder)) == 1
    assert "help: Install it with `pip install -r requirements-report.txt" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").write_text("a file", encoding="utf-8")
    (folder / "animals.json").unlink()
    assert main(arguments(folder)) == 1
    printed = capsys.readouterr().err
    assert "could not be written" in printed and "choose another folder with --out" in printed


def test_a_folder_without_permission_is_named_before_anything_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: object) -> tuple[int, str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # root, who may run this, may write everywhere

    monkeypatch.setattr("backend.export.files.tempfile.mkstemp", refuse)
    (folder / "animals.json").unlink()
    assert main(arguments(folder)) == 1
    assert "Make the folder writable, or choose another one with --out." in capsys.readouterr().err


def test_a_project_that_nobody_reviewed_leaves_no_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = task(1, [prediction(1, brush("a", box(0, 0, 10, 10)))])
    (folder / "animals.json").write_text(json.dumps([document]), encoding="utf-8")
    assert main(arguments(folder)) == 1
    assert "No task has a submitted annotation" in capsys.readouterr().err
    assert not (folder / "out").exists()


@pytest.mark.parametrize("out", ["new", "reports/new", "there", "there/new"])
def test_an_error_leaves_the_folders_as_they_were(folder: Path, out: str) -> None:
    (folder / "there").mkdir()
    (folder / "animals.json").write_text("no json", encoding="utf-8")
    before = sorted(folder.rglob("*"))
    assert main(arguments(folder, "--out", str(folder / out))) == 1
    assert sorted(folder.rglob("*")) == before
    (folder / "animals.json").write_text(json.dumps([five_outcomes(1)]), encoding="utf-8")
    assert main(arguments(folder, "--out", str(folder / out))) == 0
    assert (folder / out / "report.html").exists()


def test_a_project_without_predictions_says_how_to_get_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = task(1, [], [annotation(None, brush("a", box(0, 0, 10, 10)))])
    (folder / "animals.json").write_text(json.dumps([document]), encoding="utf-8")
    assert main(arguments(folder)) == 1
    assert "help: Predict tasks with `python -m scripts.preannotate`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is one JSON object, such as a COCO file, and not a list of tasks"),
        (b"\xff\xfe", "and is no JSON"),
        (b"[1]", "instead of a task"),
        (None, "A file cannot be read"),
    ],
)
def test_a_file_that_is_no_export_is_refused_by_name(
    folder: Path, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "animals.json"
    path.unlink() if content is None else path.write_bytes(content)
    assert main(arguments(folder)) == 1
    assert message in capsys.readouterr().err


def test_label_studio_that_goes_away_while_tasks_are_read_leaves_no_half_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def iterate_reviewed(self: object, project_id: int) -> Iterator[dict[str, Any]]:
        yield five_outcomes(3)
        raise LabelStudioUnavailable("Label Studio did not answer.", remedy="Start it.")

    monkeypatch.setattr(
        "backend.label_studio.api.LabelStudioClient.project",
        lambda self, number: ProjectInfo(number, "Zoo", CONFIG_XML),
    )
    monkeypatch.setattr("backend.label_studio.api.TaskListing.iterate_reviewed", iterate_reviewed)
    options = ["--project", "7", "--url", "http://127.0.0.1:1", "--api-key", "secret-token-123", "--out", str(tmp_path)]
    assert main(options) == 1
    assert "error: Label Studio did not answer." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--file", "a.json"], "--file and --config belong together."),
        (["--project", "1", "--config", "a.xml"], "--config needs --file."),
        (["--project", "1", "--link-url", "localhost"], '--link-url must be an http(s) URL, but is "localhost".'),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_links_name_the_regions_at_the_browsers_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def iterate_reviewed(self: object, project_id: int) -> list[dict[str, Any]]:
        assert project_id == 7
        return [five_outcomes(3)]

    monkeypatch.setattr(
        "backend.label_studio.api.LabelStudioClient.project",
        lambda self, number: ProjectInfo(number, "Zoo", CONFIG_XML),
    )
    monkeypatch.setattr("backend.label_studio.api.TaskListing.iterate_reviewed", iterate_reviewed)
    options = ["--project", "7", "--url", "http://127.0.0.1:1", "--api-key", "secret-token-123", "--out", str(tmp_path)]
    assert main([*options, "--link-url", "https://labels.example.com/"]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    links = re.findall(
        r'href="https://labels.example.com/projects/7/data\?task=3&amp;annotation=\d+&amp;region=(\w+)"', page
    )
    assert set(links) == {"r2", "r3", "r4", "n1"}  # edited, reclassified, deleted, added
    assert page.count("/data/upload/1/3.png could not be fetched") == 4  # the reason beside the outlines
    assert "secret-token-123" not in page
