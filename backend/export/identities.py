"""Ids and file names that are the same in every export of the same annotations, and safe wherever they are used.

An id is a number from 1 to 2^53 - 1, which every JSON reader holds exactly: the first 53 bits of a SHA-256. A file name
is what the image's URI ends with, then the task's id: `photo-task12.png`, and `photo-task12-left.png` on a page of
several images. The part from `-task` on makes it unique; the rest may be any text, so it is made harmless first:

| in the URI's last part                                             | in the file name                             |
|--------------------------------------------------------------------|----------------------------------------------|
| characters that are invisible or that a file system refuses        | `_`                                          |
| composed and decomposed letters (Unicode), which macOS mixes up    | composed (NFC)                               |
| dots where no suffix follows that may be one                       | `_`                                          |
| dots, spaces and hyphens at either end: hidden files, options      | left out                                     |
| a device of Windows, such as `con` or `nul.tar`                    | `_con`, `_nul.tar`                           |
| more than `MAX_STEM_BYTES` in UTF-8                                | cut, which leaves 127 bytes to writers       |

Example: task 12 with "s3://bucket/a:b.tar.png" is saved as "a_b.tar-task12.png".

Source: https://learn.microsoft.com/windows/win32/fileio/naming-a-file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

ID_BITS = 53
MAX_STEM_BYTES = 80
MAX_NAME_BYTES = 24  # of an image's name in a file name
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REFUSED = frozenset('/\\:*?"<>|')
_DEVICES = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\..*)?", re.IGNORECASE | re.DOTALL
)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_]+")


class AnnotationIds:
    """Source of the ids of one document's annotations, each given once.

    An id depends on the annotation's id and the region's id only, unless two of them collide in 53 bits: then the one
    that comes later gets the next free number.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, annotation_id: int | None, region_id: str) -> int:
        """Return the id of a region."""
        number = hash_to_id(str(annotation_id), region_id)
        while not number or number in self._taken:
            number = (number + 1) % (1 << ID_BITS)
        self._taken.add(number)
        return number


def build_image_id(task_id: int, image_name: str = "") -> int:
    """Return an image's id: the task's, or a hash of the task's id and the image's name.

    Args:
        image_name: Name of the image's tag on a page of several images, otherwise "".
    """
    return (hash_to_id(str(task_id), image_name) or 1) if image_name else task_id


def hash_to_id(*parts: str) -> int:
    """Return the first 53 bits of the SHA-256 of the parts, which are told apart by NUL bytes. It may be 0."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - ID_BITS)


def build_file_name(uri: str, task_id: int, image_part: str = "") -> str:
    """Build the name to save a picture under, from the last part of its URI and the task's id.

    Args:
        image_part: Of `build_image_parts`.
    """
    stem, suffix = _split_name(uri_to_name(uri))
    return f"{f'{stem}-' if stem else ''}task{task_id}{f'-{image_part}' if image_part else ''}{suffix}"


def build_image_parts(image_names: Sequence[str]) -> Mapping[str, str]:
    """Return for each image of a page what tells its file from the others of the task: "" if it is the only one.

    It is the image's name; names with other characters than A-Z, a-z, 0-9 and _, long ones, and those that differ only
    by case, as some file systems do not, get a hash.
    """
    if len(image_names) < 2:
        return dict.fromkeys(image_names, "")
    counts = Counter(name.casefold() for name in image_names)
    return {name: _name_to_part(name, is_alone=counts[name.casefold()] == 1) for name in image_names}


def uri_to_name(uri: str) -> str:
    """Return the last part of an image URI: of its path, or of the path in `?d=` of local files; "" if it has none."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # "http://[::1/a.png"
        return ""
    if parts.scheme == "data":
        return ""
    path = (parse_qs(parts.query).get("d") or [unquote(parts.path)])[0]
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _split_name(name: str) -> tuple[str, str]:
    """Return a safe stem and the suffix; anything unusual after the last dot belongs to the stem."""
    safe = "".join(map(_safe_character, unicodedata.normalize("NFC", name))).strip(" .-")
    dot = safe.rfind(".")
    has_suffix = dot > 0 and _SUFFIX.fullmatch(safe[dot:]) is not None
    stem, suffix = (safe[:dot], safe[dot:]) if has_suffix else (safe.replace(".", "_"), "")
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    return _cut(stem, MAX_STEM_BYTES).rstrip(" .-"), suffix


def _safe_character(character: str) -> str:
    return "_" if character in _REFUSED or unicodedata.category(character) in _INVISIBLE else character


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")


def _name_to_part(name: str, *, is_alone: bool) -> str:
    if is_alone and _SAFE_NAME.fullmatch(name) and len(name) <= MAX_NAME_BYTES:
        return name
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", name)[: MAX_NAME_BYTES - 9]
    return f"{safe}_{hash_to_id(name) & 0xFFFFFFFF:08x}"
