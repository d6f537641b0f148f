"""Options of what is exported, and from where."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.bulk import AnnotationChoice, ControlChoice
from backend.errors import BackendError, BadSettings
from scripts.exporting.selection import (
    add_selection_options,
    open_source,
    read_controls,
    read_options,
    read_source_settings,
)
from tests.bulk.annotated import MIXED, annotation, block, brush, task
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY

TASKS = [task(number, annotation(brush(block(2, 2, 6, 6)), number=number)) for number in (1, 2, 3)]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_selection_options(parser)
    return parser.parse_args(options)


def saved(folder: Path) -> list[str]:
    (folder / "birds.json").write_text(json.dumps(TASKS))
    (folder / "config.xml").write_text(MIXED)
    return ["--file", str(folder / "birds.json"), "--config", str(folder / "config.xml")]


def test_a_file_is_read_without_a_server_and_without_a_token(tmp_path: Path) -> None:
    arguments = parse(*saved(tmp_path))
    source = open_source(arguments, read_source_settings(arguments))
    assert list(source.tasks) == TASKS
    assert (source.title, source.config.xml, source.model_versions()) == ("birds", MIXED, {})
    assert list(source.read_all()) == TASKS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Neither a project nor a file is named."),
        (["--project", "1", "--file", "a.json", "--config", "a.xml"], "A project and a file are named."),
        (["--file", "a.json"], "The labeling config of the file is missing."),
        (["--project", "1", "--config", "a.xml"], "A project has its own labeling config, but --config names another."),
        (["--file", "a.json", "--config", "a.xml", "--view", "3"], "A file has no tabs of the Data Manager"),
        (["--project", "1"], "The address of Label Studio is missing."),
    ],
)
def test_options_that_name_no_source_or_two_are_refused(options: list[str], message: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read_source_settings(parse(*options))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff\xfe", "it is no text in UTF-8")]
)
def test_a_labeling_config_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    arguments = parse(*saved(tmp_path))
    arguments.config.unlink()
    if content is not None:
        arguments.config.write_bytes(content)
    with pytest.raises(BadSettings) as caught:
        open_source(arguments, read_source_settings(arguments))
    assert caught.value.message == f"{arguments.config} cannot be read: {reason}."


def test_a_project_is_read_in_raw_pages_and_a_tab_chooses_its_tasks(start_server: Callable[[], LocalServer]) -> None:
    def respond(seen: Seen, handler: object) -> Answer:
        url = urlsplit(seen.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        document: Any = {"id": 3, "title": "Birds", "label_config": MIXED, "project": 3}
        if url.path == "/api/projects/3/model-versions/":
            document = {"edgetam-8858f8e4-auto-0a1b2c3d": 2}
        if url.path == "/api/dm/views/":
            document = [{"id": 7, "project": 3, "data": {"title": "Default"}}]
        if url.path == "/api/tasks/":
            tasks: list[Any] = [{"id": 1}, {"id": 3}]
            if "view" not in query:
                assert query["fields"] == "all" and "predictions" not in query["include"]
                asked = json.loads(query["query"])
                chosen = asked.get("selectedItems", {}).get("included", [1, 2, 3])
                tasks = [one for one in TASKS if one["id"] in chosen]
            document = {"tasks": tasks, "total": len(tasks)}
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()

    server = start_server()
    server.respond = respond
    connection = ["--project", "3", "--url", server.url, "--api-key", LEGACY]
    for options, numbers in (([], [1, 2, 3]), (["--view", "7"], [1, 3])):
        arguments = parse(*connection, *options)
        source = open_source(arguments, read_source_settings(arguments))
        assert [one["id"] for one in source.tasks] == numbers
        assert (source.title, source.model_versions()) == ("Birds", {"edgetam-8858f8e4-auto-0a1b2c3d": 2})
        assert [one["id"] for one in source.read_all()] == [1, 2, 3]


def test_label_studio_gone_in_mid_export_ends_the_run_after_the_patience_that_was_given(
    start_server: Callable[[], LocalServer], capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [{"tasks": TASKS[:1], "total": 3}]

    def respond(seen: Seen, handler: object) -> Answer:
        if "/api/tasks/" not in seen.path:
            document: Any = {"id": 3, "title": "Birds", "label_config": MIXED}
        elif pages:
            document = pages.pop()
        else:
            return 503, {}, b""
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()

    server = start_server()
    server.respond = respond
    arguments = parse("--project", "3", "--url", server.url, "--api-key", LEGACY, "--give-up-after", "0")
    with pytest.raises(BackendError) as caught:
        list(open_source(arguments, read_source_settings(arguments)).tasks)
    assert caught.value.message.startswith("Label Studio was gone in mid-export, after 1 tasks, the last of them 1.")
    assert "Label Studio was unavailable for 0 s, so the run ended." in caught.value.message


def test_the_options_choose_what_is_read() -> None:
    project = ["--project", "1"]
    chosen = ["--annotation", "user:anna@example.com", "--reviewed-only", "--updated-since", "2026-01-31"]
    assert read_options(parse(*project, *chosen, "--skip-bad-regions")) == {
        "choice": AnnotationChoice("user", "anna@example.com"),
        "reviewed_only": True,
        "updated_since": datetime(2026, 1, 31, tzinfo=timezone.utc),
        "include_unannotated": False,
        "skip_bad_regions": True,
        "merge": None,
    }
    assert read_options(parse(*project))["choice"] == AnnotationChoice("best")


def test_consensus_needs_somebody_who_finds_it() -> None:
    arguments = parse("--project", "1", "--annotation", "consensus")
    with pytest.raises(BadSettings, match="finds no consensus"):
        read_options(arguments)
    merge: Any = object()
    assert read_options(arguments, merge)["merge"] is merge
    assert read_options(parse("--project", "1"), merge)["merge"] is None


def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--project", "1", "--updated-since", "yesterday")
    assert "'yesterday' is not a date or time such as 2026-01-31" in capsys.readouterr().err


def test_controls_are_kept_or_dropped_but_not_both() -> None:
    project = ["--project", "1"]
    controls = read_controls(parse(*project, "--keep", "box", "--keep", "point", "--drop", "drag"))
    assert controls == ControlChoice(frozenset({"box", "point"}), frozenset({"drag"}))
    with pytest.raises(BadSettings, match="The control 'box' is both kept and dropped"):
        read_controls(parse(*project, "--keep", "box", "--drop", "box"))
