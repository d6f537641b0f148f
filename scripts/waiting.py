"""Patience of a command with Label Studio: one that is not up yet is waited for, like an outage in mid-run."""

from __future__ import annotations

import argparse
from functools import partial

from backend.bulk import Outages, StopFlag
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
    client: LabelStudioClient, project_id: int | str, arguments: argparse.Namespace, stop: StopFlag | None = None
) -> Outages:
    """Build the patience that --give-up-after allows.

    Args:
        stop: Ends a pause; without one a signal does.
    """
    seconds = 60 * arguments.give_up_after
    return Outages(lambda: client.project(project_id), stop or StopFlag(), give_up_after_seconds=seconds, say=say)


def fetch_project(client: LabelStudioClient, project_id: int | str, outages: Outages) -> ProjectInfo:
    """Fetch the project: a command's first request.

    Raises:
        LabelStudioUnavailable: Label Studio did not come up while the command waited.
        LabelStudioError: No such project, or an invalid token; at once.
    """
    project: ProjectInfo = outages.answer_of(lambda: client.project(project_id))
    return project
