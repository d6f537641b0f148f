"""A dry run predicts a sample, writes the contact sheet and changes nothing in Label Studio."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.bulk import Outcome
from backend.images import SourceImage
from backend.label_studio.api import LabelStudioClient
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from scripts.preannotating.dry_run import add_dry_run_options, write_contact_sheet
from scripts.preannotating.selection import add_selection_options, select_tasks
from tests.fakes import png
from tests.label_studio.api.generated_project import GeneratedProject
from tests.scripts.fakes import CONFIG_XML
from tests.servers import LocalServer
from tests.tokens import LEGACY

VERSION = "demo-0123-auto-89abcdef"


def predict(tasks: Iterable[dict[str, Any]]) -> Iterator[Outcome]:
    """Nothing is found in any task; the one of id 50 fails."""
    for task in tasks:
        yield Outcome(task, error=OSError("no disk")) if task["id"] == 50 else Outcome(task, {"result": []})


def fetch(image: TaskImage) -> SourceImage:
    return SourceImage(png(64, 48), name=image.uri)


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_selection_options(parser)
    add_dry_run_options(parser)
    return parser.parse_args(options)


@pytest.fixture
def dry_run(start_server: Callable[[], LocalServer]) -> Callable[..., tuple[int, LocalServer]]:
    def dry_run(*options: str) -> tuple[int, LocalServer]:
        server, arguments = start_server(), parse("--dry-run", *options)
        server.respond = GeneratedProject(100, {3: [VERSION]}).respond
        selection = select_tasks(LabelStudioClient(server.url, LEGACY), "1", arguments, VERSION)
        config = parse_labeling_config(CONFIG_XML)
        return write_contact_sheet(selection, predict, config, fetch, arguments, "Birds", VERSION), server

    return dry_run


def test_a_sample_is_shown_and_nothing_is_imported(dry_run, tmp_path: Path, capsys) -> None:
    file = tmp_path / "look.html"
    status, server = dry_run("--sample", "3", "--sheet", str(file))
    assert status == 0
    assert {request.method for request in server.seen} == {"GET"}
    page = file.read_text(encoding="utf-8")
    assert page.count("<figure>") == 3
    assert "Birds: 3 of 99 tasks" in page and f"Model version {VERSION}. Nothing was imported." in page
    assert capsys.readouterr().out == f"3 of 99 tasks, 0 of them failed: {file}\n"


def test_a_failed_task_is_on_the_sheet_and_in_the_exit_status(dry_run, tmp_path: Path) -> None:
    file = tmp_path / "look.html"
    status, _ = dry_run("--task-ids", "50,60", "--sheet", str(file))
    assert status == 1
    assert "OSError: no disk" in file.read_text(encoding="utf-8")


def test_the_sheet_is_named_after_the_project(dry_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dry_run("--limit", "2")
    assert (tmp_path / "contact-sheet-1.html").read_text(encoding="utf-8").count("<figure>") == 2
