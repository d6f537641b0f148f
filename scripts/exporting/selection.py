"""Which annotations are exported, and from where: the command's options, and the source that they open."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from backend.bulk import (
    RULES,
    ControlChoice,
    Merge,
    parse_choice,
    parse_time,
    read_task_file,
)
from backend.errors import BadSettings, shorten
from backend.label_studio.api import AnnotatedTasks, LabelStudioClient, TaskListing
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.settings import Settings
from scripts.console import positive_int, read_settings
from scripts.waiting import add_give_up_option, build_outages, fetch_project


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the source, of the annotations and of controls; they replace `add_connection_options`."""
    _add_source_options(parser)
    _add_annotation_options(parser)


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_argument_group("source", "a project of Label Studio, or a file that was exported from one")
    source.add_argument("--project", type=positive_int, metavar="ID", help="the number in the project's address")
    source.add_argument("--url", metavar="URL", help="of Label Studio (default: LABEL_STUDIO_URL)")
    source.add_argument(
        "--api-key", metavar="TOKEN", help="a personal access token or a legacy token (default: LABEL_STUDIO_API_KEY)"
    )
    add_give_up_option(source)
    source.add_argument(
        "--file", type=Path, metavar="EXPORT.json", help="a JSON export of Label Studio, in place of it"
    )
    source.add_argument(
        "--config", type=Path, metavar="CONFIG.xml", help="the labeling config of --file, as its project has it"
    )


def _add_annotation_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("annotations", "cancelled annotations and drafts are never exported")
    group.add_argument(
        "--view", type=positive_int, metavar="ID", help='only tasks of a Data Manager tab, by its "tab=ID"'
    )
    rules = ", ".join("user:ID_OR_EMAIL" if rule == "user" else rule for rule in RULES)
    group.add_argument(
        "--annotation",
        default="best",
        metavar="WHICH",
        help=f"of a task with several: {rules} (default: best, the ground truth, else the latest). "
        "all: a data set for each annotator; consensus: what most of them agree on",
    )
    group.add_argument(
        "--reviewed-only",
        action="store_true",
        help="leave out annotations that are copies of predictions, which nobody opened",
    )
    group.add_argument(
        "--updated-since",
        type=_time,
        metavar="TIME",
        help="only tasks whose exported annotation was changed then or later, such as 2026-01-31 or 2026-01-31T12:00Z",
    )
    group.add_argument(
        "--include-unannotated", action="store_true", help="export tasks without an annotation as negatives"
    )
    group.add_argument(
        "--skip-bad-regions",
        action="store_true",
        help="skip and name regions without a label or a readable shape, instead of failing their task; "
        "a model then learns that these objects are background",
    )
    group.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="CONTROL",
        help="export the boxes and key points of this control, which has a smart tool: they are work, and no prompts "
        "that were left behind; may be repeated",
    )
    group.add_argument("--drop", action="append", default=[], metavar="CONTROL", help="leave them out; may be repeated")


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{shorten(text)!r} is not a date or time such as 2026-01-31") from error


@dataclass(frozen=True)
class Source:
    """Where annotations come from.

    Attributes:
        tasks: Read while they are iterated, once.
        title: Of the project, or the file's name without its suffix.
        model_versions: Asks how many predictions the project has of each model version; of a file it is not known.
        read_all: Reads all tasks of the project or file, chosen or not, once more.
    """

    tasks: Iterable[Mapping[str, Any]]
    config: LabelingConfig
    title: str
    read_all: Callable[[], Iterable[Mapping[str, Any]]]
    model_versions: Callable[[], Mapping[str, int]] = dict


def read_source_settings(arguments: argparse.Namespace) -> Settings:
    """Read the environment's settings; only a project needs Label Studio's address and a token.

    Raises:
        BadSettings: They are missing, or the options contradict each other.
    """
    _check_source(arguments)
    if arguments.file is None:
        return read_settings(arguments.url, arguments.api_key)
    given = {"LABEL_STUDIO_URL": arguments.url, "LABEL_STUDIO_API_KEY": arguments.api_key}
    return Settings.from_environment({**os.environ, **{key: value for key, value in given.items() if value}})


