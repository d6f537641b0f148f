"""Boxes to masks, in batches of the decoder: boxes that exist already, and those that a detector finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.engine.encoded_image import EncodedImage
from backend.engine.ports import Segmenter
from backend.geometry import keep_parts_in_box
from backend.runtime import timed
from backend.values import Box, Candidate, Prompt


@timed("sam")
def segment_boxes(segmenter: Segmenter, encoded: EncodedImage, boxes: Sequence[Box]) -> list[Candidate]:
    """Predict the mask of each box, in their order, without parts that lie outside the box; a mask may be empty."""
    candidates = segmenter.decode_many(encoded.embedding, [Prompt(box_xyxy=box) for box in boxes])
    return [
        replace(candidate, mask=keep_parts_in_box(candidate.mask, box))
        for candidate, box in zip(candidates, boxes, strict=True)
    ]
