"""Connection options, error output and exit statuses of the commands."""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn, TypeVar

from tqdm import tqdm

from backend.errors import BackendError, BadSettings
from backend.settings import Settings

INTERRUPTED = 130
Item = TypeVar("Item")


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Add --project, --url and --api-key."""
    parser.add_argument(
        "--project", type=positive_int, required=True, metavar="ID", help="the number in the project's address"
    )
    parser.add_argument("--url", metavar="URL", help="of Label Studio (default: LABEL_STUDIO_URL)")
    parser.add_argument(
        "--api-key", metavar="TOKEN", help="a personal access token or a legacy token (default: LABEL_STUDIO_API_KEY)"
    )


def read_settings(url: str | None, api_key: str | None) -> Settings:
    """Read the environment's settings; the command's options override its connection.

    Raises:
        BadSettings: The address or the token is neither an option nor in the environment.
    """
    given = {"LABEL_STUDIO_URL": url, "LABEL_STUDIO_API_KEY": api_key}
    settings = Settings.from_environment({**os.environ, **{key: value for key, value in given.items() if value}})
    for name, option, value in (
        ("address of Label Studio", "--url http://localhost:8080", settings.label_studio_url),
        (
            "token for Label Studio",
            "--api-key TOKEN (in Label Studio: Account & Settings)",
            settings.label_studio_api_key,
        ),
    ):
        if not value:
            variable = "LABEL_STUDIO_API_KEY" if "token" in name else "LABEL_STUDIO_URL"
            raise BadSettings(f"The {name} is missing.", remedy=f"Give {option}, or set {variable}.")
    return settings


def run_command(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; a BackendError becomes two lines on stderr, message and remedy."""
    try:
        return command()
    except BackendError as error:
        print(f"error: {error.message}\n  help: {error.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; completed work is kept, run the same command to continue", file=sys.stderr)
        return INTERRUPTED


def run_and_leave(main: Callable[[], int]) -> NoReturn:
    """Run a `main` that loads models and exit with its status, even if it is interrupted a second time.

    Exits without interpreter shutdown, which would abort the process if a model thread is still inside torch.
    """
    try:
        status = main()
    except KeyboardInterrupt:  # a second one, while the first was being handled
        status = INTERRUPTED
    except Exception:
        traceback.print_exc()
        status = 1
    _leave(status)


def _leave(status: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader closed the pipe
            stream.flush()
    os._exit(status)


def show_progress(items: Iterable[Item], what: str, unit: str = "task") -> tqdm[Item]:
    """Show progress on stderr, with rate and remaining time: a bar in a terminal, a line every 15 s elsewhere."""
    seconds = 0.2 if sys.stderr.isatty() else 15.0
    return tqdm(items, desc=what, unit=unit, dynamic_ncols=True, mininterval=seconds, maxinterval=seconds)


def positive_int(text: str) -> int:
    """Parse an option's integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number


def duration(text: str) -> float:
    """Parse an option's number of seconds or minutes, which may be 0 but not negative."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, got {text}")
    return number


def fraction(text: str) -> float:
    """Parse an option's number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")
    return number
