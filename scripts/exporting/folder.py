"""Option --out, and what an export says about itself: `export.json` and README.md."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.errors import ExportError
from backend.export import FORMATS, DataSet, DataSetStatistics, ExportFolder, read_record, write_readme

PRIVATE = frozenset({"api_key", "url", "out"})
"""Options that are not written down: a secret, addresses inside a network, and what does not change the data set."""


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Add --out."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the data set; created if missing. An earlier export is replaced when the new one is complete, "
        "anything else is refused",
    )


def check_same_project(out: Path, project_id: str) -> None:
    """Check that an earlier export in the folder is of the same project.

    Args:
        project_id: "" if the annotations come from a file; then nothing is checked.

    Raises:
        ExportError: It is of another one, perhaps because the number was mistyped.
    """
    options = read_record(out).get("options")
    earlier = options.get("project") if isinstance(options, dict) else None
    if project_id and earlier is not None and str(earlier) != project_id:
        message = f"{out} is an export of project {earlier}, and would be replaced by one of project {project_id}."
        raise ExportError(message, remedy="Check --project, choose another folder with --out, or delete this one.")


def count_earlier_images(out: Path) -> int:
    """Return how many images an earlier export in the folder has; 0 if there is none."""
    counts = read_record(out).get("counts")
    images = counts.get("images") if isinstance(counts, dict) else None
    return images if isinstance(images, int) else 0


def list_options(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given and may be written down, JSON-ready, in alphabetical order.

    Of a file it is the name without its folder, which is private to this machine.
    """
    return {
        name: [_to_text(one) for one in value] if isinstance(value, (list, tuple, set, frozenset)) else _to_text(value)
        for name, value in sorted(vars(arguments).items())
        if name not in PRIVATE and value is not None and value is not False and value != parser.get_default(name)
    }


def describe_command(prog: str, options: Mapping[str, Any]) -> str:
    """Return the command with these options (`list_options`), as one types it."""
    words: list[str] = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            words += [option] if one is True else [option, shlex.quote(str(one))]
    return " ".join([prog, *words])


def describe_folder(
    folder: ExportFolder,
    data_set: DataSet,
    statistics: DataSetStatistics,
    formats: Sequence[str],
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
    notes: Sequence[str] = (),
) -> None:
    """Write README.md and fill the record of an export, before its block ends.

    Args:
        notes: What the writers' `close` returned.
    """
    options = list_options(parser, arguments)
    folder.record = {"formats": list(formats), "options": options, "counts": statistics.to_json()}
    if data_set.model_versions:
        folder.record["model_versions"] = dict(sorted(data_set.model_versions.items()))
    descriptions = {name: FORMATS[name].description for name in formats}
    command = describe_command(parser.prog, options)
    write_readme(folder.staging, data_set, statistics, descriptions, command, notes)


def _to_text(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    return value if isinstance(value, (bool, int, float)) else str(value)
