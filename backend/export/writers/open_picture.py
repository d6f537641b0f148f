"""The picture of an image, opened for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from backend.errors import ExportError, shorten
from backend.export.records import LabeledImage

REMEDY = "Export again with --with-images, and check the picture in Label Studio."


@contextmanager
def open_picture(image: LabeledImage) -> Iterator[Image.Image]:
    """Open an image's picture; what PIL raises within the block becomes an `ExportError`, too.

    Raises:
        ExportError: The picture is missing or cannot be decoded.
    """
    where = f"Task {image.task_id}, picture {shorten(image.file_name)}"
    if image.picture is None:
        raise ExportError(f"{where}: the picture was not fetched.", remedy=REMEDY)
    try:
        with Image.open(image.picture) as file:
            yield file
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ExportError(f"{where} cannot be decoded: {shorten(error)}", remedy=REMEDY) from error
