"""Image files on this machine's disk: which ones a command line names, and reading one."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import BadImage, BadSettings, ImageUnavailable, shorten
from backend.images import SourceImage

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"})
MAX_NAME_BYTES = 250  # of a file; results have up to four more, and file systems allow 255
_ID_DIGITS = 12  # hex; among 100,000 images the probability of a collision is 2e-5


@dataclass(frozen=True)
class FolderImage:
    """An image file.

    Attributes:
        path: Absolute.
        name: Path below the root, with "/"; unique, and the same wherever the root is moved.
    """

    path: Path
    name: str

    @property
    def image_id(self) -> str:
        """Hex digits that belong to the name; part of the ids of the image's segments."""
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()[:_ID_DIGITS]


@dataclass(frozen=True)
class OpenedImage:
    """An image file that was read.

    Attributes:
        stamp: See `read_stamp`; taken before it was read.
        source: Decoded.
    """

    image: FolderImage
    stamp: list[int] | None
    source: SourceImage


@dataclass(frozen=True)
class ImageLimits:
    """Limits of an image file; see the settings of the same names."""

    max_bytes: int
    max_pixels: int
    max_scans: int


def find_image_files(arguments: Sequence[str], excluded: Path) -> list[Path]:
    """Return the files that arguments name, each once, as absolute paths, in order.

    Args:
        arguments: Files of any name, folders, which are searched with their subfolders for images, and patterns such
            as "photos/**/*.jpg".
        excluded: Folder whose files are left out: that of the output.

    Raises:
        BadSettings: A path does not exist, a folder cannot be read, or there is no image at all.
    """
    excluded, files = excluded.absolute(), dict[Path, None]()
    for argument in arguments:
        for path in _expand(argument):
            named = list(_walk(path)) if path.is_dir() else [path]
            files |= dict.fromkeys(file for file in named if excluded not in file.parents)
    if not files:
        names = shorten(", ".join(arguments))
        message = f"There is no image in {names}: no file ends with {', '.join(sorted(ENDINGS))}."
        raise BadSettings(message, remedy="Name image files, or a folder that has some.")
    return list(files)


def choose_root(files: Sequence[Path], root: Path | None) -> Path:
    """Return the folder that names are relative to: the given one, otherwise the innermost that has all files."""
    return root.absolute() if root is not None else Path(os.path.commonpath([file.parent for file in files]))


def name_images(files: Iterable[Path], root: Path) -> list[FolderImage]:
    """Name files by their paths below the root.

    Raises:
        BadSettings: A file lies elsewhere.
    """
    images = []
    for file in files:
        if not file.is_relative_to(root):
            message = f"{file} lies outside of {root}, where the images of this output folder are."
            raise BadSettings(
                message, remedy="Choose another --out for it, or start over with --start-over --root DIR."
            )
        images.append(FolderImage(file, file.relative_to(root).as_posix()))
    return images


def read_stamp(image: FolderImage) -> list[int] | None:
    """Return size and time of change of a file, which tell whether it is still the same; None if it is gone."""
    try:
        status = image.path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def open_image(image: FolderImage, limits: ImageLimits) -> OpenedImage:
    """Read and decode an image file.

    Raises:
        ImageUnavailable: It is missing, cannot be read, or is too large.
        BadImage: It is not an image, is damaged, or has too many pixels.
    """
    if len(os.fsencode(image.path.name)) > MAX_NAME_BYTES:
        message = f"The name of {image.name} has more than {MAX_NAME_BYTES} bytes, so that no result could have it."
        raise ImageUnavailable(message, remedy="Rename the file.")
    stamp = read_stamp(image)
    source = _read(image, limits)
    _ = source.pixels
    return OpenedImage(image, stamp, source)


def _read(image: FolderImage, limits: ImageLimits) -> SourceImage:
    try:
        size = image.path.stat().st_size
        if size > limits.max_bytes:
            message = f"{image.name} has {size} bytes; the limit is {limits.max_bytes}."
            raise ImageUnavailable(message, remedy="Save it smaller, or raise IMAGE_MAX_BYTES.")
        data = image.path.read_bytes()
    except OSError as error:
        message = f"{image.name} cannot be read: {error.strerror or error}."
        raise ImageUnavailable(message, remedy=f"Check {image.path}.") from error
    if not data:
        raise BadImage(f"{image.name} is an empty file.", remedy="Copy the image again.")
    return SourceImage(data, image.name, limits.max_pixels, limits.max_scans)


def _expand(argument: str) -> list[Path]:
    """Return the existing paths that an argument names: itself, or what it matches as a pattern."""
    path = Path(os.path.normpath(Path(argument).expanduser().absolute()))
    if path.exists():
        return [path]
    is_pattern = glob.has_magic(argument)
    found = sorted(glob.glob(str(path), recursive=True)) if is_pattern else []  # noqa: PTH207 - of an absolute path
    if not found:
        shown = shorten(argument)
        message = f"Nothing matches {shown}." if is_pattern else f"{shown} does not exist."
        raise BadSettings(message, remedy="Check the path; a folder is searched with all its subfolders.")
    return [Path(match) for match in found]


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder, sorted, without hidden ones."""

    def refuse(error: OSError) -> None:
        message = f"{error.filename} cannot be read: {error.strerror}."
        raise BadSettings(message, remedy="Make the folder readable, or name other ones.") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in ENDINGS and not name.startswith("."):
                yield Path(parent, name)
