"""Refusal of a click on nothing: SAM answers every click, on the background with a mask of something else.

A single positive click is refused if SAM's best mask does not reach it, or if its predicted IoU is below the minimum.
A mask reaches a point that lies on it or within one cell of SAM's low-resolution mask of it (5 pixels of an image 640
pixels wide with the demo model): a click on the edge of an object is often a pixel or two outside of a good mask, which
SAM knows no more precisely. Any other prompt says more than one click, and is answered.
"""

from __future__ import annotations

from backend.errors import BadPrompt
from backend.geometry import distance_to_mask
from backend.values import Candidate, Prompt


def check_object(candidate: Candidate, prompt: Prompt, min_score: float) -> None:
    """Raise `BadPrompt` for a click on nothing.

    Args:
        candidate: SAM's best answer.
        prompt: A single click; any other passes.
        min_score: Minimum predicted IoU; 0 lets every click pass.
    """
    if min_score <= 0 or not prompt.is_single_click:
        return
    (point,) = prompt.point_coords
    logits = candidate.low_res_logits
    reach = max(candidate.mask.shape) / logits.shape[-1] if logits is not None else 0.0
    if candidate.score < min_score or distance_to_mask(candidate.mask, point, reach) > reach:
        raise BadPrompt(
            "No object here.",
            remedy="Take the point back with Ctrl+Z. Then click the middle of an object, or draw a box around it.",
        )
