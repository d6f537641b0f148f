"""What an export writes about itself: options without secrets, no dates."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from backend.errors import ExportError
from backend.export import DataSet, DataSetStatistics, ExportFolder
from scripts.console import add_connection_options
from scripts.exporting.folder import (
    add_folder_options,
    check_same_project,
    describe_command,
    describe_folder,
    list_options,
)
from scripts.exporting.pictures import add_picture_options
from scripts.exporting.splits import add_split_options


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.export")
    add_connection_options(parser)
    add_folder_options(parser)
    add_picture_options(parser)
    add_split_options(parser)
    parser.add_argument("--format", action="append")
    parser.add_argument("--label", default="all")
    parser.add_argument("--file", type=Path)
    return parser


OPTIONS = ["--project", "1", "--with-images", "--split", "val=0.5,train=0.5", "--seed", "0", "--group-by", "a film"]
SECRETS = ["--api", "secret-token", "--url", "http://inside:8080", "--out", "/home/me/birds"]
COMMAND = (
    "python -m scripts.export --file birds.json --format coco --format voc --group-by 'a film' --project 1 --seed 0 "
    "--split train=0.5,val=0.5 --with-images"
)


def test_the_command_is_written_down_without_secrets_addresses_and_defaults(parser: argparse.ArgumentParser) -> None:
    given = [*OPTIONS, *SECRETS, "--format", "coco", "--format", "voc", "--file", "/home/me/birds.json"]
    arguments = parser.parse_args(given)
    options = list_options(parser, arguments)
    assert options == {
        "file": "birds.json",
        "format": ["coco", "voc"],
        "group_by": "a film",
        "project": 1,
        "seed": 0,
        "split": "train=0.5,val=0.5",
        "with_images": True,
    }
    assert describe_command(parser.prog, options) == COMMAND


def test_two_exports_of_the_same_data_set_have_the_same_bytes(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        arguments = parser.parse_args([*OPTIONS, *SECRETS[:-1], str(tmp_path / name)])
        folder = ExportFolder(arguments.out)
        with folder:
            birds = DataSet("Birds", ("bird",), model_versions={"vit_b-1": 2, "edgetam-1": 1})
            describe_folder(folder, birds, DataSetStatistics(), [], parser, arguments, ["Lost."])
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"README.md", "export.json"}
    assert json.loads(contents[0]["export.json"])["options"]["split"] == "train=0.5,val=0.5"
    assert json.loads(contents[0]["export.json"])["model_versions"] == {"edgetam-1": 1, "vit_b-1": 2}
    assert b"secret" not in b"".join(contents[0].values())


def test_only_an_export_of_the_same_project_is_replaced(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    out = tmp_path / "birds"
    check_same_project(out, "2")  # nothing is there yet
    arguments = parser.parse_args(["--project", "1", "--out", str(out)])
    folder = ExportFolder(out)
    with folder:
        describe_folder(folder, DataSet("Birds", ("bird",)), DataSetStatistics(), ["coco"], parser, arguments)
    check_same_project(out, "1")
    check_same_project(out, "")  # of a file
    with pytest.raises(ExportError) as refused:
        check_same_project(out, "2")
    assert refused.value.message == f"{out} is an export of project 1, and would be replaced by one of project 2."
    assert "choose another folder with --out" in refused.value.remedy
