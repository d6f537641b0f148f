"""Crops of an image, in which automatic masks find smaller things, as SamAutomaticMaskGenerator makes them.

Source: segment_anything.SamAutomaticMaskGenerator._process_crop and ._generate_masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from segment_anything.utils.amg import generate_crop_boxes, is_box_near_crop_edge

from backend.models.automatic_masks.mask_part import PixelBox
from backend.values import Size

OVERLAP_RATIO = 512 / 1500  # of crops with each other, as a part of the image; the library's default


@dataclass(frozen=True)
class ImageCrop:
    """A part of an image of `image_size`, or the whole of it."""

    box_xyxy: PixelBox
    image_size: Size

    @property
    def is_whole(self) -> bool:
        return self.box_xyxy == (0, 0, self.image_size.width, self.image_size.height)

    @property
    def area(self) -> int:
        left, top, right, bottom = self.box_xyxy
        return (right - left) * (bottom - top)

    def uncut(self, boxes: Sequence[PixelBox]) -> list[int]:
        """Return the places of the boxes that do not come near to an edge of the crop within the image.

        Args:
            boxes: In pixels of the crop.
        """
        inclusive = [[left, top, max(right - 1, 0), max(bottom - 1, 0)] for left, top, right, bottom in boxes]
        image = [0, 0, self.image_size.width, self.image_size.height]
        is_cut = is_box_near_crop_edge(torch.tensor(inclusive).view(-1, 4), list(self.box_xyxy), image)
        places: list[int] = torch.nonzero(~is_cut).flatten().tolist()
        return places


def plan_crops(size: Size, layers: int) -> list[ImageCrop]:
    """Return the whole image, then the crops of each layer: 2 x 2 in the first one, 4 x 4 in the second one."""
    boxes, _ = generate_crop_boxes((size.height, size.width), layers, OVERLAP_RATIO)
    crops = (ImageCrop((left, top, right, bottom), size) for left, top, right, bottom in boxes)
    return [crop for crop in crops if crop.area > 0]  # there is nothing in some crops of an image of a few pixels
