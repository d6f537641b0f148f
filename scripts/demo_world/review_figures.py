"""How early a queue shows the errors in it: share of them by share of the queue, AUROC, average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Queue:
    """Items with the trust in each; the least trusted come first.

    Attributes:
        trust: float (N,).
        is_error: bool (N,); what the review is to find.
    """

    trust: Floats
    is_error: NDArray[np.bool_]

    @property
    def errors(self) -> int:
        return int(np.count_nonzero(self.is_error))

    def found(self) -> Floats:
        """Return the share of the errors among the first 0, 1, … N items, float (N + 1,).

        Items with the same trust come in no order, so each counts for the mean of its group.
        """
        _, group, sizes = np.unique(self.trust, return_inverse=True, return_counts=True)
        errors = np.bincount(group, self.is_error, len(sizes))
        return np.concatenate([[0.0], np.cumsum(np.repeat(errors / sizes, sizes)) / max(self.errors, 1)])

    def found_in_first(self, share: float) -> float:
        """Return the share of the errors in the first part of the queue."""
        return float(self.found()[round(share * len(self.trust))])

    def best_in_first(self, share: float) -> float:
        """Return the same for the best possible order."""
        return min(1.0, round(share * len(self.trust)) / max(self.errors, 1))

    @property
    def auroc(self) -> float:
        """Probability that an error is trusted less than what is correct; a tie counts half."""
        wrong, right = self.trust[self.is_error], np.sort(self.trust[~self.is_error])
        above = len(right) - np.searchsorted(right, wrong, "right")
        level = np.searchsorted(right, wrong, "right") - np.searchsorted(right, wrong, "left")
        return float((above + level / 2).sum() / max(len(wrong) * len(right), 1))

    @property
    def average_precision(self) -> float:
        """Mean over the errors of the share of errors among all that is trusted as little or less."""
        thresholds = np.sort(self.trust)
        wrong = np.sort(self.trust[self.is_error])
        seen = np.searchsorted(thresholds, wrong, "right")
        return float(np.mean(np.searchsorted(wrong, wrong, "right") / seen)) if len(wrong) else 0.0
