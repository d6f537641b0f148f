"""Options that name controls of the labeling config, such as --keep and --drop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from backend.errors import BadSettings, shorten
from backend.label_studio.config import LabelingConfig, control_names
from scripts.console import show_progress

Tasks = Iterable[Mapping[str, Any]]


def check_controls(
    named: Mapping[str, Collection[str]], config: LabelingConfig, read_tasks: Callable[[], Tasks]
) -> None:
    """Check that there are such controls. One that only annotations still have may be named, to decide about these.

    Args:
        named: Names of controls by the option that gives them.
        read_tasks: Reads all tasks with their annotations; called only for a name that the labeling config does not
            have. Label Studio's own count (1.23.2, `created_annotations` of a project's summary) lacks annotations that
            were imported with tasks.

    Raises:
        BadSettings: Neither the labeling config nor an annotation has such a control.
        LabelStudioError, ExportError: The tasks cannot be read.
    """
    known = control_names(config)
    unknown = [(option, name) for option, names in named.items() for name in sorted(names) if name not in known]
    if not unknown:
        return
    left, earlier = {name for _, name in unknown}, set[str]()
    for controls in _controls(show_progress(read_tasks(), "looking for controls")):
        left, earlier = left - controls, earlier | controls
        if not left:
            return
    option, name = next(one for one in unknown if one[1] in left)
    message = f"{option}: neither the labeling config nor an annotation has a control {shorten(repr(name))}."
    every = shorten(", ".join(sorted({*known, *earlier} - {""}))) or "none"
    raise BadSettings(message, remedy=f"Name one of these with {option}: {every}.")


def _controls(tasks: Tasks) -> Iterator[set[str]]:
    """Yield the names (`from_name`) of the controls that each task has results of."""
    for task in tasks:
        results = (result for one in _dicts(task.get("annotations")) for result in _dicts(one.get("result")))
        yield {str(result.get("from_name") or "") for result in results}


def _dicts(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; the command itself names what is damaged."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
