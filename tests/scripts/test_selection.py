"""Which tasks the options choose, against a made-up Label Studio."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.errors import LabelStudioError
from backend.label_studio.api import LabelStudioClient
from scripts.preannotating.selection import Selection, add_selection_options, select_tasks
from tests.label_studio.api.generated_project import GeneratedProject
from tests.servers import LocalServer
from tests.tokens import LEGACY

VERSION = "demo-0123-auto-89abcdef"
Select = Callable[..., Selection]


@pytest.fixture
def select(start_server: Callable[[], LocalServer]) -> Select:
    def select(project: GeneratedProject, *options: str, version: str = VERSION, **chosen: Any) -> Selection:
        server = start_server()
        server.respond = project.respond
        return select_tasks(LabelStudioClient(server.url, LEGACY), "1", parse(*options), version, **chosen)

    return select


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_selection_options(parser)
    return parser.parse_args(options)


def ids(selection: Selection) -> list[int]:
    return [task["id"] for task in selection]


def test_without_options_all_tasks_that_lack_the_version_are_chosen(select: Select) -> None:
    selection = select(GeneratedProject(4, {2: [VERSION], 3: ["other"]}))
    assert list(selection) == [
        {"id": 1, "data": {"image": "/data/upload/1/picture-000001.png"}, "has_others": False},
        {"id": 3, "data": {"image": "/data/upload/1/picture-000003.png"}, "has_others": True},
        {"id": 4, "data": {"image": "/data/upload/1/picture-000004.png"}, "has_others": False},
    ]
    assert (selection.count(), selection.count_done()) == (3, 1)


def test_options_must_all_agree(select: Select) -> None:
    project = GeneratedProject(9, {2: ["other"], 6: [VERSION]}, annotated=[4], tabs={5: [8, 2, 3, 4, 6]})
    assert ids(select(project, "--view", "5")) == [2, 3, 4, 8]
    assert ids(select(project, "--view", "5", "--task-ids", "9 8,3")) == [3, 8]
    assert ids(select(project, "--view", "5", "--only-unlabeled")) == [2, 3, 8]
    chosen = select(project, "--view", "5", "--only-unlabeled", "--only-without-predictions", "--limit", "1")
    assert (ids(chosen), chosen.count(), chosen.count_done()) == ([3], 1, 0)


def test_a_tab_without_tasks_chooses_none(select: Select) -> None:
    assert ids(select(GeneratedProject(3, tabs={5: []}), "--view", "5")) == []


def test_the_limit_counts_only_tasks_that_this_machine_keeps(select: Select) -> None:
    project = GeneratedProject(20)
    assert ids(select(project, "--limit", "3", keep=lambda task: task % 2 == 0)) == [2, 4, 6]
    assert ids(select(project, "--limit", "3", keep=lambda task: task % 2 == 1)) == [1, 3, 5]


def test_tasks_that_failed_before_come_after_the_others_that_are_chosen(select: Select) -> None:
    project = GeneratedProject(9, {2: [VERSION]})
    assert ids(select(project, last={1, 2, 4, 77})) == [3, 5, 6, 7, 8, 9, 1, 4]
    assert ids(select(project, "--limit", "3", last={1, 4})) == [3, 5, 6]
    assert ids(select(project, "--task-ids", "1,3,4", last={1, 5}, keep=lambda task: task != 4)) == [3, 1]


def test_ids_may_stand_in_a_file(select: Select, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("\ufeff7\n3, 3\r\n\n5\n", encoding="utf-8")
    assert ids(select(GeneratedProject(9), "--task-ids", str(file))) == [3, 5, 7]


def test_ids_that_the_project_lacks_are_named_and_the_others_chosen(
    select: Select, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ids(select(GeneratedProject(9, gone={4}), "--task-ids", "3,4,77")) == [3]
    assert capsys.readouterr().out == "2 of 3 task ids are not in project 1: 4, 77\n"
    select(GeneratedProject(0), "--task-ids", ",".join(map(str, range(1, 30))))
    assert capsys.readouterr().out.endswith("project 1: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …\n")


def test_a_tab_that_does_not_exist_is_refused_before_anything_is_listed(select: Select) -> None:
    with pytest.raises(LabelStudioError, match="Project 1 has no tab 12 in the Data Manager"):
        select(GeneratedProject(9), "--view", "12")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--task-ids", "no/such/file"], "is neither a list of task ids nor a file that can be read (No such file"),
        (["--task-ids", ","], "there is no task id"),
        (["--task-ids", "12x"], "'12x' is neither a list of task ids nor a file"),
        (["--view", "first"], "argument --view: invalid positive_int value: 'first'"),
        (["--limit", "0"], "argument --limit: must be at least 1, got 0"),
    ],
)
def test_options_that_choose_nothing_sensible_are_refused(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*options)
    assert caught.value.code == 2
    assert complaint in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"1\n2 three", "'three' in"),
        (b"1\n-2", "'-2' in"),
        (b"\n \n", "there is no task id in"),
        (b"\xff\xfe1\x00", "is not a text file with task ids"),
    ],
)
def test_a_file_of_something_else_is_refused_with_its_name(
    content: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(content)
    with pytest.raises(SystemExit):
        parse("--task-ids", str(file))
    said = capsys.readouterr().err
    assert complaint in said and "ids.txt" in said
