"""Reading of found images, in tests."""

from __future__ import annotations

from backend.errors import BadDataSet
from backend.export import FoundImage, FoundRegions
from backend.values import Size


def refuse(error: BadDataSet) -> None:
    raise error


def read(image: FoundImage, size: Size | None = None) -> FoundRegions:
    """Read the regions; anything bad is raised."""
    chosen = size or image.size
    assert chosen is not None
    return image.read(chosen, refuse)


def read_leniently(image: FoundImage) -> tuple[FoundRegions, list[str]]:
    """Read the regions that can be read, and the messages of the others."""
    bad: list[str] = []
    assert image.size is not None
    return image.read(image.size, lambda error: bad.append(error.message)), bad