def open_source(arguments: argparse.Namespace, settings: Settings) -> Source:
    """Open the project or the file that the options name.

    Raises:
        BadSettings: The options contradict each other, or the labeling config's file cannot be read.
        BadConfig: The labeling config has no control for masks.
        LabelStudioError: No such project or tab, or Label Studio cannot be reached.
    """
    from backend.wiring import build_limits

    _check_source(arguments)
    limits = build_limits(settings).config
    if arguments.file is not None:
        config = parse_labeling_config(_read_config(arguments.config), limits)
        read_all = partial(read_task_file, arguments.file)
        return Source(read_all(), config, arguments.file.stem, read_all)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    outages = build_outages(client, arguments.project, arguments)
    project = fetch_project(client, arguments.project, outages)
    chosen, listing = None, TaskListing(client, outages.answer_of)
    if arguments.view is not None:
        chosen = listing.tab_task_ids(arguments.project, arguments.view)
    read = AnnotatedTasks(client, outages.answer_of).iterate
    versions = partial(listing.model_versions, arguments.project)
    config = parse_labeling_config(project.label_config, limits)
    tasks = read(arguments.project, chosen)
    return Source(tasks, config, project.title, partial(read, arguments.project), versions)


def read_options(arguments: argparse.Namespace, merge: Merge | None = None) -> dict[str, Any]:
    """Return the options of `bulk.read_images`.

    Args:
        merge: Finds what several annotators agree on.

    Raises:
        BadSettings: There is no such choice of annotations.
    """
    choice = parse_choice(arguments.annotation)
    is_merged = choice.rule == "consensus"
    if is_merged and merge is None:
        raise BadSettings("This version finds no consensus.", remedy="Choose another annotation with --annotation.")
    return {
        "choice": choice,
        "reviewed_only": arguments.reviewed_only,
        "updated_since": arguments.updated_since,
        "include_unannotated": arguments.include_unannotated,
        "skip_bad_regions": arguments.skip_bad_regions,
        "merge": merge if is_merged else None,
    }


def read_controls(arguments: argparse.Namespace) -> ControlChoice:
    """Return what --keep and --drop decide about controls.

    Raises:
        BadSettings: A control is both kept and dropped.
    """
    keep, drop = frozenset(arguments.keep), frozenset(arguments.drop)
    if both := sorted(keep & drop):
        message = f"The control {shorten(repr(both[0]))} is both kept and dropped."
        raise BadSettings(message, remedy="Name it with --keep or with --drop.")
    return ControlChoice(keep, drop)


def _check_source(arguments: argparse.Namespace) -> None:
    """Raise `BadSettings` unless the options name one project, or one file with its labeling config."""
    if (arguments.project is None) == (arguments.file is None):
        what = "Neither a project nor a file is named" if arguments.file is None else "A project and a file are named"
        raise BadSettings(f"{what}.", remedy="Give --project ID, or --file EXPORT.json with --config CONFIG.xml.")
    if arguments.file is not None and arguments.view is not None:
        message = "A file has no tabs of the Data Manager, but --view names one."
        raise BadSettings(message, remedy="Leave --view out, or export the tab from its project with --project.")
    if (arguments.file is None) != (arguments.config is None):
        if arguments.file is None:
            message = "A project has its own labeling config, but --config names another."
            raise BadSettings(message, remedy="Leave --config out; it belongs to --file.")
        message = "The labeling config of the file is missing."
        remedy = "Save it in Label Studio from Settings > Labeling Interface > Code, and name it with --config."
        raise BadSettings(message, remedy=remedy)


def _read_config(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise BadSettings(f"{path} cannot be read: {reason}.", remedy="Check the name that --config gives.") from error
