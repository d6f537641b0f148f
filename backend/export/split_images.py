"""Splitting a stream of labeled images: it is read to its end, then given again with `LabeledImage.split`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from backend.errors import ExportError, shorten
from backend.export.records import LabeledImage
from backend.export.splits import SplitRow, assign_splits
from backend.export.spool import Spool


def split_images(
    images: Iterable[LabeledImage], fractions: Mapping[str, float], seed: int, spool_folder: Path, group_by: str = ""
) -> Iterator[LabeledImage]:
    """Assign each image to a split; the order stays.

    Args:
        fractions: Of each split, 1 together.
        spool_folder: On the disk that the images wait on; nothing is left there.
        group_by: Field of the task's data; images with an equal value stay together. "" for none.

    Raises:
        ExportError: A task lacks the field, or has something else in it than a text or a number.
        OSError: The disk is full.
    """
    with Spool(spool_folder) as spool:
        assigned = assign_splits(_spool_rows(images, spool, group_by), fractions, seed)
        for image in spool.read():
            yield replace(image, split=assigned[image.image_id])


def _spool_rows(images: Iterable[LabeledImage], spool: Spool, group_by: str) -> Iterator[SplitRow]:
    for image in images:
        spool.add(image)
        yield SplitRow(image.image_id, count_classes(image), read_group(image, group_by) if group_by else "")


def count_classes(image: LabeledImage) -> Counter[str]:
    """Count the objects of each label, and each value that was chosen for the whole image once."""
    counts = Counter(region.label for region in image.regions if region.area)
    counts.update(point.label for point in image.key_points)
    counts.update(f"{control}={value}" for control, values in image.choices.items() for value in values)
    return counts


def read_group(image: LabeledImage, name: str) -> str:
    """Return the value of a field of the task's data as a text.

    Raises:
        ExportError: It is missing, empty, or neither a text nor a number.
    """
    value = image.fields.get(name)
    if isinstance(value, (str, int, float)) and value != "":
        return str(value)
    if value is None or value == "":
        known = shorten(", ".join(map(str, image.fields))) or "none"
        message = f'Task {image.task_id} has no "{shorten(name)}" in its data, by which --group-by shall group; '
        message += f"its fields are: {known}."
    else:
        message = f'Task {image.task_id} has in "{shorten(name)}" neither a text nor a number: {shorten(value)}.'
    raise ExportError(message, remedy="Name a field that each task has with --group-by, or add it to the task's data.")
