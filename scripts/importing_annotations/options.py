"""Options of the import: the data set, how it is matched, and what its regions become."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from backend.errors import BadSettings, shorten
from backend.export import FoundDataSet, read_coco, read_masks, read_yolo
from backend.importing import ResultOptions
from backend.label_studio.config import SHAPES, LabelingConfig
from scripts.console import add_connection_options, duration
from scripts.exporting.classes import region_choices
from scripts.waiting import add_give_up_option

READERS: Mapping[str, Callable[[Path], FoundDataSet]] = MappingProxyType(
    {"coco": read_coco, "yolo-seg": read_yolo, "masks": read_masks}
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of the command."""
    add_connection_options(parser)
    parser.add_argument("path", type=Path, metavar="PATH", help="a COCO file, or the folder of a data set")
    parser.add_argument(
        "--format",
        choices=list(READERS),
        required=True,
        help="coco: instances, key points, Roboflow's layout; yolo-seg: Ultralytics' labels, boxes too; "
        "masks: a folder of id_masks or masks",
    )
    parser.add_argument(
        "--as",
        dest="kind",
        choices=["predictions", "annotations"],
        default="predictions",
        help="predictions of a model, to be reviewed (default), or annotations in the name of the token's user",
    )
    parser.add_argument(
        "--model-version",
        default="",
        metavar="NAME",
        help="of predictions (default: the format and a digest of the files and of the options for regions)",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace predictions of this version instead of skipping their tasks"
    )
    parser.add_argument(
        "--by-name", action="store_true", help="match images by their names, whatever task ids they have"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read and match everything, send nothing, say what would be"
    )
    _add_task_options(parser)
    _add_region_options(parser)
    group = parser.add_argument_group("outages of Label Studio")
    add_give_up_option(group)
    group.add_argument(
        "--settle-seconds",
        type=duration,
        default=150.0,
        metavar="S",
        help="how long after a lost answer Label Studio may still store what was sent (default: 150)",
    )
    parser.set_defaults(shard=None)


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tasks")
    group.add_argument(
        "--create-tasks",
        action="store_true",
        help="create a task for each image whose name no task has: of the address that the file has for it, otherwise "
        "its picture beside the file or in images/ is uploaded; task ids of the file are ignored",
    )
    pictures = group.add_mutually_exclusive_group()
    pictures.add_argument(
        "--images", type=Path, metavar="DIR", help="upload the pictures from this folder, whatever addresses there are"
    )
    pictures.add_argument(
        "--image-prefix",
        default="",
        metavar="URL",
        help="upload nothing: a picture's address is this and its path in the data set, such as s3://bucket/birds/ or "
        "/data/local-files/?d=birds/",
    )


def _add_region_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("regions", "by default each becomes the shape that holds its mask exactly")
    group.add_argument("--shape", choices=SHAPES, default="", help="the kind of control for all regions")
    group.add_argument(
        "--tolerance",
        type=duration,
        default=0.0,
        metavar="PIXELS",
        help="that polygons may leave their masks, for fewer points (default: 0, exact)",
    )
    group.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="a label of the data set; may be repeated"
    )
    group.add_argument(
        "--crowd", default="", metavar="CONTROL=CHOICE", help="the per-region choice for groups of objects (iscrowd)"
    )
    group.add_argument(
        "--skip-bad-regions",
        action="store_true",
        help="skip and name regions that cannot be read, instead of failing their task",
    )


def read_result_options(arguments: argparse.Namespace, config: LabelingConfig) -> ResultOptions:
    """Return what regions become.

    Raises:
        BadSettings: An option is not of the form NAME=VALUE, a label gets two names, or the labeling config has no such
            choice.
    """
    renamed: dict[str, str] = {}
    for old, new in (parse_pair("--rename", text) for text in arguments.rename):
        if renamed.setdefault(old, new) != new:
            message = f"--rename gives {shorten(repr(old))} two names, {shorten(renamed[old])} and {shorten(new)}."
            raise BadSettings(message, remedy="Name each label of the data set once.")
    crowd = parse_pair("--crowd", arguments.crowd) if arguments.crowd else None
    if crowd and crowd[1] not in region_choices(config).get(crowd[0], ()):
        pairs = [f"{name}={value}" for name, values in region_choices(config).items() for value in values]
        message = f"The labeling config has no per-region choice {shorten(arguments.crowd)}."
        raise BadSettings(message, remedy=f"Name one of these with --crowd: {shorten(', '.join(pairs)) or 'none'}.")
    return ResultOptions(arguments.shape, arguments.tolerance, renamed, crowd)


def describe_result_options(arguments: argparse.Namespace) -> str:
    """Return the options that change results as a text, for the default model version; "" if none does.

    --skip-bad-regions is none of them: it changes only tasks that fail without it, so a run with it after one without
    gives these their first prediction and the others no second one.
    """
    given = {name: getattr(arguments, name) for name in ("shape", "tolerance", "rename", "crowd")}
    return ", ".join(f"{name}={value}" for name, value in given.items() if value)


def parse_pair(option: str, text: str) -> tuple[str, str]:
    """Parse the value A=B of an option; raises `BadSettings`."""
    before, found, after = text.partition("=")
    if not found or not before or not after:
        raise BadSettings(f"{option} {shorten(text)} has no name before and after a =.", remedy=f"Write {option} A=B.")
    return before, after
