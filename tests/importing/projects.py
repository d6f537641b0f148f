"""A project of a test: its labeling config, its tasks, and what an import makes of a data set in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.bulk import AnnotationReader, ControlChoice, Failures, ReadCounts, read_images
from backend.export import FoundDataSet, LabeledImage
from backend.export.writers.coco import CocoWriter
from backend.importing import Place, ResultOptions, TaskIndex, TaskResults, plan_import
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.values import Size
from tests.export.sets import SIZE, write

Json = dict[str, Any]
PROJECT = "3"
KEEP = ControlChoice(keep=frozenset({"rectangle", "box"}))
"""Boxes of a control with a smart tool are exported with --keep only, before and after."""
LABELS = '<Label value="red"/><Label value="green"/><Label value="blue"/>'
CONFIG = f"""
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image">{LABELS}</BrushLabels>
  <PolygonLabels name="polygon" toName="image">{LABELS}</PolygonLabels>
  <RectangleLabels name="box" toName="image">{LABELS}</RectangleLabels>
  <KeyPointLabels name="pose" toName="image" smart="false"><Label value="nose"/><Label value="tail"/></KeyPointLabels>
  <Choices name="breed" toName="image" perRegion="true"><Choice value="pug"/><Choice value="husky"/></Choices>
  <Choices name="light" toName="image"><Choice value="day"/><Choice value="night"/></Choices>
</View>
"""


def labeling_config(*kinds: str) -> str:
    """A labeling config with controls of these kinds, which have all labels."""
    controls = (f'<{kind}Labels name="{kind.lower()}" toName="image">{LABELS}</{kind}Labels>' for kind in kinds)
    return f'<View><Image name="image" value="$image"/>{"".join(controls)}</View>'


def refuse_to_fetch(image: TaskImage) -> Size:
    """Every result states the size."""
    raise AssertionError(image)


class Project:
    """A project with tasks, and what an import makes of them.

    Attributes:
        uris: Of the images by task id.
        failures: Of the last import.
        results: Builder of the last import, with its counts.
    """

    def __init__(self, uris: Mapping[int, str], xml: str = CONFIG, **options: Any) -> None:
        self.config: LabelingConfig = parse_labeling_config(xml)
        self.uris, self.failures = uris, Failures()
        skip = bool(options.pop("skip_bad_regions", False))
        self.fetched: list[int] = []
        self.results = TaskResults(ResultOptions(**options), self._fetch_size, skip)

    def imported(self, data_set: FoundDataSet, *, by_name: bool = False) -> dict[int, list[Json]]:
        """Match all images and build all results, by task."""
        tasks = [{"id": task, "data": {"image": uri}} for task, uri in self.uris.items()]
        index = TaskIndex(tasks, self.config, PROJECT)
        plan = plan_import(data_set, index, self.failures, by_name=by_name)
        return {task.task_id: list(self.results.build(task)) for task in plan}

    def exported(self, results: Mapping[int, Sequence[Json]]) -> list[LabeledImage]:
        """Read the results as annotations of the tasks, as an export does."""
        tasks = [
            {
                "id": task,
                "data": {"image": self.uris[task]},
                "annotations": [{"id": 70 + task, "result": own}],
            }
            for task, own in results.items()
        ]
        counts = ReadCounts()
        images = list(read_images(tasks, AnnotationReader(self.config, refuse_to_fetch, KEEP), counts))
        assert counts.failures == []
        return images

    def _fetch_size(self, place: Place) -> Size:
        self.fetched.append(place.task_id)
        return SIZE


def write_coco(folder: Path, images: Sequence[LabeledImage], **fields: Any) -> Path:
    """Write a COCO data set; returns its folder."""
    write(CocoWriter(fields.pop("tolerance", None)), folder, images, **fields)
    return folder
