"""What follows a run: the project shows the new predictions, and those of replaced versions are deleted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from backend.errors import BadSettings, LabelStudioError, shorten
from backend.label_studio.api import (
    AnswerOf,
    LabelStudioClient,
    TaskListing,
    delete_earlier_version,
    show_version,
    shown_version,
)
from backend.predict import is_bulk_version
from scripts.console import show_progress

PLACE = "Settings > Annotation > Prelabeling"


def add_after_run_options(parser: argparse.ArgumentParser) -> None:
    """Add --replace and --keep-shown-version."""
    group = parser.add_argument_group("after the run")
    group.add_argument(
        "--replace",
        metavar="VERSION",
        action="append",
        default=[],
        type=_bulk_version,
        help="delete the predictions of this earlier model version from tasks that have a new one; may be repeated",
    )
    group.add_argument(
        "--keep-shown-version",
        action="store_true",
        help="leave alone which predictions the project shows to annotators (default: the new ones, unless there are "
        "fewer of them)",
    )


def _bulk_version(text: str) -> str:
    if not is_bulk_version(text):
        ends = "-auto- or -boxes- and eight hexadecimal digits"
        reason = f"{shorten(text)!r} is not a version that this command made: those end in {ends}"
        reason += ", or in -boxes- and eight"
        raise argparse.ArgumentTypeError(reason)
    return text


def check_replaced(replaced: Sequence[str], version: str) -> None:
    """Raise BadSettings if the version to replace is the one that the run makes."""
    if version in replaced:
        message = f"--replace {version} is the version that this run makes."
        raise BadSettings(message, remedy="Name the earlier version, or leave out --replace.")


def finish_project(
    client: LabelStudioClient,
    project_id: str,
    arguments: argparse.Namespace,
    version: str,
    *,
    answer_of: AnswerOf = lambda request: request(),
) -> None:
    """Show the new predictions and delete replaced ones, as the options say; print what was done.

    Args:
        version: The one that the run made.
        answer_of: See `TaskListing`.

    Raises:
        LabelStudioError: Replaced predictions could not be deleted; the same command continues. That the new ones
            could not be shown is only printed.
    """
    listing = TaskListing(client, answer_of)
    versions = listing.model_versions(project_id)
    if version not in versions:  # nothing to show, and nothing that takes the place of others
        return
    if not arguments.keep_shown_version:
        shown = answer_of(lambda: shown_version(client, project_id))
        if versions.get(shown, 0) > versions[version]:  # as after --limit, or a text that few images show
            print(
                f"Annotators still start from the predictions {shown}, of which there are {versions[shown]}; "
                f"of {version} there are {versions[version]}. {PLACE} changes it.",
                flush=True,
            )
        else:
            _show(client, project_id, version, answer_of)
    for old in arguments.replace:
        if old in versions:
            removal = delete_earlier_version(
                client,
                project_id,
                old,
                version,
                answer_of=answer_of,
                show=lambda tasks: show_progress(tasks, "deleting replaced predictions"),
            )
            print(f"Predictions of version {old}: {removal}", flush=True)
        else:
            print(f"No task has a prediction of version {old}.", flush=True)


def _show(client: LabelStudioClient, project_id: str, version: str, answer_of: AnswerOf) -> None:
    try:
        before = answer_of(lambda: show_version(client, project_id, version))
    except LabelStudioError as error:
        print(f"Warning: annotators are not shown the new predictions. {error}", flush=True)
        print(f"  help: Choose {version} in the project's {PLACE}.", flush=True)
        return
    if before != version:
        shown = f"before: {before!r}" if before else "before: none was chosen"
        print(f"Annotators start from the predictions {version} now ({shown}; {PLACE} changes it).", flush=True)
