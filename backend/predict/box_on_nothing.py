"""Refusal of a box on nothing: SAM answers every box, on the background with no mask, a speck or an object elsewhere.

A box without points is answered if SAM's mask has the minimum of predicted IoU and a pixel in the box. The minimum is
lower than that of a click: a box says more, and SAM is less often unsure of what is in it.
"""

from __future__ import annotations

import math

from backend.errors import BadPrompt
from backend.values import Box, Candidate

REMEDY = "Draw the box closely around an object, or click it. Ctrl+Z takes the box back."


class BoxOnNothing(BadPrompt):
    """Box in which there is no object. Among several boxes it gets no mask, and the others do."""


def check_box_answer(candidate: Candidate, box_xyxy: Box, min_score: float) -> None:
    """Raise `BoxOnNothing` unless SAM's answer to a box is an object in it.

    Args:
        min_score: Minimum predicted IoU; 0 lets every answer pass.
    """
    if min_score > 0 and not has_object(candidate, box_xyxy, min_score):
        raise BoxOnNothing("No object here.", remedy=REMEDY)


def has_object(candidate: Candidate, box_xyxy: Box, min_score: float) -> bool:
    """Whether SAM's answer to a box is an object in it; a pixel that the box cuts lies in it."""
    left, top, right, bottom = box_xyxy
    rows, columns = slice(max(math.floor(top), 0), math.ceil(bottom)), slice(max(math.floor(left), 0), math.ceil(right))
    return candidate.score >= min_score and bool(candidate.mask[rows, columns].any())
