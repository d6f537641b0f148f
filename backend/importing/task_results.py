"""One task of an import: its images with their places come in, the results of one prediction or annotation go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import BadDataSet
from backend.export import FoundImage
from backend.importing.build_results import ResultBuilder, ResultCounts, ResultOptions
from backend.importing.choose_control import add_ordinary_rectangles
from backend.importing.match_images import Place
from backend.importing.plan import TaskImport
from backend.label_studio.config import SHAPES
from backend.label_studio.results import (
    KEYPOINT,
    build_prediction,
    drawn_size_of,
    kind_of_region,
    pick_image,
    results_of,
)
from backend.values import Size

Json = dict[str, Any]
FetchSize = Callable[[Place], Size]
_REGIONS = frozenset({*SHAPES, KEYPOINT})


@dataclass(frozen=True)
class TaskResults:
    """Builder of what tasks get.

    Attributes:
        fetch_size: Measures the image itself; called only if neither the file nor an annotation states its size.
        skip_bad_regions: A region that cannot be read is left out and listed, and does not fail its task.
        counts: Of what was built, without tasks that failed.
        skipped: Regions that were left out, with the reason.
    """

    options: ResultOptions
    fetch_size: FetchSize
    skip_bad_regions: bool = False
    counts: ResultCounts = field(default_factory=ResultCounts)
    skipped: list[str] = field(default_factory=list)

    def build(self, task: TaskImport, annotations: Sequence[Json] = ()) -> list[Json]:
        """Build the results of a task.

        Args:
            annotations: That the task has; they state the size of its images.

        Raises:
            BadDataSet: A region cannot be read, or the sizes of file and task differ.
            BackendError: The image cannot be measured.
        """
        counts, skipped, results = ResultCounts(), list[str](), list[Json]()
        for found, place in task.images:

            def on_bad_region(error: BadDataSet) -> None:
                if not self.skip_bad_regions:
                    raise error
                skipped.append(str(error))

            size = self._choose_size(found, place, annotations)
            builder = ResultBuilder(add_ordinary_rectangles(place.image), self.options, counts)
            results += builder.build(found.read(size, on_bad_region), found.choices, found.name, on_bad_region, size)
        self.counts.add(counts)
        self.skipped.extend(skipped)
        return results

    def build_prediction(self, task: TaskImport, annotations: Sequence[Json] = ()) -> Json:
        """Build the prediction of a task, without its version; raises as `build`.

        Its score is the lowest of its regions, so that Label Studio gives out doubtful tasks first.
        """
        results = self.build(task, annotations)
        scores = [float(result["score"]) for result in results if "score" in result]
        return build_prediction(results, "", min(scores, default=None))

    def _choose_size(self, found: FoundImage, place: Place, annotations: Sequence[Json]) -> Size:
        stated = stated_size(annotations, place)
        if found.size is not None and stated is not None and found.size != stated:
            message = f"{found.name[:1].upper()}{found.name[1:]} is {found.size} in the data set, but task "
            message += f"{place.task_id} was annotated as {stated}."
            raise BadDataSet(message, remedy="The picture was resized: export the data set again from this one.")
        return found.size or stated or self.fetch_size(place)


def stated_size(annotations: Sequence[Json], place: Place) -> Size | None:
    """Return the size that annotations of a task state for one of its images."""
    for annotation in annotations:
        for result in pick_image(results_of(annotation), place.image):
            if size := drawn_size_of(result):
                return size
    return None


def has_same_regions(results: Sequence[Json], annotations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the annotations has all regions of the results, or has none as they do."""
    wanted = _region_ids(results)
    for annotation in annotations:
        present = _region_ids(results_of(annotation))
        if not annotation.get("was_cancelled") and wanted <= present and bool(wanted) == bool(present):
            return True
    return False


def _region_ids(results: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(result.get("id")) for result in results if kind_of_region(dict(result)) in _REGIONS}
