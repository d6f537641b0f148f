"""Names under which pictures are uploaded: such that Label Studio keeps them, and that no two of a data set are alike.

Label Studio stores "a b(1).jpg" as "0a1b2c3d-a_b1.jpg": it puts eight digits before the name, writes spaces as
underscores, leaves out all but letters, digits, `-`, `_` and `.`, and cuts what is longer than 100 bytes with its
folder. A name that would not survive that, or that another picture of the data set has, gets eight digits of the
SHA-256 of its path: train/1.jpg and val/1.jpg become "1-f3c1a9d0.jpg" and "1-0b6e77c2.jpg".

Source: django.utils.text.get_valid_filename; `upload_name_generator` in Label Studio's data_import/models.py.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from backend.export import FoundImage, uri_to_name

MAX_CHARACTERS = 60
SCHEMES = ("http://", "https://", "s3://", "gs://", "azure-blob://")
_UPLOADED = re.compile(r"^(?:[0-9a-f]{8}-)+(?=.)")  # several times for a picture that was exported and uploaded again
_REFUSED = re.compile(r"[^-\w.]")
_DRIVE = re.compile(r"^[A-Za-z]:")


def without_digits(name: str) -> str:
    """Return a name without the eight digits that Label Studio puts before the names of uploaded files."""
    return _UPLOADED.sub("", name)


def is_address(text: str) -> bool:
    """Whether a picture can be shown from there: an address of the web or of a cloud storage."""
    return text.startswith(SCHEMES)


def path_of(found: FoundImage) -> PurePosixPath:
    """Return the path of an image's picture in the data set's folder; only its name if it would lead out of there."""
    if is_address(found.file_name):
        return PurePosixPath(uri_to_name(found.file_name))
    text = (found.path or found.file_name).replace("\\", "/")
    path = PurePosixPath(text)
    return PurePosixPath(path.name) if path.is_absolute() or ".." in path.parts or _DRIVE.match(text) else path


def build_upload_name(path: PurePosixPath, *, is_unique: bool, has_ending: bool = True) -> str:
    """Build the name for a picture, without ending if the path has none."""
    name = unicodedata.normalize("NFC", without_digits(path.name))
    suffix = PurePosixPath(name).suffix if has_ending else ""
    stem = name[: len(name) - len(suffix)]
    safe = _REFUSED.sub("", stem.strip().replace(" ", "_")).strip(".")
    if is_unique and safe == stem.replace(" ", "_") and 0 < len(safe) <= MAX_CHARACTERS:
        return safe + _REFUSED.sub("", suffix)
    digits = hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return without_digits(f"{safe[:MAX_CHARACTERS]}-{digits}".lstrip("-")) + _REFUSED.sub("", suffix)


def name_uploads(images: Sequence[FoundImage]) -> list[str]:
    """Return the name of each image's picture; none of a data set has that of another, unless they have the same path.

    "" for an image without a name.
    """
    paths = [path_of(found) for found in images]
    usual = [
        build_upload_name(path, is_unique=True, has_ending=found.has_ending)
        for found, path in zip(images, paths, strict=True)
    ]
    counts = Counter(usual)
    return [
        ("" if not path.name else name)
        if counts[name] == 1
        else build_upload_name(path, is_unique=False, has_ending=found.has_ending)
        for found, path, name in zip(images, paths, usual, strict=True)
    ]
