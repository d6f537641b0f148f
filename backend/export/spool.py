"""Labeled images on the disk while the data set is read a second time, so that it is never in memory as a whole."""

from __future__ import annotations

import copyreg
import io
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from backend.export.records import LabeledImage


class Spool:
    """File of labeled images without a name, which ends with the process. Context manager.

    It is pickled: only this object ever reads what it wrote, and a new field of `LabeledImage` needs nothing here.

    Args:
        folder: On the disk that has room for it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, image: LabeledImage) -> None:
        """Append an image.

        Raises:
            OSError: The disk is full.
        """
        encoded = io.BytesIO()
        _Pickler(encoded, pickle.HIGHEST_PROTOCOL).dump(image)
        self._file.write(encoded.getbuffer())

    def read(self) -> Iterator[LabeledImage]:
        """Yield the images in their order. Nothing may be added afterwards."""
        self._file.seek(0)
        while True:
            try:
                image: LabeledImage = pickle.load(self._file)
            except EOFError:
                return
            yield image


class _Pickler(pickle.Pickler):
    """Pickler that knows read-only mappings, such as `LabeledImage.choices`."""

    dispatch_table = copyreg.dispatch_table | {MappingProxyType: lambda proxy: (_freeze, (dict(proxy),))}


def _freeze(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)
