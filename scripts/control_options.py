"""Options that name controls of the labeling config, such as --keep and --drop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from backend.bulk import read_task_file
from backend.errors import BadSettings, shorten
from backend.label_studio.config import LabelingConfig, control_names


def check_controls(
    named: Mapping[str, Collection[str]], config: LabelingConfig, annotated: Callable[[], Collection[str]]
) -> None:
    """Check that there are such controls. One that only annotations still have may be named, to decide about these.

    Args:
        named: Names of controls by the option that gives them.
        annotated: Asks for the controls that annotations were made with; called only for a name that the labeling
            config does not have.

    Raises:
        BadSettings: Neither the labeling config nor an annotation has such a control.
    """
    known = control_names(config)
    unknown = [(option, name) for option, names in named.items() for name in sorted(names) if name not in known]
    if not unknown:
        return
    earlier = annotated()
    for option, name in unknown:
        if name not in earlier:
            message = f"{option}: neither the labeling config nor an annotation has a control {shorten(repr(name))}."
            every = shorten(", ".join(sorted({*known, *earlier}))) or "none"
            raise BadSettings(message, remedy=f"Name one of these with {option}: {every}.")


def annotated_controls_of_file(path: Path) -> frozenset[str]:
    """Read the names (`from_name`) of controls with results in annotations of a JSON export.

    Raises:
        ExportError: The file cannot be read.
    """
    annotations = (one for task in read_task_file(path) for one in _dicts(task.get("annotations")))
    results = (result for one in annotations for result in _dicts(one.get("result")))
    return frozenset(str(result.get("from_name") or "") for result in results)


def _dicts(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; the command itself names what is damaged."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
