"""Three committed sets of 1080p masks, by the integers of brush RLE that a mask takes: smooth, uneven and rough edges.

`python -m scripts.measuring.mask_sets.draw` drew them.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from backend.values import Mask

FOLDER = Path(__file__).parent
MASK_SETS = {"3k": 3000, "5k": 5000, "13k": 13_000}


def load_masks(name: str) -> list[Mask]:
    """Load the masks of a set, bool (1080, 1920) each."""
    return [_load(path) for path in sorted(FOLDER.glob(f"{name}-*.png"))]


def _load(path: Path) -> Mask:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise OSError(f"{path} is not a picture.")
    mask: Mask = picture > 0
    return mask
