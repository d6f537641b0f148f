"""Compare the answers of two checkouts, for example the commits before and after a refactoring.

    git worktree add ../before HEAD~1
    python -m scripts.compare_answers ../before .

Each checkout's backend runs as in production, in a fresh process on a CPU, and receives the same 200 HTTP requests,
one at a time: clicks, boxes, both together, corrections, repeats, texts, opened pages, several images, every shape, and
invalid requests. Then a real Label Studio gets a project for each checkout, which the checkout's own
`scripts.preannotate` fills and `scripts.export` exports. This command imports nothing else of the project.

Statuses, structure, types, order, labels and mask pixels must be equal, and numbers equal within 1e-6. Generated ids
are compared by their order of appearance. Reworded messages are listed, and count as differences only with
--strict-messages. A different model version is a note.

Exit status: 0, same answers; 1, differences, the first of which are printed; 2, a program could not be run.
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
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare_answers",
        description="Compare the answers of two checkouts. Exit status: 0 the same, 1 differences, 2 could not run.",
    )
    parser.add_argument("before", type=Path, metavar="BEFORE", help="folder of the reference checkout")
    parser.add_argument("after", type=Path, metavar="AFTER", help="folder of the checkout to compare with it")
    parser.add_argument(
        "--python", default=sys.executable, metavar="PATH", help="interpreter for both (default: this one)"
    )
    parser.add_argument(
        "--label-studio-venv",
        type=Path,
        metavar="PATH",
        help="environment with Label Studio (default: .venv-label-studio of this checkout)",
    )
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="number of HTTP requests (default: 200)")
    parser.add_argument("--skip-projects", action="store_true", help="skip Label Studio and the commands")
    parser.add_argument("--strict-messages", action="store_true", help="count reworded messages as differences")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep all requests, answers and logs")
    return parser


def run(arguments: argparse.Namespace, folder: Path) -> int:
    """Run both checkouts, compare their answers and print a summary.

    Raises:
        CouldNotRun: A folder is not a checkout, or a program did not start.
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
    for side, name in enumerate(("before", "after")):
        write_down(folder, name, requests[side] + commands[side])
    print(summarize(comparison, requests[0], commands[0]))
    return DIFFERENT if comparison.differences else SAME


def _ask_both(sides: Sequence[Path], arguments: argparse.Namespace, folder: Path) -> Exchanges:
    port, exchanges = free_port(), []
    with serve_pictures() as pictures:
        for name, side in zip(("before", "after"), sides, strict=True):
            log = folder / f"backend-{name}.log"
            exchanges.append(
                _take_time(
                    f"requests {name}",
                    lambda: replay(side, arguments.python, port, pictures, arguments.requests, log),  # noqa: B023
                )
            )
    return exchanges[0], exchanges[1]


def _take_time(name: str, work: Callable[[], Made]) -> Made:
    print(f"{name} …", flush=True)
    started = time.monotonic()
    made = work()
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    return made


def _checkout(path: Path) -> Path:
    """Return the resolved path; raise `CouldNotRun` unless it contains a backend."""
    if not (path / "backend" / "wsgi.py").is_file() or not (path / "gunicorn.conf.py").is_file():
        raise CouldNotRun(f"{path} is not a checkout of this project: backend/wsgi.py or gunicorn.conf.py is missing.")
    return path.resolve()


def _label_studio(venv: Path | None) -> Path:
    """Return the path of label-studio; raise `CouldNotRun` unless it is installed there."""
    program = (venv or Path(__file__).resolve().parents[1] / ".venv-label-studio") / "bin" / "label-studio"
    if not program.is_file():
        how = "Run `make demo` once, which installs it, or pass --label-studio-venv or --skip-projects."
        raise CouldNotRun(f"{program} is missing. {how}")
    return program.resolve()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
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
        print("interrupted", file=sys.stderr)
    return COULD_NOT_RUN


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(COULD_NOT_RUN)
    )  # exits through the contexts that stop the programs
    sys.exit(main())
