"""The seam of the data set formats: one class a format, in a file of its own, registered in `formats`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from backend.export.records import DataSet, LabeledImage


class Writer(Protocol):
    """Writer of one format. It keeps at most a few bytes of each image: what it is given goes to the disk at once.

    The folder is new, empty and on a local disk; whoever calls moves it to its place when all writers are closed, so a
    writer needs neither temporary names nor cleaning up. All of its errors are `ExportError` or `OSError`.
    """

    def begin(self, folder: Path, data_set: DataSet) -> None:
        """Begin a data set in a folder."""

    def add(self, image: LabeledImage) -> None:
        """Write an image with its regions; those with an area of 0 are left out.

        Regions are checked already: their labels are among the categories and their sizes are the image's.
        """

    def close(self) -> Sequence[str]:
        """Finish the files. Return what a person should know, a line each: what the format could not hold, and how
        much of the masks was lost. Two exports of the same images make the same bytes: no dates, no random names."""
