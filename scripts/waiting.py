"""Patience of a command with Label Studio: one that is not up yet is waited for, like an outage in mid-run."""

from __future__ import annotations

import argparse
from functools import partial

from backend.bulk import Outages, StopFlag
from backend.errors import LabelStudioError, WrongAddress
from backend.label_studio.api import LabelStudioClient, ProjectInfo
from scripts.console import duration

say = partial(print, flush=True)


def add_give_up_option(parser: argparse._ActionsContainer) -> None:
    """Add --give-up-after."""
    parser.add_argument(
        "--give-up-after",
        type=duration,
        default=30.0,
        metavar="MINUTES",
        help="how long a Label Studio that cannot be reached is waited for, from the start on (default: 30)",
    )


def build_outages(
    client: LabelStudioClient,
    project_id: int | str,
    arguments: argparse.Namespace,
    stop: StopFlag | None = None,
    *,
    resumes: bool = False,
) -> Outages:
    """Build the patience that --give-up-after allows.

    Args:
        stop: Ends a pause; without one a signal does.
        resumes: See `Outages`.
    """
    return Outages(
        lambda: client.project(project_id),
        stop or StopFlag(),
        give_up_after_seconds=60 * arguments.give_up_after,
        say=say,
        resumes=resumes,
    )


def fetch_project(client: LabelStudioClient, project_id: int | str, outages: Outages) -> ProjectInfo:
    """Fetch the project: a command's first request.

    An address that looks wrong at first (`WrongAddress`) is taken for a mistyped one and not waited for; later it is an
    outage.

    Raises:
        LabelStudioUnavailable: Label Studio did not come up while the command waited.
        LabelStudioError: Wrong address, no such project, or an invalid token; at once.
    """
    is_first = True

    def ask() -> ProjectInfo:
        nonlocal is_first
        was_first, is_first = is_first, False
        try:
            return client.project(project_id)
        except WrongAddress as error:
            if was_first:
                raise LabelStudioError(error.message, remedy=error.remedy) from error
            raise

    project: ProjectInfo = outages.answer_of(ask)
    return project
