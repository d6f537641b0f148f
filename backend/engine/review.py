"""Trust in a mask, by which a person reviews the doubtful ones first: trust = agreement x p(class).

A wrong outline is one that SAM itself does not repeat: asked for the object in the mask's box, or for the one under a
click deep inside it, SAM answers with another mask. The mask itself must not be among the answers it is compared with;
an automatic mask agrees perfectly with itself. docs/reviewing.md has what this finds, and what else was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.engine.ports import Segmenter
from backend.geometry import inner_point, mask_iou, mask_to_box
from backend.values import ClassScore, ImageEmbedding, Mask, Prompt, Size

COARSE_SIDE = 512  # masks are compared at this many pixels on the longer side, or up to twice as many


def measure_agreement(segmenter: Segmenter, embedding: ImageEmbedding, masks: Sequence[Mask]) -> list[float]:
    """Measure how well SAM's answers to two prompts made from a mask agree with the mask.

    The masks are compared at a reduced size, because upscaling takes most of the time in a large image. Even there a
    pixel is smaller than one of SAM's own low-resolution masks, whose longer side is at most 256.

    Args:
        embedding: Of the image that the masks belong to.
        masks: bool (H, W) at the original size, none of them empty.

    Returns:
        For each mask the mean IoU with the answer to its box and the answer to a click deep inside it, in [0, 1]; 0 for
        a mask that vanishes at the reduced size.
    """
    step = max(1, max(embedding.original_size.width, embedding.original_size.height) // COARSE_SIDE)
    coarse = [mask[step // 2 :: step, step // 2 :: step] for mask in masks]
    prompts = [prompt for mask in masks for prompt in _prompts_of(mask, step)]
    height, width = coarse[0].shape if coarse else (0, 0)
    reduced = replace(embedding, original_size=Size(width, height))
    answers = [candidate.mask for candidate in segmenter.decode_many(reduced, prompts)]
    return [
        (mask_iou(mask, of_box) + mask_iou(mask, of_click)) / 2 if mask.any() else 0.0
        for mask, of_box, of_click in zip(coarse, answers[::2], answers[1::2], strict=True)
    ]


def trust_in(agreement: float, class_scores: Sequence[ClassScore]) -> float:
    """Return agreement x p(class); without classes the agreement alone.

    Args:
        agreement: From `measure_agreement`.
        class_scores: The mask's classes, best first.
    """
    return agreement * class_scores[0].score if class_scores else agreement


def _prompts_of(mask: Mask, step: int) -> tuple[Prompt, Prompt]:
    """Build the prompts for the box around a mask and for a click deep inside it, in pixels of the reduced size."""
    box = mask_to_box(mask)
    if box is None:
        raise ValueError("An empty mask has neither a box nor an inner point.")
    left, top, right, bottom = (edge / step for edge in box)
    x, y = inner_point(mask)
    return Prompt(box_xyxy=(left, top, right, bottom)), Prompt(((x / step, y / step),), (1,))
