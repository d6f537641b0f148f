"""All writers of an export, fed by one pass over the images.

instances.json                  one format: its files lie in the folder itself
coco/…, yolo-seg/…              several: each has a folder of its own
anna-example-com/coco/…         one data set per annotator: the same inside a folder for each of them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backend.export.formats import FORMATS, FormatOptions
from backend.export.records import DataSet, LabeledImage
from backend.export.segment_pngs import distinct_name, label_to_name
from backend.export.writer import Writer

NOBODY = "unknown"  # folder of the annotations whose annotator is not known


@dataclass(frozen=True)
class Written:
    """What one writer says about its files.

    Attributes:
        place: Its folder relative to that of the export, with slashes; "" for the folder itself.
        notes: Lines for a person.
    """

    format: str
    place: str
    notes: tuple[str, ...]


class WriterSet:
    """Writers of several formats, and of a data set per annotator if wanted.

    Args:
        folder: New and empty.
        formats: Names in `FORMATS`.
        by_annotator: Whether each annotator gets a data set.
    """

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        options: FormatOptions,
        data_set: DataSet,
        *,
        by_annotator: bool = False,
    ) -> None:
        self._folder, self._formats, self._options, self._data_set = folder, tuple(formats), options, data_set
        self._by_annotator = by_annotator
        self._writers: dict[str, dict[str, Writer]] = {}  # by annotator, then by place
        self._taken: set[str] = set()
        if not by_annotator:
            self._begin("", PurePosixPath())

    def add(self, image: LabeledImage) -> None:
        """Give an image to its writers."""
        annotator = image.annotator if self._by_annotator else ""
        if annotator not in self._writers:
            name = label_to_name(annotator) if annotator else NOBODY
            self._begin(annotator, PurePosixPath(distinct_name(name, self._taken)))
        for writer in self._writers[annotator].values():
            writer.add(image)

    def close(self) -> list[Written]:
        """Finish all files."""
        return [
            Written(name, place, tuple(writer.close()))
            for writers in self._writers.values()
            for name, (place, writer) in zip(self._formats, writers.items(), strict=True)
        ]

    def _begin(self, annotator: str, parent: PurePosixPath) -> None:
        writers = self._writers.setdefault(annotator, {})
        for name in self._formats:
            place = parent / name if len(self._formats) > 1 else parent
            folder = self._folder / place
            folder.mkdir(parents=True, exist_ok=True)
            writer = FORMATS[name].build(self._options)
            writer.begin(folder, self._data_set)
            writers["" if place == PurePosixPath() else str(place)] = writer
