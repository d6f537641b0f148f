"""Pictures of a data set on this machine: which file is an image's, and what is in it.

Without --images the picture of `train/a.jpg` is looked for where data sets have it: in `train/`
beside the file, and anywhere in `images/`. In a named folder it may lie anywhere. Of several files of its name the one
counts that is exactly there, otherwise `train/images/a.jpg`, otherwise `images/train/a.jpg`, otherwise the one whose
path is the end of the image's, or the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from backend.errors import BadDataSet, BadImage, shorten
from backend.export import FoundImage
from backend.images import SourceImage
from backend.importing.upload_names import path_of
from backend.values import Size

PICTURES = "images"
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
"""Those of pictures that Label Studio takes."""
REMEDY = "Name the folder of the pictures with --images DIR, or their address with --image-prefix URL."
NAMED_REMEDY = "It was searched with all folders in it: copy the picture there, or name another folder with --images."
FORMAT_REMEDY = "Convert it to PNG or JPEG, or give the address of the pictures with --image-prefix URL."
RESIZED_REMEDY = "The picture was resized: use the one that was annotated."
TURNED_REMEDY = (
    "Its EXIF orientation turns the picture, and the data set was made on the unturned one: remove the orientation "
    "from the file, so that it is shown as it was annotated, and run the same command again."
)
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
MAX_NAMED = 3


class PictureFolder:
    """The files of a data set's folder, by name and by name without ending.

    Args:
        root: The folder.
        images: Whose folders below `root` are looked into; None for all files below it.

    Raises:
        BadDataSet: There is no such folder.
    """

    def __init__(self, root: Path, images: Iterable[FoundImage] | None = None) -> None:
        if not root.is_dir():
            raise BadDataSet(f"There is no folder {root}.", remedy="Name the folder of the pictures with --images DIR.")
        self.root = root
        self._remedy = NAMED_REMEDY if images is None else REMEDY
        self._by_name: dict[str, list[PurePosixPath]] = {}
        for path in dict.fromkeys(_walk(root) if images is None else _usual_files(root, images)):
            for name in {path.name, path.stem} if path.suffix.lower() in ENDINGS else {path.name}:
                self._by_name.setdefault(name, []).append(path)

    def find(self, found: FoundImage) -> PurePosixPath:
        """Return the path of an image's picture below the folder.

        Raises:
            BadDataSet: There is none, or there are several.
        """
        wanted = path_of(found)
        paths = [path for path in self._by_name.get(wanted.name, ()) if found.has_ending or path.stem == wanted.name]
        if len(paths) > 1:
            paths = _narrow(paths, wanted, found.has_ending)
        if len(paths) == 1:
            return paths[0]
        name = f"{found.name[:1].upper()}{found.name[1:]}"
        if not paths:
            raise BadDataSet(f"{name}: there is no picture {shorten(wanted)} in {self.root}.", remedy=self._remedy)
        shown = ", ".join(map(shorten, paths[:MAX_NAMED])) + (" …" if len(paths) > MAX_NAMED else "")
        message = f"{name}: {len(paths)} pictures in {self.root} may be its own: {shown}."
        raise BadDataSet(message, remedy="Name a folder with --images that has only one of them.")


@dataclass(frozen=True)
class PictureLimits:
    """Limits of a picture: pixels, and scans of a JPEG."""

    max_pixels: int
    max_scans: int


def read_picture(path: Path, found: FoundImage, limits: PictureLimits) -> tuple[bytes, FoundImage]:
    """Return the content of a picture's file, and the image with its size. Its header is checked, not all its pixels.

    Raises:
        BadDataSet: It cannot be read, is no image, is of a type that Label Studio refuses, or of another size than the
            image in the data set.
    """
    name = f"{found.name[:1].upper()}{found.name[1:]}"
    if path.suffix.lower() not in ENDINGS:
        message = f"{name}: Label Studio takes no {shorten(path.suffix) or 'files without ending'} ({path})."
        raise BadDataSet(message, remedy=FORMAT_REMEDY)
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{name}: {path} cannot be read: {error.strerror or error}."
        raise BadDataSet(message, remedy="Make it readable, and run the same command again.") from error
    try:
        source = SourceImage(content, f"{name}: {path}", limits.max_pixels, limits.max_scans)
        size = source.size
    except BadImage as error:
        raise BadDataSet(error.message, remedy="Replace it, or convert it to PNG or JPEG.") from error
    if found.size is not None and found.size != size:
        message = f"{name} is {found.size} in the data set, but its picture {path} is {size}."
        is_turned = found.size == Size(size.height, size.width) and source.encoding[1] in TURNED
        raise BadDataSet(message, remedy=TURNED_REMEDY if is_turned else RESIZED_REMEDY)
    return content, replace(found, size=size)


def _narrow(paths: list[PurePosixPath], wanted: PurePosixPath, has_ending: bool) -> list[PurePosixPath]:
    """Return those of several files of an image's name that its path chooses; all if it chooses none."""
    for place in (wanted, wanted.parent / PICTURES / wanted.name, PICTURES / wanted):
        if exact := [path for path in paths if (path if has_ending else path.with_suffix("")) == place]:
            return exact
    return [path for path in paths if _is_end(path, wanted, has_ending)] or paths


def _is_end(path: PurePosixPath, wanted: PurePosixPath, has_ending: bool) -> bool:
    one, other = f"/{path if has_ending else path.with_suffix('')}", f"/{wanted}"
    return one.endswith(other) or other.endswith(one)


def _usual_files(root: Path, images: Iterable[FoundImage]) -> Iterator[PurePosixPath]:
    for folder in dict.fromkeys(path_of(found).parent for found in images):
        for place in (folder, folder / PICTURES):
            if (root / place).is_dir():
                with os.scandir(root / place) as entries:
                    yield from (place / entry.name for entry in entries if entry.is_file())
    yield from (PICTURES / path for path in _walk(root / PICTURES))


def _walk(root: Path) -> Iterator[PurePosixPath]:
    for folder, _, names in os.walk(root):
        relative = PurePosixPath(Path(folder).relative_to(root).as_posix())
        yield from (relative / name for name in names)
