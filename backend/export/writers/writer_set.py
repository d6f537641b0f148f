"""All writers of an export, fed by one pass over the images.

instances.json                  one format: its files lie in the folder itself
coco/…, yolo-seg/…              several: each has a folder of its own
anna-example-com/coco/…         one data set per annotator: the same inside a folder for each of them
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backend.export.records import DataSet, LabeledImage
from backend.export.segment_pngs import distinct_name, label_to_name
from backend.export.writers.formats import FORMATS, FormatOptions
from backend.export.writers.writer import Writer

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
        self._folders = _AnnotatorFolders() if by_annotator else None
        self._writers: dict[str, list[tuple[str, str, Writer]]] = {}  # by annotator: format, place, writer
        if not by_annotator:
            self._begin("")

    def add(self, image: LabeledImage) -> None:
        """Give an image to its writers."""
        annotator = image.annotator if self._folders else ""
        if annotator not in self._writers:
            self._begin(annotator)
        for _, _, writer in self._writers[annotator]:
            writer.add(image)

    def close(self) -> list[Written]:
        """Finish all files."""
        every = [one for writers in self._writers.values() for one in writers]
        return [Written(name, place, tuple(writer.close())) for name, place, writer in every]

    def _begin(self, annotator: str) -> None:
        parent = self._folders.take(annotator) if self._folders else ""
        writers = self._writers.setdefault(annotator, [])
        for name, place in _places_in(parent, self._formats):
            folder = self._folder / place
            folder.mkdir(parents=True, exist_ok=True)
            writer = FORMATS[name].build(self._options)
            writer.begin(folder, self._data_set)
            writers.append((name, place, writer))


def list_places(formats: Sequence[str], annotators: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Return name and place of each data set that a `WriterSet` would write.

    Args:
        annotators: In the order of their first image; None if they do not get a data set each.
    """
    if annotators is None:
        return _places_in("", formats)
    folders = _AnnotatorFolders()
    return [place for annotator in annotators for place in _places_in(folders.take(annotator), formats)]


class _AnnotatorFolders:
    """Names of folders of annotators, distinct even where the file system ignores case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, annotator: str) -> str:
        return distinct_name(label_to_name(annotator) if annotator else NOBODY, self._taken)


def _places_in(parent: str, formats: Sequence[str]) -> list[tuple[str, str]]:
    if len(formats) == 1:
        return [(formats[0], parent)]
    return [(name, str(PurePosixPath(parent, name))) for name in formats]
