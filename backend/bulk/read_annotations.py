"""What an export reads of a project: of each task the annotation that speaks for it, as images with encoded regions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from backend.errors import BackendError, BadRegion, ExportError, shorten
from backend.export import EncodedRegion, LabeledImage, check_region, encode_region
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import TaskImage, parse_task
from backend.label_studio.results import (
    LabeledRegion,
    SavedRegion,
    count_left_out,
    find_regions,
    parse_image_choices,
    pick_image,
)
from backend.values import Size

Json = Mapping[str, Any]
FetchSize = Callable[[TaskImage], Size]
Refuse = Callable[[BackendError], None]
DAMAGED_REMEDY = "Open the task in Label Studio; delete the annotation and make it anew."


@dataclass
class Collected:
    """What was read of a project: images to export, and what is not among them.

    Attributes:
        several: Tasks with more annotations than the one that was read.
        left_out: Drawn regions of the exported annotations that are no masks, by type: prompts that were not accepted.
        skipped: Regions that cannot be exported and were left out of their images, each by name and with the reason.
        failures: Tasks that cannot be exported, likewise.
    """

    images: list[LabeledImage] = field(default_factory=list)
    unannotated: int = 0
    several: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def list_annotations(task: Json) -> list[Json]:
    """The annotations of a task that were not skipped ("cancelled").

    Raises:
        ExportError: What the task has for annotations is no list of objects.
    """
    annotations = task.get("annotations") or []
    if not isinstance(annotations, list) or not all(isinstance(annotation, Mapping) for annotation in annotations):
        message = f"Its annotations are no list of objects but {shorten(annotations)}."
        raise ExportError(message, remedy=DAMAGED_REMEDY)
    return [annotation for annotation in annotations if not annotation.get("was_cancelled")]


def pick_annotation(annotations: Iterable[Json]) -> Json | None:
    """The annotation that speaks for its task: the ground truth, else the one changed last; None if there is none."""
    return max(
        annotations,
        key=lambda annotation: (
            bool(annotation.get("ground_truth")),
            str(annotation.get("updated_at") or ""),
            annotation.get("id") or 0,
        ),
        default=None,
    )


def uri_to_file_name(uri: str, task_id: int) -> str:
    """The last part of an image URI: of its path, or of the path in `?d=` that local files have."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # "http://[::1/a.png"
        return f"task{task_id}"
    path = (parse_qs(parts.query).get("d") or [unquote(parts.path)])[0]
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or f"task{task_id}"


def read_size(results: Sequence[Json]) -> Size | None:
    """The image's size as any result states it, accepted or not."""
    for result in results:
        width, height = result.get("original_width"), result.get("original_height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            return Size(width, height)
    return None


@dataclass(frozen=True)
class AnnotationReader:
    """Reads the annotations of one project.

    Attributes:
        fetch_size: Looks at the image itself; asked only when no result states the size, as with most negatives.
    """

    config: LabelingConfig
    fetch_size: FetchSize

    @cached_property
    def categories(self) -> tuple[str, ...]:
        return category_names(self.config)

    def read(self, document: Json, annotation: Json, refuse: Refuse) -> Iterator[LabeledImage]:
        """Read a task with one of its annotations: each image of the page that masks can be drawn on and the task has.

        Args:
            refuse: Is told why a region cannot be exported: its mask cannot be decoded, it has no label or one that the
                config has not got. Unless it raises, the region is left out.

        Raises:
            BackendError: No list of results, an image that cannot be looked at, or what `refuse` raises.
        """
        results = [] if annotation.get("result") is None else annotation["result"]
        for image in parse_task(document, self.config).images:
            config = self.config.image(image.name)
            if config.answers:
                own = pick_image(results, config)
                size = read_size(own) or self.fetch_size(image)
                task_id = int(document["id"])
                yield LabeledImage(
                    file_name=uri_to_file_name(image.uri, task_id),
                    size=size,
                    task_id=task_id,
                    annotation_id=annotation.get("id"),
                    regions=tuple(self._encode(find_regions(own, config), size, refuse)),
                    choices=parse_image_choices(own, config),
                    image_uri=document["data"][config.data_key],
                )

    def _encode(self, found: Iterable[SavedRegion], size: Size, refuse: Refuse) -> Iterator[EncodedRegion]:
        for saved in found:
            try:
                encoded = _encode_region(saved.decode())
                check_region(encoded, size, self.categories)
            except (BadRegion, ExportError) as error:
                refuse(error)
            else:
                yield encoded


def _encode_region(region: LabeledRegion) -> EncodedRegion:
    return encode_region(
        region.mask,
        region.label,
        region.region_id,
        score=region.score,
        choices=region.choices,
        kind=region.kind,
        other_labels=region.other_labels,
    )


def category_names(config: LabelingConfig) -> tuple[str, ...]:
    """COCO's categories: the labels of the masks in the order of the labeling config, each once."""
    return tuple(dict.fromkeys(label.name for image in config.images for label in image.answer_classes))


def collect(
    tasks: Iterable[Json],
    config: LabelingConfig,
    fetch_size: FetchSize,
    *,
    include_unannotated: bool = False,
    skip_bad_regions: bool = False,
) -> Collected:
    """Read all tasks; one that cannot be read is named among the failures and the others go on.

    A region that cannot be exported fails its task, for an image that lacks an object teaches a model that it is
    background; with `skip_bad_regions` it is left out and named.
    """
    collected, reader = Collected(), AnnotationReader(config, fetch_size)
    for document in tasks:
        name = _name(document)
        try:
            annotations = list_annotations(document)
            if not annotations and not include_unannotated:
                collected.unannotated += 1
                continue
            annotation = pick_annotation(annotations) or {}
            name = _name(document, annotation)
            skipped: list[BackendError] = []
            images = list(reader.read(document, annotation, skipped.append if skip_bad_regions else _raise))
            collected.left_out += _count_left_out(annotation, config)
            collected.skipped += [f"{name}: {error}" for error in skipped]
            collected.several += len(annotations) > 1
            collected.images += images
        except Exception as error:  # whatever one task holds, it must not cost the others
            collected.failures.append(f"{name}: {_reason(error)}")
    return collected


def _reason(error: Exception) -> str:
    if isinstance(error, BackendError):
        return str(error)
    logging.getLogger(__name__).debug("A task cannot be read", exc_info=error)
    return f"It cannot be read ({type(error).__name__}: {shorten(error)}). {DAMAGED_REMEDY}"


def _raise(error: BackendError) -> None:
    raise error


def _count_left_out(annotation: Json, config: LabelingConfig) -> Counter[str]:
    results = annotation.get("result") or []
    return sum((count_left_out(results, image) for image in config.images), Counter())


def _name(document: object, annotation: Json | None = None) -> str:
    task = document.get("id") if isinstance(document, Mapping) else document
    return f"task {shorten(task)}" + (f", annotation {shorten(annotation.get('id'))}" if annotation else "")
