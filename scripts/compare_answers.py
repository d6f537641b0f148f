"""Compare the answers of two checkouts: of the commit before a refactor and of the one after.

    git worktree add ../before HEAD~1
    python -m scripts.compare_answers ../before .

Each checkout's backend is started as in production, in a fresh process on a CPU, and is asked the same 200 things over
HTTP, one at a time: clicks, boxes, both together, corrections, repeats, texts, opened pages, several images, every kind
of shape, and what must be refused. Then a real Label Studio gets a project for each checkout, which the checkout's own
`scripts.preannotate` fills and `scripts.export` exports. Nothing of the project is imported here.

Equal must be: statuses, structure, types, order, labels, masks pixel by pixel, and numbers within 1e-6. Ids that a
backend makes count by the order in which they appear. Messages for people may be worded anew: they are listed, and
count as differences with --strict-messages only. Another model version is a note.

Exit status: 0, the same; 1, there are differences, the first of which are printed; 2, it could not be run.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from scripts.comparing_answers.comparison import Comparison
from scripts.comparing_answers.exchanges import CouldNotRun, Exchange
from scripts.comparing_answers.plan import replay, serve_pictures
from scripts.comparing_answers.programs import free_port
from scripts.comparing_answers.projects import work_in_projects
from scripts.comparing_answers.report import summarize, write_down

SAME, DIFFERENT, COULD_NOT_RUN = 0, 1, 2
Exchanges = tuple[list[Exchange], list[Exchange]]
Made = TypeVar("Made")


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare_answers",
        description="Compare the answers of two checkouts. Exit status: 0 the same, 1 differences, 2 could not run.",
    )
    parser.add_argument("before", type=Path, metavar="BEFORE", help="folder of the checkout that is right")
    parser.add_argument("after", type=Path, metavar="AFTER", help="folder of the checkout that is compared with it")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="runs both (default: this one)")
    parser.add_argument(
        "--label-studio-venv",
        type=Path,
        metavar="PATH",
        help="environment with Label Studio (default: .venv-label-studio of this checkout)",
    )
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="over HTTP (default: 200)")
    parser.add_argument("--skip-projects", action="store_true", help="leave Label Studio and the commands out")
    parser.add_argument("--strict-messages", action="store_true", help="reworded messages are differences")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep everything that was sent and answered, and logs")
    return parser


def run(arguments: argparse.Namespace, folder: Path) -> int:
    """Ask both checkouts, compare, and say what came of it.

    Raises:
        CouldNotRun: A folder is no checkout, or a program did not start.
    """
    sides = [_checkout(path) for path in (arguments.before, arguments.after)]
    label_studio = None if arguments.skip_projects else _label_studio(arguments.label_studio_venv)
    requests = _ask_both(sides, arguments, folder)
    commands: Exchanges = ([], [])
    if label_studio is not None:
        commands = _take_time("projects", lambda: work_in_projects(sides, arguments.python, label_studio, folder))
    comparison = Comparison(strict_messages=arguments.strict_messages)
    comparison.compare("request", *requests)
    comparison.compare("step", *commands)
    for name, found in (("before", 0), ("after", 1)):
        write_down(folder, name, requests[found] + commands[found])
    print(summarize(comparison, requests[0], commands[0]))
    return DIFFERENT if comparison.differences else SAME


def _ask_both(sides: Sequence[Path], arguments: argparse.Namespace, folder: Path) -> Exchanges:
    port, found = free_port(), []
    with serve_pictures() as pictures:
        for name, side in zip(("before", "after"), sides, strict=True):
            log = folder / f"backend-{name}.log"
            found.append(
                _take_time(
                    f"requests {name}",
                    lambda: replay(side, arguments.python, port, pictures, arguments.requests, log),  # noqa: B023
                )
            )
    return found[0], found[1]


def _take_time(name: str, work: Callable[[], Made]) -> Made:
    print(f"{name} …", flush=True)
    started = time.monotonic()
    made = work()
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    return made


def _checkout(path: Path) -> Path:
    """Raises `CouldNotRun` unless there is a backend in it."""
    if not (path / "backend" / "wsgi.py").is_file() or not (path / "gunicorn.conf.py").is_file():
        raise CouldNotRun(f"{path} is no checkout of this project: it has no backend/wsgi.py or no gunicorn.conf.py.")
    return path.resolve()


def _label_studio(venv: Path | None) -> Path:
    """Raises `CouldNotRun` unless Label Studio is installed there."""
    found = (venv or Path(__file__).resolve().parents[1] / ".venv-label-studio") / "bin" / "label-studio"
    if not found.is_file():
        raise CouldNotRun(f"{found} is not there. Run `make setup`, name --label-studio-venv, or --skip-projects.")
    return found.resolve()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        if arguments.out is not None:
            arguments.out.mkdir(parents=True, exist_ok=True)
            return run(arguments, arguments.out.resolve())
        with tempfile.TemporaryDirectory(prefix="compare-answers-") as folder:
            return run(arguments, Path(folder))
    except CouldNotRun as error:
        print(f"could not run: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return COULD_NOT_RUN


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(COULD_NOT_RUN))  # what was started is then stopped
    sys.exit(main())
