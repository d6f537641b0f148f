"""The plan of an import: which images of a data set go into which tasks, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backend.bulk import Failures
from backend.errors import BadDataSet, shorten
from backend.export import FoundDataSet, FoundImage
from backend.importing.build_results import ResultOptions
from backend.importing.choose_control import suggest
from backend.importing.match_images import IMPORT_REMEDY, Place, TaskIndex
from backend.label_studio.config import ImageConfig


@dataclass(frozen=True)
class TaskImport:
    """What one task gets: the images that were found for it, each with its place in the task."""

    task_id: int
    images: tuple[tuple[FoundImage, Place], ...]


def check_labels(data_set: FoundDataSet, images: Iterable[ImageConfig], options: ResultOptions) -> None:
    """Raise `BadDataSet` if labels of regions are not in the labeling config, with all of them.

    Args:
        images: With `add_ordinary_rectangles`.
    """
    controls = [control for image in images for control in image.answers]
    names = list(dict.fromkeys(name for control in controls for name in control.label_names))
    used = {options.renamed.get(label, label): count for label, count in data_set.labels.items()}
    unknown = [label for label in used if label not in names]
    if not unknown or any(control.labels_name == "" for control in controls):
        return
    shown = "; ".join(f"{shorten(repr(one))} of {used[one]} regions{suggest(one, names)}" for one in unknown)
    raise BadDataSet(
        f"Labels of the data set are not in the labeling config: {shown}.",
        remedy=f"Rename them with --rename OLD=NEW, or add them to the labeling config ({shorten(', '.join(names))}).",
    )


def name_unused_renames(data_set: FoundDataSet, options: ResultOptions) -> list[str]:
    """Return a line for each renamed label that nothing in the data set has."""
    names = list(dict.fromkeys((*data_set.labels, *data_set.key_points, *data_set.further_labels)))
    return [
        f"--rename {shorten(old)}={shorten(new)} changes nothing: the data set has no label {shorten(repr(old))}"
        f"{suggest(old, names)}"
        for old, new in options.renamed.items()
        if old not in names
    ]


def plan_import(
    data_set: FoundDataSet,
    index: TaskIndex,
    failures: Failures,
    *,
    by_name: bool = False,
    remedy: str = IMPORT_REMEDY,
) -> list[TaskImport]:
    """Match all images to tasks; those that cannot be matched are failures.

    Args:
        remedy: Of an image whose names no task has.

    Returns:
        By ascending task id.
    """
    matched = list[tuple[FoundImage, Place]]()
    for found in data_set.images:
        try:
            matched.append((found, index.match(found, by_name=by_name, remedy=remedy)))
        except BadDataSet as error:
            fail_image(failures, str(error))
    return group_by_task(matched, failures)


def group_by_task(matched: Iterable[tuple[FoundImage, Place]], failures: Failures) -> list[TaskImport]:
    """Return what tasks get, by ascending id; several images with the same place are failures."""
    by_place: dict[tuple[int, str], list[tuple[FoundImage, Place]]] = {}
    for found, place in matched:
        by_place.setdefault((place.task_id, place.image.name), []).append((found, place))
    by_task: dict[int, list[tuple[FoundImage, Place]]] = {}
    for (task_id, _), pairs in by_place.items():
        if len(pairs) > 1:
            names = ", ".join(found.name for found, _ in pairs[:3])
            remedy = "Rename pictures so that each has a task of its own, or give each its task_id in the file."
            fail_image(
                failures,
                f"{len(pairs)} images of the data set are the one of task {task_id}: {names}. {remedy}",
                len(pairs),
            )
        else:
            by_task.setdefault(task_id, []).append(pairs[0])
    return [TaskImport(task_id, tuple(by_task[task_id])) for task_id in sorted(by_task)]


def fail_image(failures: Failures, reason: str, count: int = 1) -> None:
    """Count images that get nothing, and record the reason."""
    failures.failed += count
    failures.reasons.append(reason)
