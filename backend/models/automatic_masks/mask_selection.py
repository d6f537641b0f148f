"""Selection of automatic masks as in SamAutomaticMaskGenerator: drop duplicates, remove small parts and holes.

Source: segment_anything.SamAutomaticMaskGenerator.postprocess_small_regions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from segment_anything.utils.amg import remove_small_regions
from torchvision.ops.boxes import batched_nms

from backend.models.automatic_masks.mask_part import MaskPart, PixelBox, crop_to_mask
from backend.values import Size


def keep_distinct(boxes: Sequence[PixelBox], scores: Sequence[float], max_iou: float) -> list[int]:
    """Return the places of the boxes that remain, best score first: of two with a larger IoU the better one."""
    # the library's boxes end at the last pixel, not behind it
    inclusive = [[left, top, max(right - 1, 0), max(bottom - 1, 0)] for left, top, right, bottom in boxes]
    coordinates = torch.tensor(inclusive, dtype=torch.float32).view(-1, 4)
    categories = torch.zeros(len(boxes))
    kept: list[int] = batched_nms(coordinates, torch.tensor(scores, dtype=torch.float32), categories, max_iou).tolist()
    return kept


def clean_parts(parts: Sequence[MaskPart], size: Size, min_area: int, max_iou: float) -> dict[int, MaskPart]:
    """Remove parts and fill holes of fewer than `min_area` pixels, then drop the new duplicates.

    Returns:
        The remaining masks by their place; of duplicates those that had nothing to remove.
    """
    cleaned = [clean_part(part, size, min_area) for part in parts]
    unchanged = [float(after is before) for before, after in zip(parts, cleaned, strict=True)]
    return {place: cleaned[place] for place in keep_distinct([part.box_xyxy for part in cleaned], unchanged, max_iou)}


def clean_part(part: MaskPart, size: Size, min_area: int) -> MaskPart:
    """Remove parts and fill holes of fewer than `min_area` pixels; `part` itself if there are none."""
    box = _frame(part.box_xyxy, size, min_area)
    left, top, right, bottom = part.box_xyxy
    framed = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
    framed[top - box[1] : bottom - box[1], left - box[0] : right - box[0]] = part.pixels
    filled, has_filled = remove_small_regions(framed, min_area, mode="holes")
    cleaned, has_removed = remove_small_regions(filled, min_area, mode="islands")
    return crop_to_mask(cleaned, (box[0], box[1])) if has_filled or has_removed else part


def _frame(box_xyxy: PixelBox, size: Size, min_area: int) -> PixelBox:
    """Return the box with as much of the background around it as a decision about all background needs.

    On each side that is at least `min_area` pixels, or all up to the image's border. So a part of the background is
    small in the frame exactly if it is small in the image.
    """
    left, top, right, bottom = box_xyxy
    if left == right:
        return (0, 0, size.width, size.height)
    across, along = -(-min_area // (bottom - top)), -(-min_area // (right - left))
    return (
        max(0, left - across),
        max(0, top - along),
        min(size.width, right + across),
        min(size.height, bottom + along),
    )
