"""Pure conversions between the coordinate languages of the rooms."""

from __future__ import annotations


def percent_to_pixel(percent: float, extent: int) -> float:
    """Percent of a width or height (Label Studio's unit) to pixels."""
    return percent / 100 * extent


def pixel_to_percent(pixel: float, extent: int) -> float:
    """Pixels to percent of a width or height."""
    return pixel / extent * 100
