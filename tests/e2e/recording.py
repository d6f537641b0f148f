"""Recording of what a person does and sees on the labeling page; `tests.e2e.animation` makes README's picture of it.

Each step is a screenshot with the place of the pointer, what the person does in words, and how long it is shown. The
pointer is not in a headless browser's screenshots, so it is drawn later, where the real events went.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.e2e.labeling_page import LabelingPage

STEPS_FILE = "steps.json"


@dataclass(frozen=True)
class Step:
    """One screenshot.

    Attributes:
        file: Name of the PNG.
        caption: What the person does.
        x, y: Place of the pointer in the window, in pixels.
        held_key: Key that is held, such as "Alt"; "" for none.
        is_pressed: Whether the pointer is pressed here at the end of its way.
        milliseconds: How long the screenshot stays.
    """

    file: str
    caption: str
    x: int
    y: int
    held_key: str
    is_pressed: bool
    milliseconds: int


class Recording:
    """Writes the steps into a folder, which it empties first."""

    def __init__(self, page: LabelingPage, folder: Path) -> None:
        self._page, self._folder = page, folder
        self._steps: list[Step] = []
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()

    def add(
        self,
        caption: str,
        place: tuple[int, int],
        milliseconds: int,
        *,
        held_key: str = "",
        is_pressed: bool = False,
    ) -> None:
        """Take a screenshot."""
        file = f"{len(self._steps):03}.png"
        self._page.screenshot(f"{self._folder.name}/{file.removesuffix('.png')}")
        self._steps.append(Step(file, caption, *place, held_key, is_pressed, milliseconds))

    def save(self, crop: tuple[int, int, int, int]) -> None:
        """Write the list of steps; `crop` is left, top, right and bottom of what is to be shown, in the window."""
        document = {"crop": crop, "steps": [asdict(step) for step in self._steps]}
        (self._folder / STEPS_FILE).write_text(json.dumps(document, indent=1), encoding="utf-8")


def read_steps(folder: Path) -> tuple[tuple[int, int, int, int], list[Step]]:
    """Read what `Recording.save` wrote: the crop and the steps."""
    document = json.loads((folder / STEPS_FILE).read_text(encoding="utf-8"))
    left, top, right, bottom = document["crop"]
    return (left, top, right, bottom), [Step(**step) for step in document["steps"]]
