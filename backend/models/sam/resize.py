"""The resize before the image encoder, and of coordinates with it."""

from __future__ import annotations

from segment_anything.utils.transforms import ResizeLongestSide


class ResizeToInput(ResizeLongestSide):
    """segment_anything's resize of the longer side, in which the shorter side keeps at least one pixel.

    The library rounds it to 0 for an image that is more than twice as long as the input is: 1x4000 pixels at 1024.
    """

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Return height and width after the resize."""
        height, width = ResizeLongestSide.get_preprocess_shape(oldh, oldw, long_side_length)
        return max(height, 1), max(width, 1)
