"""Import a data set into a project: COCO, YOLO or masks become predictions or annotations.

    python -m scripts.import_annotations --project 1 --format coco exports/birds/instances.json
    python -m scripts.import_annotations --project 1 --format yolo-seg --as annotations runs/birds
    python -m scripts.import_annotations --project 1 --format coco instances.json --create-tasks --images photos

Images are matched to tasks by task id or by the names of their pictures; docs/exporting.md describes how. With
--create-tasks those that match none become tasks first. Masks come back exactly where the labeling config has a brush,
a bitmask or polygons. Running it twice adds nothing twice.

Exit status: 0, also if the data set has no images; 1 if an image has no task or a task failed (the others are
imported), or if nothing could be read; 2 for options that are missing or not valid; 130 or 143 if it was stopped by a
signal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from backend.errors import shorten
from scripts.console import read_settings, run_command
from scripts.importing_annotations.creating import create_tasks
from scripts.importing_annotations.options import add_options
from scripts.importing_annotations.sending import prepare, send_as_annotations, send_as_predictions
from scripts.importing_annotations.sources import hold_tasks
from scripts.importing_annotations.trying import try_everything


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.import_annotations",
        description="Import a data set into a project, as predictions or annotations.",
    )
    add_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Read, match, send, and print a summary."""
    settings = read_settings(arguments.url, arguments.api_key)
    with hold_tasks(arguments, settings):
        work = prepare(arguments, settings)
        print(work.summary().matching(), flush=True)
        if not work.data_set.images:
            print(f"Nothing was done: {shorten(arguments.path)} has no images.", flush=True)
            return 0
        if work.new and not arguments.dry_run:
            work, stopped = create_tasks(work, arguments, settings)
            if stopped:
                return stopped
    if arguments.dry_run:
        status = try_everything(work, arguments, settings)
    elif arguments.kind == "annotations":
        status = send_as_annotations(work, arguments, settings)
    else:
        status = send_as_predictions(work, arguments, settings)
    print(work.summary().results())
    return status or int(work.failures.failed > 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
