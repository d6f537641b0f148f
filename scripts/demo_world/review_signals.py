"""What may tell a wrong mask or class from a right one, and the formulas that were tried on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.engine import EncodedImage
from backend.geometry import inner_point, mask_iou, mask_to_box
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Mask, Prompt

STABILITY_OFFSET = 1.0  # SamAutomaticMaskGenerator's


@dataclass(frozen=True)
class Signals:
    """What is known of one mask with its class.

    Attributes:
        box, click: IoU with SAM's answer to the mask's box, and to a click deep inside it.
        best_click: IoU with the closest of the three candidates for the click.
        answer_score: SAM's predicted IoU of its answer to the box.
        stability: Stability score of that answer.
        own_score: SAM's predicted IoU of the mask when it was made; a damaged mask keeps it.
        p_class: Probability of the class.
    """

    box: float
    click: float
    best_click: float
    answer_score: float
    stability: float
    own_score: float
    p_class: float


FORMULAS: dict[str, Callable[[Signals], float]] = {
    "mean(box, click) × p(class)": lambda s: (s.box + s.click) / 2 * s.p_class,
    "max(box, click) × p(class)": lambda s: max(s.box, s.click) * s.p_class,
    "min(box, click) × p(class)": lambda s: min(s.box, s.click) * s.p_class,
    "box × p(class)": lambda s: s.box * s.p_class,
    "click × p(class)": lambda s: s.click * s.p_class,
    "mean(box, closest of three for the click) × p(class)": lambda s: (s.box + s.best_click) / 2 * s.p_class,
    "mean(box, click) × SAM's score of the answer × p(class)": lambda s: (
        (s.box + s.click) / 2 * s.answer_score * s.p_class
    ),
    "mean(box, click) × stability of the answer × p(class)": lambda s: (s.box + s.click) / 2 * s.stability * s.p_class,
    "mean(box, click) alone": lambda s: (s.box + s.click) / 2,
    "p(class) alone": lambda s: s.p_class,
    "SAM's own score": lambda s: s.own_score,
    "SAM's own score × p(class)": lambda s: s.own_score * s.p_class,
}


def measure_signals(
    segmenter: SamSegmenter, encoded: EncodedImage, mask: Mask, own_score: float, p_class: float
) -> Signals:
    """Ask SAM for the object in a mask's box and for the one under a click inside it, at the original size."""
    box = mask_to_box(mask)
    assert box is not None, "the mask is not empty"
    of_box = segmenter.decode(encoded.embedding, Prompt(box_xyxy=box), max_masks=1)[0]
    of_click = segmenter.decode(encoded.embedding, Prompt((inner_point(mask),), (1,)))
    ious = [mask_iou(candidate.mask, mask) for candidate in of_click]
    logits = of_box.low_res_logits
    assert logits is not None, "SAM gives them"
    return Signals(
        box=mask_iou(of_box.mask, mask),
        click=ious[0],
        best_click=max(ious),
        answer_score=of_box.score,
        stability=_stability(logits),
        own_score=own_score,
        p_class=p_class,
    )


def _stability(logits: NDArray[np.float32]) -> float:
    """IoU of the masks above and below the usual threshold. Source: segment_anything.calculate_stability_score."""
    smaller = np.count_nonzero(logits > STABILITY_OFFSET)
    return float(smaller / max(np.count_nonzero(logits > -STABILITY_OFFSET), 1))
