"""Names of files that belong to a picture: its name with another ending, such as `photo.txt` beside `photo.jpg`."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath


class UniqueStems:
    """File names without their endings, each given out once.

    `photo.png` is "photo"; `photo.jpg` after it is "photo-jpg", and if that is taken as well "photo-jpg-2". Names that
    differ only in case or in how an accent is stored count as equal, because they are one file on some disks. Formats
    that find a picture by the name of its labels store the picture under the stem, too.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, file_name: str) -> str:
        """Return the stem for a picture's file name; a further call with the same name returns another one."""
        path = PurePosixPath(file_name)
        with_ending = f"{path.stem}-{path.suffix[1:]}" if path.suffix[1:] else path.stem
        stem, attempt = path.stem, 1
        while (key := unicodedata.normalize("NFC", stem.casefold())) in self._taken:
            stem = with_ending if attempt == 1 and with_ending != path.stem else f"{with_ending}-{max(attempt, 2)}"
            attempt += 1
        self._taken.add(key)
        return stem
