"""Files that formats of pictures share: PNGs, tables of classes and objects, and the pictures themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.export.cutout import parse_colour
from backend.export.files import link_or_copy
from backend.export.label_statistics import encode_rows
from backend.export.overlay import Colour, choose_colours
from backend.export.records import DataSet, LabeledImage
from backend.values import Mask

_COMPRESSION = {"compress_level": 1, "compress_type": 3}
"""zlib's fastest level with its run-length strategy. Masks are long runs: on 1080p with 20 objects this takes the time
of level 1, two thirds of that of level 6, and the files are smaller than with both."""
BACKGROUND: Colour = (0, 0, 0)
CLASS_COLUMNS = ("index", "label", "red", "green", "blue")


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16] | Mask) -> None:
    """Write a PNG: bool (H, W) as 1 bit, uint8 (H, W) as 8, uint16 (H, W) as 16, uint8 (H, W, 3) as RGB."""
    _save(path, Image.fromarray(pixels))


def write_indexed_png(path: Path, indices: NDArray[np.uint8], palette: Sequence[Colour]) -> None:
    """Write a PNG of indices, uint8 (H, W), that programs show in the palette's colours."""
    picture = Image.fromarray(indices)
    picture.putpalette([part for colour in palette for part in colour])
    _save(path, picture)


def numbers_to_rgb(numbers: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Split numbers R + 256 G + 65536 B, uint32 (H, W), into colours, uint8 (H, W, 3)."""
    parts = np.ascontiguousarray(numbers, "<u4").view(np.uint8).reshape(*numbers.shape, 4)
    return np.ascontiguousarray(parts[..., :3])


def choose_class_colours(data_set: DataSet) -> dict[str, Colour]:
    """Give each category a colour that no other has and that is not the background's.

    It is the labeling config's where that is possible, otherwise one of a fixed sequence.
    """
    places = [f" {place}" for place in range(4 * len(data_set.categories))]  # names that are no colours
    numbered = ((number & 255, number >> 8 & 255, number >> 16) for number in range(1, 1 << 24))
    replacements = chain(choose_colours(places).values(), numbered)
    chosen: dict[str, Colour] = {}
    taken = {BACKGROUND}
    for category in data_set.categories:
        colour = parse_colour(data_set.colours.get(category, "")) or next(replacements)
        while colour in taken:
            colour = next(replacements)
        chosen[category] = colour
        taken.add(colour)
    return chosen


def write_classes(path: Path, colours: Mapping[str, Colour]) -> None:
    """Write a CSV of the classes: index from 1, name, red, green, blue; 0 is the background."""
    rows = [(0, "", *BACKGROUND), *((index, name, *colour) for index, (name, colour) in enumerate(colours.items(), 1))]
    path.write_bytes(encode_rows(CLASS_COLUMNS, rows))


def append_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Append rows to a CSV file; a new file begins with the header."""
    data = encode_rows(header, rows)
    if path.exists():
        data = data.split(b"\n", 1)[1]
    with path.open("ab") as file:
        file.write(data)


def link_picture(image: LabeledImage, folder: Path, stem: str) -> None:
    """Link the picture, if there is one, to `images/[SPLIT/]STEM.ENDING` in a folder."""
    if image.picture is not None:
        link_or_copy(image.picture, folder / "images" / image.split / (stem + PurePosixPath(image.file_name).suffix))


def _save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "PNG", **_COMPRESSION)
