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
    paths = sorted(FOLDER.glob(f"{name}-*.png"))
    return [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0 for path in paths]
