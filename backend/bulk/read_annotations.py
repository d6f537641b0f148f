"""Reading a project's annotations for an export: one annotation per task, as images with encoded regions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from backend.bulk.annotation_choice import DAMAGED_REMEDY, Json, list_annotations, pick_annotation, read_annotator
from backend.bulk.encode_saved import encode_saved_region
from backend.errors import BackendError, BadRegion, ExportError, shorten
from backend.export import (
    EncodedRegion,
    LabeledImage,
    build_file_name,
    build_image_id,
    build_image_parts,
    check_region,
)
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import TaskImage, parse_task
from backend.label_studio.results import (
    SavedRegion,
    count_left_out,
    drawn_size_of,
    find_regions,
    parse_image_choices,
    pick_image,
)
from backend.values import Size

FetchSize = Callable[[TaskImage], Size]
OnBadRegion = Callable[[BackendError], None]


@dataclass
class ReadCounts:
    """What `read_images` met on its way, complete when it has ended.

    Attributes:
        unannotated: Number of tasks without an annotation.
        several: Number of tasks with more than one annotation, of which one was read.
        left_out: Number of drawn regions without a mask, such as prompts that were not accepted, by type.
        skipped: Regions that were left out because they cannot be exported, each with its name and the reason.
        failures: Tasks that cannot be exported, each with its name and the reason.
    """

    unannotated: int = 0
    several: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass
class Collected(ReadCounts):
    """Images of a project that fits into memory, with the counts."""

    images: list[LabeledImage] = field(default_factory=list)


def read_size(results: Sequence[Json]) -> Size | None:
    """Return the image's size from the first result with a valid one, whether a person accepted it or not."""
    return next(filter(None, map(drawn_size_of, results)), None)


@dataclass(frozen=True)
class AnnotationReader:
    """Reader of one project's annotations.

    Attributes:
        fetch_size: Measures the image itself; called only if no result states the size, as for most negatives.
    """

    config: LabelingConfig
    fetch_size: FetchSize

    @cached_property
    def categories(self) -> tuple[str, ...]:
        return category_names(self.config)

    @cached_property
    def _image_parts(self) -> Mapping[str, str]:
        return build_image_parts([image.name for image in self.config.images if image.answers])

    def read(self, document: Json, annotation: Json, on_bad_region: OnBadRegion) -> Iterator[LabeledImage]:
        """Read a task with one of its annotations and yield each of its images that masks can be drawn on.

        Args:
            on_bad_region: Called with the reason why a region cannot be exported: its mask cannot be decoded, or its
                label is missing or not in the config. Unless it raises, the region is left out.

        Raises:
            BackendError: The results are not a list, an image cannot be measured, or `on_bad_region` raises.
        """
        results = [] if annotation.get("result") is None else annotation["result"]
        for image in parse_task(document, self.config).images:
            config = self.config.image(image.name)
            if config.answers:
                own = pick_image(results, config)
                size = read_size(own) or self.fetch_size(image)
                task_id, part = int(document["id"]), self._image_parts[image.name]
                yield LabeledImage(
                    file_name=build_file_name(image.uri, task_id, part),
                    size=size,
                    task_id=task_id,
                    annotation_id=annotation.get("id"),
                    regions=tuple(
                        replace(region, annotation_id=annotation.get("id"))
                        for region in self._encode(find_regions(own, config), size, on_bad_region)
                    ),
                    choices=parse_image_choices(own, config),
                    image_uri=document["data"][config.data_key],
                    image_id=build_image_id(task_id, image.name if part else ""),
                    annotator=read_annotator(annotation),
                    fields=document["data"],
                )

    def _encode(
        self, regions: Iterable[SavedRegion], size: Size, on_bad_region: OnBadRegion
    ) -> Iterator[EncodedRegion]:
        for saved in regions:
            try:
                encoded = encode_saved_region(saved)
                check_region(encoded, size, self.categories)
            except (BadRegion, ExportError) as error:
                on_bad_region(error)
            else:
                yield encoded


def category_names(config: LabelingConfig) -> tuple[str, ...]:
    """Return COCO's categories: the labels for masks in the order of the labeling config, each once."""
    return tuple(dict.fromkeys(label.name for image in config.images for label in image.answer_classes))


def read_images(
    tasks: Iterable[Json],
    reader: AnnotationReader,
    counts: ReadCounts,
    *,
    include_unannotated: bool = False,
    skip_bad_regions: bool = False,
) -> Iterator[LabeledImage]:
    """Read the tasks one by one; a task that cannot be read is listed among the failures and does not stop the others.

    A region that cannot be exported fails its task, because an image that lacks an object teaches a model that the
    object is background. With `skip_bad_regions` only the region is left out, and listed.
    """
    for document in tasks:
        name = _describe_task(document)
        try:
            annotations = list_annotations(document)
            if not annotations and not include_unannotated:
                counts.unannotated += 1
                continue
            annotation = pick_annotation(annotations) or {}
            name = _describe_task(document, annotation)
            skipped: list[BackendError] = []
            images = list(reader.read(document, annotation, skipped.append if skip_bad_regions else _raise))
            counts.left_out += _count_left_out(annotation, reader.config)
            counts.skipped += [f"{name}: {error}" for error in skipped]
            counts.several += len(annotations) > 1
        except Exception as error:  # a malformed task must not stop the export of the others
            counts.failures.append(f"{name}: {_reason(error)}")
            continue
        yield from images


def collect(tasks: Iterable[Json], config: LabelingConfig, fetch_size: FetchSize, **options: bool) -> Collected:
    """Read all tasks into memory. See `read_images`."""
    collected = Collected()
    collected.images += read_images(tasks, AnnotationReader(config, fetch_size), collected, **options)
    return collected


def _reason(error: Exception) -> str:
    if isinstance(error, BackendError):
        return str(error)
    logging.getLogger(__name__).debug("Could not read a task", exc_info=error)
    return f"The task could not be read ({type(error).__name__}: {shorten(error)}). {DAMAGED_REMEDY}"


def _raise(error: BackendError) -> None:
    raise error


def _count_left_out(annotation: Json, config: LabelingConfig) -> Counter[str]:
    results = annotation.get("result") or []
    return sum((count_left_out(results, image) for image in config.images), Counter())


def _describe_task(document: object, annotation: Json | None = None) -> str:
    task = document.get("id") if isinstance(document, Mapping) else document
    return f"task {shorten(task)}" + (f", annotation {shorten(annotation.get('id'))}" if annotation else "")
