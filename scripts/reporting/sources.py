"""Sources of task documents with annotations and predictions: a project over the API, or an export file of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from backend.bulk import Outages, read_task_file
from backend.errors import ExportError
from backend.label_studio.api import AnnotatedTasks, LabelStudioClient, TaskListing
from backend.label_studio.config import ConfigLimits, LabelingConfig, parse_labeling_config
from scripts.waiting import fetch_project

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A project's title, labeling config and tasks, which are read once.

    Attributes:
        read_all: Reads all tasks with their annotations once more.
    """

    title: str
    config: LabelingConfig
    tasks: Iterable[Json]
    read_all: Callable[[], Iterable[Json]]


def open_project(client: LabelStudioClient, project_id: int, limits: ConfigLimits, outages: Outages) -> Source:
    """Open a project of Label Studio; only tasks with a submitted annotation are transferred.

    Args:
        outages: Waits while Label Studio cannot be reached, from the first request on.

    Raises:
        LabelStudioError: No such project, an invalid token, or Label Studio cannot be reached.
        BadConfig: The labeling config has no control for masks.
    """
    project = fetch_project(client, project_id, outages)
    config = parse_labeling_config(project.label_config, limits)
    title = project.title or f"project {project_id}"
    tasks = TaskListing(client, outages.answer_of).iterate_reviewed(project_id)
    return Source(title, config, tasks, partial(AnnotatedTasks(client, outages.answer_of).iterate, project_id))


def open_file(path: Path, config_path: Path, limits: ConfigLimits) -> Source:
    """Open a JSON export of Label Studio with its labeling config, an XML file.

    Raises:
        ExportError: A file cannot be read.
        BadConfig: As `open_project`.
    """
    try:
        xml = config_path.read_text(encoding="utf-8")
        path.open("rb").close()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(
            f"A file cannot be read: {error}.", remedy="Check the paths of --file and --config."
        ) from error
    config = parse_labeling_config(xml, limits)
    return Source(path.stem, config, read_task_file(path), partial(read_task_file, path))
