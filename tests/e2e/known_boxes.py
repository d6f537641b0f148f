"""A detector that knows the boxes of some pictures, and how it gets among the detectors of a process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.models import registry
from backend.models.entries import DetectorEntry, PublishedFolder
from backend.models.model_folder import OF_DETECTOR
from backend.values import Box, Detection, Pixels

NAME, FILE = "known_boxes", "boxes.json"
ENTRY = DetectorEntry(
    NAME,
    builder="tests.e2e.known_boxes:build",
    licence="Apache-2.0",
    min_score=0.3,
    published=PublishedFolder("example/known-boxes", files=(FILE,), megabytes=0),
)
Boxes = Mapping[str, Sequence[tuple[Box, float]]]  # with their scores, by the text that names them


class KnownBoxes:
    """Answers from a table of boxes, by the picture's pixels and the text as a detector gets it ("red circle")."""

    device = "cpu"

    def __init__(self, pictures: Mapping[str, Boxes]) -> None:
        self._pictures = pictures

    def check_texts(self, texts: Sequence[str]) -> None:
        """Read any text."""

    def detect(self, pixels: Pixels, texts: Sequence[str], *, min_score: float | None = None) -> list[Detection]:
        boxes = self._pictures.get(_name(pixels), {})
        found = [Detection(tuple(box), score, text) for text in texts for box, score in boxes.get(text, ())]
        return sorted(found, key=lambda one: -one.score)


def register() -> None:
    """Let DETECTOR name it in this process."""
    registry.DETECTORS[NAME] = ENTRY


def build(entry: DetectorEntry, folder: Path, *, device: str) -> KnownBoxes:
    """Read the table of a folder."""
    return KnownBoxes(json.loads((folder / FILE).read_text(encoding="utf-8")))


def write_folder(folder: Path, pictures: Sequence[tuple[Pixels, Boxes]]) -> Path:
    """Write the table as the folder of a detector, with empty ones of the files that each must have."""
    folder.mkdir(parents=True)
    for row in OF_DETECTOR:
        (folder / row[0]).touch()
    table = {_name(pixels): boxes for pixels, boxes in pictures}
    (folder / FILE).write_text(json.dumps(table), encoding="utf-8")
    return folder


def _name(pixels: Pixels) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()
