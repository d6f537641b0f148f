"""`export.json`: the record of an export in its folder, by which a folder is known to be one that may be replaced.

    {"made_by": "label-studio-sam-clip", "formats": ["coco"], …, "finished": true, "entries": ["instances.json"]}

`entries` are the names in the folder besides the record; `finished` is false while it is being written. The record
holds no dates: the same export makes the same file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.errors import ExportError, shorten
from backend.export.files import write_json

RECORD = "export.json"
MADE_BY = "label-studio-sam-clip"
MAX_RECORD_BYTES = 16 << 20
_EARLIER = {"instances.json"}  # all that version 0.5 wrote, without a record
_OF_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}  # of file browsers


def write_record(folder: Path, record: Mapping[str, Any], *, is_finished: bool) -> None:
    """Write the record of an export, with the names of what is in its folder.

    Raises:
        ExportError: As `write_json`.
    """
    entries = sorted(_names(folder)) if is_finished else []
    write_json(folder / RECORD, {**record, "made_by": MADE_BY, "finished": is_finished, "entries": entries})


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of an export; {} if there is none that was written by `write_record`."""
    try:
        with (folder / RECORD).open("rb") as file:
            record = json.loads(file.read(MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and record.get("made_by") == MADE_BY else {}


def is_unfinished(folder: Path) -> bool:
    """Whether the folder is an export that was never finished, or empty, so that nothing of a person's is in it."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return read_record(folder).get("finished") is False or not any(folder.iterdir())


def check_folder(folder: Path) -> None:
    """Check that a folder may be replaced: it is not there, is empty, or is an export to which nobody added anything.

    Raises:
        ExportError: It holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"{folder} is a file.", remedy="Choose another folder with --out.")
    foreign = _foreign_names(folder)
    if not foreign:
        return
    shown = shorten(", ".join(sorted(foreign)))
    if read_record(folder):
        message = f"{folder} would be replaced by the new export, but also holds what no export wrote: {shown}."
        remedy = "Move that elsewhere, or choose another folder with --out."
    else:
        message = f"{folder} would be replaced by the export, but is not empty and not an earlier export: {shown}."
        remedy = "Choose a new folder with --out."
    raise ExportError(message, remedy=remedy)


def _foreign_names(folder: Path) -> set[str]:
    """Return what is in a folder besides the entries of an export."""
    record, names = read_record(folder), _names(folder)
    if not record:
        return names - _EARLIER | ({RECORD} if (folder / RECORD).exists() else set())
    entries = record.get("entries")
    return names - {name for name in entries if isinstance(name, str)} if isinstance(entries, list) else names


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)} - _OF_THE_SYSTEM - {RECORD}
