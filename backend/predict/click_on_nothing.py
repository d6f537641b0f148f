"""Refusal of a click on nothing: SAM answers every click, on the background with a mask of something else.

A single positive click is refused if SAM's best mask does not reach it, or if its predicted IoU is below the minimum.
A mask reaches a point that lies on it or within one cell of SAM's low-resolution mask of it (5 pixels of an image 640
pixels wide with the demo model): a click on the edge of an object is often a pixel or two outside of a good mask, which
SAM knows no more precisely. Any other prompt says more than one click, and is answered.

The point of a refused click stays on the page and comes with the next click, unless it was taken back. It does not
count then: it would pull the background into the mask of the object that was meant.
"""

from __future__ import annotations

from dataclasses import replace

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt
from backend.geometry import Point, distance_to_mask
from backend.runtime import NO_DEADLINE, Deadline, LeastRecentlyUsed
from backend.values import Candidate, Prompt

MAX_KEPT = 10_000  # verdicts on single clicks
IGNORED = "A point on nothing does not count."


def check_object(candidate: Candidate, prompt: Prompt, min_score: float) -> None:
    """Raise `BadPrompt` for a click on nothing.

    Args:
        candidate: SAM's best answer.
        prompt: A single click; any other passes.
        min_score: Minimum predicted IoU; 0 lets every click pass.
    """
    if min_score > 0 and prompt.is_single_click and _is_miss(candidate, prompt.point_coords[0], min_score):
        raise BadPrompt(
            "No object here.",
            remedy="Click the middle of an object, or draw a box around it. Ctrl+Z takes the point back.",
        )


class ClicksOnNothing:
    """Verdicts on single clicks, kept so that the next click need not decode them again. Thread-safe.

    A verdict depends on the image, the point and the minimum alone, so an evicted one is only found again.
    """

    def __init__(self) -> None:
        self._verdicts = LeastRecentlyUsed[tuple[str, Point, float], bool](MAX_KEPT)

    def check(self, encoded: EncodedImage, candidate: Candidate, prompt: Prompt, min_score: float) -> None:
        """Raise `BadPrompt` as `check_object` does, and keep the verdict."""
        if prompt.is_single_click:
            is_miss = _is_miss(candidate, prompt.point_coords[0], min_score)
            self._verdicts.put((encoded.image.digest, prompt.point_coords[0], min_score), is_miss)
        check_object(candidate, prompt, min_score)

    def drop(
        self,
        labeler: ImageLabeler,
        encoded: EncodedImage,
        prompt: Prompt,
        min_score: float,
        deadline: Deadline = NO_DEADLINE,
    ) -> Prompt:
        """Return a prompt of several points without the first ones, as long as each was a click on nothing."""
        while min_score > 0 and len(prompt.point_coords) > 1 and prompt.point_labels[0] == 1 and not prompt.box_xyxy:
            if not self._missed(labeler, encoded, prompt.point_coords[0], min_score, deadline):
                break
            prompt = replace(prompt, point_coords=prompt.point_coords[1:], point_labels=prompt.point_labels[1:])
        return prompt

    def _missed(
        self, labeler: ImageLabeler, encoded: EncodedImage, point: Point, min_score: float, deadline: Deadline
    ) -> bool:
        key = (encoded.image.digest, point, min_score)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = _is_miss(labeler.segment(encoded, Prompt((point,), (1,)), deadline=deadline)[0], point, min_score)
            self._verdicts.put(key, verdict)
        return verdict


def _is_miss(candidate: Candidate, point: Point, min_score: float) -> bool:
    logits = candidate.low_res_logits
    reach = max(candidate.mask.shape) / logits.shape[-1] if logits is not None else 0.0
    return candidate.score < min_score or distance_to_mask(candidate.mask, point, reach) > reach
