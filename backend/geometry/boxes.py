"""Boxes and the image that they lie on."""

from __future__ import annotations

from backend.values import Box, Size


def clip_box(box_xyxy: Box, size: Size) -> Box | None:
    """Return the part of a box that lies on an image; None if that has no area.

    >>> clip_box((-5.0, 10.0, 20.0, 99.0), Size(64, 48))
    (0.0, 10.0, 20.0, 48.0)
    """
    left, top, right, bottom = box_xyxy
    left, top = max(left, 0.0), max(top, 0.0)
    right, bottom = min(right, float(size.width)), min(bottom, float(size.height))
    return (left, top, right, bottom) if left < right and top < bottom else None
