"""A look at some predictions before anything is imported."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from backend.bulk import ContactSheet, Outcome
from backend.errors import BadSettings, shorten
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import TaskImage
from scripts.console import positive_int, show_progress
from scripts.preannotating.selection import Selection

SAMPLE = 24


def add_dry_run_options(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run, --sample and --sheet."""
    group = parser.add_argument_group("look first")
    group.add_argument(
        "--dry-run", action="store_true", help="import nothing; write a contact sheet of predictions for some tasks"
    )
    group.add_argument("--sample", type=positive_int, metavar="N", help=f"tasks on the sheet (default: {SAMPLE})")
    group.add_argument("--sheet", type=Path, metavar="FILE", help="the HTML file (default: contact-sheet-PROJECT.html)")


def check_dry_run(arguments: argparse.Namespace) -> None:
    """Raise BadSettings for an option of the contact sheet without --dry-run, which would start an import."""
    for option, value in (("--sample", arguments.sample), ("--sheet", arguments.sheet)):
        if value is not None and not arguments.dry_run:
            remedy = "Add --dry-run, or leave it out."
            raise BadSettings(f"{option} {shorten(str(value))} is for a dry run, and this is none.", remedy=remedy)
    if arguments.sheet is not None and arguments.sheet.is_dir():
        message = f"--sheet {shorten(str(arguments.sheet))} is a folder."
        raise BadSettings(message, remedy="Name the HTML file to write.")


def write_contact_sheet(
    selection: Selection,
    predict: Callable[[Iterable[dict[str, Any]]], Iterable[Outcome]],
    config: LabelingConfig,
    fetch_image: Callable[[TaskImage], SourceImage],
    arguments: argparse.Namespace,
    title: str,
    version: str,
) -> int:
    """Predict some tasks that are spread over the chosen ones, and write what was predicted; return the exit status.

    Args:
        predict: A `Runner`.
        title: The project's.

    Raises:
        LabelStudioError: The tasks could not be listed.
        ExportError: The sheet could not be written.
    """
    total, tasks = selection.count(), selection.sample(arguments.sample or SAMPLE)
    sheet, failed = ContactSheet(config, fetch_image), 0
    for outcome in show_progress(predict(tasks), "predicting a sample"):
        failed += outcome.error is not None
        sheet.add(outcome, selection.project_id)
    path = arguments.sheet or Path(f"contact-sheet-{selection.project_id}.html")
    sheet.write(path, f"{title}: {len(tasks)} of {total} tasks", f"Model version {version}. Nothing was imported.")
    print(f"{len(tasks)} of {total} tasks, {failed} of them failed: {path.absolute()}", flush=True)
    return 1 if failed else 0
