"""Reading a project's annotations for an export: tasks come in, images with encoded regions go out, one at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backend.bulk.annotation_choice import (
    DAMAGED_REMEDY,
    AnnotationChoice,
    Json,
    changed_since,
    is_reviewed,
    list_annotations,
)
from backend.bulk.annotation_reader import NOTHING_DECIDED, AnnotationReader, FetchSize
from backend.bulk.image_regions import ControlChoice, TaskNotes, refuse_undecided
from backend.bulk.read_counts import Collected, ReadCounts
from backend.errors import BackendError, ExportError, shorten
from backend.export import LabeledImage
from backend.label_studio.config import LabelingConfig
from backend.label_studio.results import DrawnRegion

Merge = Callable[[Sequence[LabeledImage]], tuple[LabeledImage, Sequence[str]]]

BEST = AnnotationChoice()


@dataclass(frozen=True)
class ReadOptions:
    """Which annotations are read.

    Attributes:
        choice: Of a task's annotations.
        reviewed_only: Leaves out untouched copies of predictions.
        updated_since: Leaves out tasks none of whose chosen annotations was changed at that time or later.
        include_unannotated: Makes tasks without an annotation negatives.
        skip_bad_regions: A region that cannot be exported is left out and listed, and does not fail its task.
        merge: Merges the images of several annotators into one, for "consensus"; returns what they disagree on, too.
    """

    choice: AnnotationChoice = BEST
    reviewed_only: bool = False
    updated_since: datetime | None = None
    include_unannotated: bool = False
    skip_bad_regions: bool = False
    merge: Merge | None = None


def read_images(
    tasks: Iterable[Json], reader: AnnotationReader, counts: ReadCounts, **options: Any
) -> Iterator[LabeledImage]:
    """Read the tasks one by one; a task that cannot be read is listed among the failures and does not stop the others.

    A region that cannot be exported fails its task, because an image that lacks an object teaches a model that the
    object is background, and so does an undecided one. With `skip_bad_regions` only the region is left
    out, and listed.

    Args:
        options: Of `ReadOptions`.
    """
    reading = _Reading(reader, counts, ReadOptions(**options))
    for document in tasks:
        yield from reading.read_task(document)


@dataclass
class _Reading:
    """Reading of one stream of tasks; `seen` are the ids of the tasks so far."""

    reader: AnnotationReader
    counts: ReadCounts
    options: ReadOptions
    seen: set[object] = field(default_factory=set)

    def read_task(self, document: Json) -> list[LabeledImage]:
        """Return the images of a task; [] for one that is left out or fails."""
        name = _describe_task(document)
        try:
            annotations = self._list(document)
            self.counts.annotated += bool(annotations)
            self.counts.predicted += not annotations and bool(document.get("predictions"))
            chosen = self._choose(annotations)
        except Exception as error:  # a malformed task must not stop the export of the others
            self._fail(name, error)
            return []
        images = [image for annotation in chosen for image in self._read(document, annotation)]
        self.counts.several += bool(images) and len(chosen) == 1 < len(annotations)
        return self._merge(images, len(chosen), name) if self.options.merge else images

    def _fail(self, name: str, error: Exception) -> None:
        self.counts.failures.append(f"{name}: {_reason(error)}")

    def _list(self, document: Json) -> list[Json]:
        _refuse_twice("task", [*self.seen & {document.get("id")}, document.get("id")])
        self.seen.add(document.get("id"))
        annotations = list_annotations(document)
        _refuse_twice("annotation", [annotation.get("id") for annotation in annotations])
        return annotations

    def _choose(self, annotations: Sequence[Json]) -> list[Json]:
        """Return the annotations to read; an empty one for a task that nobody annotated, if that is wanted."""
        options = self.options
        if not annotations:
            self.counts.unannotated += not options.include_unannotated
            return [{}] if options.include_unannotated else []
        reviewed = [one for one in annotations if not options.reviewed_only or is_reviewed(one)]
        chosen, since = options.choice.pick(reviewed), options.updated_since
        if since is not None and not any(changed_since(annotation, since) for annotation in chosen):
            chosen = []
        self.counts.not_chosen += not chosen
        return chosen

    def _read(self, document: Json, annotation: Json) -> list[LabeledImage]:
        """Return the images of a task with one of its annotations; [] if it cannot be read."""
        name, skipped = _describe_task(document, annotation), list[BackendError]()
        notes = TaskNotes(skipped.append if self.options.skip_bad_regions else _raise)
        try:
            images = list(self.reader.read(document, annotation, notes))
            if notes.undecided:
                self._count_undecided(notes.undecided, name)
                raise refuse_undecided(notes.undecided)
        except Exception as error:
            self._fail(name, error)
            return []
        self.counts.left_out += notes.left_out
        self.counts.only_left_out += [name] if notes.has_only_left_out else []
        self.counts.messages += notes.messages
        self.counts.empty += [f"{name}: {region}" for region in notes.empty]
        self.counts.skipped += [f"{name}: {error}" for error in skipped]
        return images

    def _merge(self, images: Sequence[LabeledImage], annotators: int, name: str) -> list[LabeledImage]:
        """Merge what the annotators of a task did, image by image; [] if not all of them could be read."""
        assert self.options.merge is not None
        by_id: dict[int, list[LabeledImage]] = {}
        for image in images:
            by_id.setdefault(image.image_id, []).append(image)
        if any(len(copies) < annotators for copies in by_id.values()):
            return []
        merged = list(map(self.options.merge, by_id.values()))
        self.counts.disagreements += [f"{name}: {reason}" for _, reasons in merged for reason in reasons]
        return [image for image, _ in merged]

    def _count_undecided(self, undecided: Sequence[DrawnRegion], name: str) -> None:
        for drawn in undecided:
            example = f'{name}, region "{shorten(drawn.region_id)}"'
            can_be_kept = drawn.region is not None or drawn.is_key_point
            self.counts.add_undecided(drawn.control, example, can_be_kept=can_be_kept)


def collect(
    tasks: Iterable[Json],
    config: LabelingConfig,
    fetch_size: FetchSize,
    controls: ControlChoice = NOTHING_DECIDED,
    **options: Any,
) -> Collected:
    """Read all tasks into memory. See `read_images`."""
    collected = Collected()
    collected.images += read_images(tasks, AnnotationReader(config, fetch_size, controls), collected, **options)
    return collected


def _refuse_twice(what: str, ids: Sequence[object]) -> None:
    twice = [number for number, count in Counter(ids).items() if count > 1 and number is not None]
    if twice:
        message = f"The {what} id {shorten(twice[0])} comes twice."
        raise ExportError(message, remedy="Export each task once; exports of several Label Studios cannot be joined.")


def _reason(error: Exception) -> str:
    if isinstance(error, BackendError):
        return str(error)
    logging.getLogger(__name__).debug("Could not read a task", exc_info=error)
    return f"The task could not be read ({type(error).__name__}: {shorten(error)}). {DAMAGED_REMEDY}"


def _raise(error: BackendError) -> None:
    raise error


def _describe_task(document: object, annotation: Json | None = None) -> str:
    task = document.get("id") if isinstance(document, Mapping) else document
    return f"task {shorten(task)}" + (f", annotation {shorten(annotation.get('id'))}" if annotation else "")
