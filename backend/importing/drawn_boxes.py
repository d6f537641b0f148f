"""Rectangles of a project → boxes of its tasks, in the order in which they were drawn.

Of a task's annotations the one counts that an export would choose: the ground truth, else the one that was changed
last. Of its predictions it is the newest one with a rectangle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.bulk import AnnotationChoice, list_annotations
from backend.errors import BadDataSet, BadRegion, shorten
from backend.geometry import clip_box
from backend.importing.box_plan import BoxPlan, check_box_labels, check_renamed
from backend.label_studio.config import ImageConfig, LabelingConfig
from backend.label_studio.requests import ImageBoxes, LabeledBox
from backend.label_studio.results import (
    RECTANGLE,
    DrawnRegion,
    check_drawn,
    drawn_size_of,
    find_drawn,
    outline_of,
    results_of,
)
from backend.values import Size

Json = dict[str, Any]
DRAW_REMEDY = "Draw it again in Label Studio; the other boxes of the task are used."


@dataclass
class DrawnBoxes:
    """Collector of a project's rectangles.

    Attributes:
        renamed: Labels of the masks by those of the rectangles.
        min_score: Of rectangles of predictions that have a score.
    """

    config: LabelingConfig
    renamed: Mapping[str, str] = field(default_factory=dict)
    min_score: float = 0.0
    plan: BoxPlan = field(default_factory=BoxPlan)
    _labels: Counter[str] = field(default_factory=Counter)
    _drawn_labels: set[str] = field(default_factory=set)  # of all rectangles, before they are renamed

    def add_annotations(self, tasks: Iterable[Json]) -> list[int]:
        """Take the boxes that people drew.

        Args:
            tasks: With their annotations.

        Returns:
            The tasks without an annotation; what predictions have may count there.
        """
        without = []
        for task in tasks:
            chosen = AnnotationChoice().pick(list_annotations(task))
            if chosen:
                self._add(task, chosen[0], is_drawn=True)
            else:
                without.append(task["id"])
        return without

    def add_predictions(self, tasks: Iterable[Json], version: str = "") -> None:
        """Take the boxes of predictions.

        Args:
            tasks: With their predictions.
            version: Only of this model version; "" for any.
        """
        for task in tasks:
            for prediction in sorted(task.get("predictions") or [], key=lambda one: -int(one["id"])):
                if version in ("", prediction.get("model_version")) and self._add(task, prediction, is_drawn=False):
                    break

    def finish(self) -> BoxPlan:
        """Return the boxes.

        Raises:
            BadSettings: A renamed label is neither theirs nor of a control for rectangles.
            BadDataSet: Labels of them are in no control for masks.
        """
        if self.plan.tasks:
            controls = [control for image in self.config.images for control in image.rectangles]
            check_renamed(self.renamed, self._drawn_labels.union(*(control.label_names for control in controls)))
        check_box_labels(self._labels, self.config, {})
        return self.plan

    def _add(self, task: Json, document: Mapping[str, Any], *, is_drawn: bool) -> bool:
        """Take the rectangles of an annotation or a prediction; return whether it has any."""
        has_any = False
        for image in self.config.images_in(task["data"]):
            boxes, size = list[LabeledBox](), None
            for drawn in find_drawn(results_of(document), image):
                if drawn.region is None or drawn.kind != RECTANGLE:
                    continue
                has_any = True
                self._drawn_labels.update(drawn.labels)
                try:
                    box, size = self._read(drawn, image, size, is_drawn)
                except (BadRegion, BadDataSet) as error:
                    self.plan.bad.append(f"Task {task['id']}: {error}")
                    continue
                if box.score is not None and box.score < self.min_score:
                    self.plan.low += 1
                    continue
                boxes.append(box)
                self._labels[box.label] += 1
            if boxes:
                self.plan.tasks.setdefault(task["id"], {})[image.name] = ImageBoxes(tuple(boxes), size)
        return has_any

    def _read(
        self, drawn: DrawnRegion, image: ImageConfig, expected: Size | None, is_drawn: bool
    ) -> tuple[LabeledBox, Size]:
        region, where = drawn.region, f'Region "{shorten(drawn.region_id)}" (rectangle)'
        assert region is not None
        check_drawn(drawn, image)
        region.decode_shape()  # raises for a damaged rectangle
        size = drawn_size_of(region.shape)
        assert size is not None
        xs, ys = zip(*outline_of(region), strict=True)
        box = (min(xs), min(ys), max(xs), max(ys))
        if clip_box(box, size) is None:
            raise BadDataSet(f"{where} covers nothing of its image.", remedy=DRAW_REMEDY)
        if expected not in (None, size):
            message = f"{where} was drawn on an image of {size}, but others of the task on {expected}."
            raise BadDataSet(message, remedy=DRAW_REMEDY)
        label = drawn.labels[0] if drawn.labels else ""
        label = self.renamed.get(label, label)
        if not label and image.mask_control_for("") is None:
            raise BadDataSet(f"{where} has no label.", remedy="Give it one in Label Studio.")
        score = None if is_drawn else region.score
        return LabeledBox(box, label, score, dict(drawn.choices), drawn.region_id), size
