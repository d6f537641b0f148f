"""`--create-tasks`: where the pictures of new tasks come from, and that only one run at a time creates some."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from backend.bulk import RunFolder, hold_lock, identify_run
from backend.errors import BadSettings, RunRefused
from backend.export import FoundDataSet
from backend.importing import (
    GivenPictures,
    PictureFolder,
    PictureLimits,
    PictureSource,
    PrefixedPictures,
    choose_image,
)
from backend.label_studio.config import LabelingConfig
from backend.settings import Settings


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
