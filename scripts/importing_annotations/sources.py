"""`--create-tasks`: where the pictures of new tasks come from, and that only one run at a time creates some."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from backend.bulk import Outages, RunFolder, hold_lock, identify_run
from backend.errors import BadSettings, LabelStudioError, LabelStudioUnavailable, RunRefused
from backend.export import FoundDataSet
from backend.importing import (
    GivenPictures,
    PictureFolder,
    PictureLimits,
    PictureSource,
    PrefixedPictures,
    TaskImport,
    choose_image,
    compare_pictures,
    list_pairs,
)
from backend.label_studio.api import LabelStudioClient
from backend.label_studio.config import LabelingConfig
from backend.settings import Settings
from scripts.console import show_progress


def check_task_options(arguments: argparse.Namespace) -> None:
    """Raise `BadSettings` if the folder or the prefix of pictures is given without --create-tasks."""
    option = "--images" if arguments.images else "--image-prefix" if arguments.image_prefix else ""
    if option and not arguments.create_tasks:
        message = f"{option} says where the pictures of new tasks are, and no task is to be created."
        raise BadSettings(message, remedy="Add --create-tasks, or leave it out.")


def build_source(arguments: argparse.Namespace, data_set: FoundDataSet, config: LabelingConfig) -> PictureSource:
    """Build the source of pictures that the options choose.

    Raises:
        BadSettings: The prefix is no address, or a picture alone makes no task of this labeling config.
        BadDataSet: There is no such folder.
    """
    choose_image(config)
    if arguments.images:
        return GivenPictures(PictureFolder(arguments.images), uses_addresses=False)
    path: Path = arguments.path
    folder = PictureFolder(path if path.is_dir() else path.parent, data_set.images)
    return PrefixedPictures(arguments.image_prefix, folder) if arguments.image_prefix else GivenPictures(folder)


def compare_with_tasks(
    plan: Sequence[TaskImport], source: PictureSource, client: LabelStudioClient, outages: Outages
) -> int:
    """Compare pictures with the uploaded ones of tasks that have their names; return how many were compared.

    Raises:
        BadDataSet: Some are other pictures.
        LabelStudioUnavailable: Label Studio does not answer for longer than the run waits.
    """
    pairs = list(list_pairs((pair for task in plan for pair in task.images), source.folder))
    if not pairs:
        return 0
    requests = client.requests

    def read_part(uri: str, start: int, stop: int) -> tuple[int, bytes] | None:
        """Return None for a file that Label Studio refuses; it (1.23.2) answers 500 for one that it does not know."""
        try:
            return requests.get_part(uri, uri, start, stop)
        except LabelStudioUnavailable:
            outages.wait_until_over()
        except LabelStudioError:
            return None
        with suppress(LabelStudioError):
            return requests.get_part(uri, uri, start, stop)
        return None

    return compare_pictures(pairs, read_part, lambda results: show_progress(results, "comparing", unit="picture"))


def picture_limits(settings: Settings) -> PictureLimits:
    """Return the limits of pictures."""
    return PictureLimits(settings.image_max_pixels, settings.image_max_scans)


def hold_tasks(arguments: argparse.Namespace, settings: Settings) -> AbstractContextManager[None]:
    """Keep other runs on this machine from creating tasks of the same project, from the listing on.

    Raises:
        RunRefused: Another run does.
    """
    if not arguments.create_tasks:
        return nullcontext()
    identity = identify_run(settings.label_studio_url, arguments.project, "--create-tasks")
    return hold_lock(RunFolder(settings.runs_path, identity), _refuse)


def _refuse(folder: RunFolder, holder: str) -> RunRefused:
    message = f"Another run creates tasks of project {folder.identity.project} ({holder or 'unknown'})."
    return RunRefused(message, remedy="Wait for it or stop it: two at once could create a task twice.")
