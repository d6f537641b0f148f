"""The pictures of the pages in docs/, made of the browser tests' screenshots.

    python -m pytest tests/e2e && python -m tests.e2e.pictures

Names of pictures as arguments make only these. Wide ones become narrower, and each has 256 colours, so that it stays
under 300 KB.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from scripts.demo_circle.places import ROOT

SCREENSHOTS = ROOT / ".cache" / "screenshots"
IMAGES = ROOT / "docs" / "images"
WIDTH, COLOURS, MAX_BYTES = 1300, 256, 300_000
PICTURES = {
    "guide-1-first-steps": "annotating-first-steps",
    "guide-2-suggested": "annotating-suggested",
    "guide-3-accepted": "annotating-accepted",
    "negative-1-too-much": "annotating-too-much",
    "negative-2-taken-away": "annotating-taken-away",
    "guide-4-two-boxes": "annotating-two-boxes",
    "correcting-0-misses-something": "annotating-misses-something",
    "correcting-2-accepted": "annotating-corrected",
    "guide-5-text": "annotating-text",
    "guide-6-message": "annotating-message",
    "reviewing-1-settings": "annotating-review-settings",
    "review-order-1-table": "annotating-review-order",
    "reviewing-3-opened": "annotating-review-task",
    "reviewing-4-accepted": "annotating-review-accepted",
    "status-page": "status-page",
    "text-2-two-suggested": "text_prompt",
    "contact-sheet": "contact-sheet",
    "report": "report",
}
"""The name of the picture by that of the screenshot."""


def shrink(screenshot: Path, picture: Path) -> None:
    """Write a screenshot as a small PNG. Raises ValueError if it is not small."""
    with Image.open(screenshot) as full:
        width = min(WIDTH, full.width)
        height = round(full.height * width / full.width)
        small = full.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(picture, optimize=True)
    if picture.stat().st_size > MAX_BYTES:
        raise ValueError(f"{picture} has {picture.stat().st_size} bytes, more than {MAX_BYTES}.")


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(PICTURES.values())
    for screenshot, picture in ((key, name) for key, name in PICTURES.items() if name in wanted):
        shrink(SCREENSHOTS / f"{screenshot}.png", IMAGES / f"{picture}.png")
        print(IMAGES / f"{picture}.png")
