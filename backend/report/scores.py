"""What the model's scores are worth: calibration, and how soon a review in their order finds the errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
BINS = 10
FIRST_SHARE = 0.25  # of the queue, for the sentence


@dataclass(frozen=True)
class Bin:
    """Scores in [lower, upper), the last bin with its upper end.

    Attributes:
        mean_score: Mean score of the proposals in it.
        right: Share of them that were right.
    """

    lower: float
    upper: float
    count: int
    mean_score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """Bins that have proposals, and the expected calibration error.

    Attributes:
        error: Mean distance of a bin's share of right proposals from its mean score, weighted by its proposals.
        bias: Mean score minus the share of right proposals: positive if the model is too sure.
    """

    bins: Sequence[Bin]
    error: float
    bias: float


def calibrate(scores: Sequence[float], right: Sequence[bool], bins: int = BINS) -> Calibration | None:
    """Compare scores with the share of proposals that were right; None without scores.

    Args:
        scores: Of any range; those outside [0, 1] count for the first or the last bin.
        right: Whether each proposal was right.
    """
    if not scores:
        return None
    values, is_right = np.array(scores, float), np.array(right, bool)
    places = np.clip((values * bins).astype(int), 0, bins - 1)
    filled = []
    for place in np.unique(places).tolist():
        members = places == place
        mean_score, share = float(values[members].mean()), float(is_right[members].mean())
        filled.append(Bin(place / bins, (place + 1) / bins, int(members.sum()), mean_score, share))
    error = sum(one.count * abs(one.mean_score - one.right) for one in filled) / len(values)
    return Calibration(filled, error, float(values.mean() - is_right.mean()))


@dataclass(frozen=True)
class ReviewCurve:
    """Share of the errors that are found after a share of the proposals, or of the tasks, was looked at.

    Attributes:
        looked_at: From 0 to 1, one step a proposal or a task.
        by_score: Lowest score first; those of one score are looked at in random order.
        best: Most errors first.
        gain: How much of the way from random order (0) to the best order (1) the scores go, by area; negative if the
            errors have the higher scores.
        count, errors: Number of proposals or tasks, and of errors.
    """

    looked_at: Numbers
    by_score: Numbers
    best: Numbers
    gain: float
    count: int
    errors: int

    def found_after(self, share: float) -> float:
        """Return the share of errors found when this share was looked at, lowest score first."""
        return float(np.interp(share, self.looked_at, self.by_score))

    def best_after(self, share: float) -> float:
        """Return the same of the best order."""
        return float(np.interp(share, self.looked_at, self.best))


def build_curve(scores: Sequence[float], errors_in: Sequence[int]) -> ReviewCurve | None:
    """Build the curve; None where every order finds the errors equally soon.

    Args:
        errors_in: Number of errors in each proposal (0 or 1) or task.
    """
    errors, count = int(sum(errors_in)), len(scores)
    if len(set(map(int, errors_in))) < 2:
        return None
    values, wrong = np.array(scores, float), np.array(errors_in, float)
    _, places = np.unique(values, return_inverse=True)
    expected = (np.bincount(places, weights=wrong) / np.bincount(places))[np.sort(places)]  # of ties, in any order
    looked_at = np.arange(count + 1) / count
    by_score = np.concatenate([[0.0], np.cumsum(expected)]) / errors
    best = np.concatenate([[0.0], np.cumsum(np.sort(wrong)[::-1])]) / errors
    areas = [float(np.trapezoid(curve, looked_at)) for curve in (by_score, best)]
    return ReviewCurve(looked_at, by_score, best, (areas[0] - 0.5) / (areas[1] - 0.5), count, errors)
