"""Box and ellipse that approximate a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.values import Mask


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in pixels.

    Attributes:
        center: XY.
        radii: Half the extent along the first and the second axis, before the rotation.
        degrees: Rotation, clockwise on the screen.
    """

    center: tuple[float, float]
    radii: tuple[float, float]
    degrees: float = 0.0


def mask_to_box(mask: Mask) -> tuple[int, int, int, int] | None:
    """Return the tightest axis-aligned box around a mask's pixels.

    The box is axis-aligned because that is what detectors and COCO expect, and what Label Studio's tool draws.

    Args:
        mask: bool (H, W).

    Returns:
        XYXY along the pixels' edges, so `mask[top:bottom, left:right]` is the part inside the box and
        `right - left` its width; None for an empty mask.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))  # only the occupied rows: a column scan is the slower one
    return int(columns[0]), top, int(columns[-1]) + 1, bottom


def fit_ellipse(mask: Mask) -> Ellipse | None:
    """Return the ellipse that has the mask's area moments up to second order; None for an empty mask.

    Fitting an ellipse returns that ellipse. The rotation is at most 45 degrees in either direction, so the first radius
    belongs to the axis that is closer to horizontal. A pixel counts as a square, so a line one pixel wide has a second
    radius of 0.58.

    Source: the variance of a filled ellipse along an axis is a quarter of the squared radius, that of a unit square is
    1/12; the axes are the eigenvectors of the covariance matrix.
    """
    box = mask_to_box(mask)
    if box is None:
        return None
    left, top, right, bottom = box
    inside = mask[top:bottom, left:right]
    across = np.arange(left, right) + 0.5
    down = np.arange(top, bottom) + 0.5
    per_column, per_row = inside.sum(axis=0), inside.sum(axis=1)
    area = float(per_column.sum())
    x, y = float(per_column @ across) / area, float(per_row @ down) / area
    xx = float(per_column @ (across - x) ** 2) / area + 1 / 12
    yy = float(per_row @ (down - y) ** 2) / area + 1 / 12
    xy = float((down - y) @ (inside @ (across - x))) / area
    return Ellipse((x, y), *_axes(np.array([(xx, xy), (xy, yy)])))


def _axes(covariance: NDArray[np.float64]) -> tuple[tuple[float, float], float]:
    """Return the radii, that of the more horizontal axis first, and the angle of this axis in degrees."""
    variances, directions = np.linalg.eigh(covariance)
    first = int(abs(directions[0, 1]) > abs(directions[0, 0]) - 1e-9)  # the longer axis at 45 degrees
    cosine, sine = directions[:, first]
    degrees = math.degrees(math.atan2(sine, cosine))
    degrees = (degrees + 90) % 180 - 90  # an axis points in both directions
    radii = 2 * np.sqrt(variances)
    return (float(radii[first]), float(radii[1 - first])), degrees
