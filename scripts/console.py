"""What the commands share: how they are told where Label Studio is, and how they say that something went wrong."""

from __future__ import annotations

import argparse
import logging
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
    """The environment's settings with the command's own connection.

    Raises:
        BadSettings: No address or no token, neither as an option nor in the environment.
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
    """Run a command and return its exit status; an error that a person can mend becomes two lines on stderr."""
    try:
        return command()
    except BackendError as error:
        print(f"error: {error.message}\n  help: {error.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was done is kept, the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def run_and_leave(main: Callable[[], int]) -> NoReturn:
    """Run a `main` that loads models, and end the process with its status, also when it is interrupted again meanwhile.

    The interpreter is not torn down: a thread of the models that is still inside torch then would abort the process.
    """
    try:
        status = main()
    except KeyboardInterrupt:  # one more, while the first was being answered
        status = INTERRUPTED
    except Exception:
        traceback.print_exc()
        status = 1
    _leave(status)


def _leave(status: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it went away
            stream.flush()
    os._exit(status)


def show_progress(items: Iterable[Item], what: str, unit: str = "task") -> tqdm[Item]:
    """A progress bar on stderr with rate and remaining time; where nobody watches, a line now and then."""
    seconds = 0.2 if sys.stderr.isatty() else 15.0
    return tqdm(items, desc=what, unit=unit, dynamic_ncols=True, mininterval=seconds, maxinterval=seconds)


def positive_int(text: str) -> int:
    """An option's whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def share(text: str) -> float:
    """An option's number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number
