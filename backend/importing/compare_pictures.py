"""Whether the pictures of a data set are those of the tasks that they were matched with by their names.

Two data sets often have pictures of the same names (001.png). A picture that was uploaded is stored as it was, so its
number of bytes and its last bytes tell it from another one: they hold checksums in a PNG and compressed data in a JPEG.
Only these bytes are fetched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from backend.errors import BadDataSet, shorten
from backend.export import FoundImage
from backend.importing.find_pictures import PictureFolder
from backend.importing.match_images import Place

TAIL_BYTES = 1024
THREADS = 8
MAX_NAMED = 3
_UPLOAD = re.compile(r"/data/upload/\d+/[^/?#]+")
ReadPart = Callable[[str, int, int], tuple[int, bytes] | None]
ShowProgress = Callable[[Iterable[bool | None]], Iterable[bool | None]]


@dataclass(frozen=True)
class PicturePair:
    """A picture on this machine and the uploaded one of a task, which have the same name."""

    found: FoundImage
    file: Path
    place: Place


def list_pairs(matched: Iterable[tuple[FoundImage, Place]], folder: PictureFolder) -> Iterator[PicturePair]:
    """Yield the images that can be compared: matched by name, with their picture in the folder, and an uploaded one."""
    for found, place in matched:
        if place.uri in (found.uri, found.file_name) or not _UPLOAD.fullmatch(place.uri):
            continue
        try:
            yield PicturePair(found, folder.root / folder.find(found), place)
        except BadDataSet:  # it is not needed, as the image has a task
            continue


def compare_pictures(pairs: Sequence[PicturePair], read_part: ReadPart, show_progress: ShowProgress = iter) -> int:
    """Compare pictures with those of their tasks.

    Args:
        read_part: Reads the bytes of an uploaded file from a place to another, and tells how many the file has; None if
            there is no such file.
        show_progress: Wraps the results while they come.

    Returns:
        How many were compared. Those that cannot be read are left out.

    Raises:
        BadDataSet: Some are other pictures.
        LabelStudioError: As `read_part`.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        try:
            same = list(show_progress(threads.map(lambda pair: _is_same(pair, read_part), pairs)))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    others = [pair for pair, is_same in zip(pairs, same, strict=True) if is_same is False]
    if others:
        raise _refuse(others)
    return sum(is_same is True for is_same in same)


def _is_same(pair: PicturePair, read_part: ReadPart) -> bool | None:
    """Compare sizes and last bytes; None if one of the two cannot be read."""
    try:
        with pair.file.open("rb") as file:
            size = file.seek(0, 2)
            start = file.seek(max(size - TAIL_BYTES, 0))
            tail = file.read()
    except OSError:
        return None
    stored = read_part(pair.place.uri, start, size) if size else None
    return None if stored is None else stored == (size, tail)


def _refuse(others: Sequence[PicturePair]) -> BadDataSet:
    shown = "; ".join(
        f"{pair.found.name} is {shorten(pair.file)}, but task {pair.place.task_id} shows {shorten(pair.place.uri)}"
        for pair in others[:MAX_NAMED]
    )
    more = f"; and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    is_one = len(others) == 1
    what = (
        "picture is not that of the task with its name"
        if is_one
        else "pictures are not those of the tasks with their names"
    )
    message = f"{len(others)} {what}, so nothing was sent: {shown}{more}."
    remedy = "Import into a project of its own, or rename the pictures. If they show the same and were only saved anew,"
    remedy += " run without --create-tasks, which matches by names alone."
    return BadDataSet(message, remedy=remedy)
