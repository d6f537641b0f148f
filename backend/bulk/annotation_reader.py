"""One annotation of one task: a document comes in, the page's images with their regions go out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from backend.bulk.annotation_choice import Json, read_annotator
from backend.bulk.image_regions import ControlChoice, ImageRegions, TaskNotes
from backend.bulk.label_names import LabelNames, category_names, key_point_names
from backend.export import LabeledImage, build_file_name, build_image_id, build_image_parts
from backend.label_studio.config import LabelingConfig, pose_indexes
from backend.label_studio.requests import TaskImage, parse_task
from backend.label_studio.results import drawn_size_of, parse_image_choices, pick_image, results_of
from backend.values import Size

FetchSize = Callable[[TaskImage], Size]
NOTHING_DECIDED = ControlChoice()


def read_size(results: Sequence[Json]) -> Size | None:
    """Return the image's size from the first result with a valid one, whether a person accepted it or not."""
    return next(filter(None, map(drawn_size_of, results)), None)


@dataclass(frozen=True)
class AnnotationReader:
    """Reader of one project's annotations.

    Attributes:
        fetch_size: Measures the image itself; called only if no result states the size, as for most negatives.
        controls: What was decided about controls whose regions may be prompts.
    """

    config: LabelingConfig
    fetch_size: FetchSize
    controls: ControlChoice = NOTHING_DECIDED

    @cached_property
    def labels(self) -> LabelNames:
        """The names of labels that regions may have."""
        keep = self.controls.keep
        return LabelNames(
            category_names(self.config, keep), key_point_names(self.config, keep), pose_indexes(self.config)
        )

    @cached_property
    def _image_parts(self) -> Mapping[str, str]:
        return build_image_parts([image.name for image in self.config.images if image.answers])

    def read(self, document: Json, annotation: Json, notes: TaskNotes) -> Iterator[LabeledImage]:
        """Read a task with one of its annotations and yield each of its images that masks can be drawn on.

        Raises:
            BackendError: The results are not a list, an image cannot be measured, or `notes.on_bad_region` raises.
        """
        results = [] if annotation.get("result") is None else annotation["result"]
        for image in parse_task(document, self.config).images:
            config = self.config.image(image.name)
            if config.answers:
                own = pick_image(results, config)
                size = read_size(own) or self._size_elsewhere(document, image)
                task_id, part = int(document["id"]), self._image_parts[image.name]
                number = annotation.get("id")
                regions, key_points = ImageRegions(config, self.controls, self.labels, size, number, notes).read(own)
                yield LabeledImage(
                    file_name=build_file_name(image.uri, task_id, part),
                    size=size,
                    task_id=task_id,
                    annotation_id=number,
                    regions=regions,
                    choices=parse_image_choices(own, config),
                    image_uri=document["data"][config.data_key],
                    image_id=build_image_id(task_id, image.name if part else ""),
                    key_points=key_points,
                    annotator=read_annotator(annotation),
                    fields=document["data"],
                )

    def _size_elsewhere(self, document: Json, image: TaskImage) -> Size:
        """Return the size that any other annotation of the task states; only if there is none, look at the image."""
        config = self.config.image(image.name)
        for annotation in document.get("annotations") or []:
            if size := read_size(pick_image(results_of(annotation), config)):
                return size
        return self.fetch_size(image)
