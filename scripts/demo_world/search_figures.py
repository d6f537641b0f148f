"""Recall and precision of a search for masks, by counts over many searches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SearchFigures:
    """Counts over many searches: objects to find, those that were found, and all masks that were returned."""

    objects: int = 0
    found: int = 0
    answered: int = 0

    @property
    def recall(self) -> float:
        return self.found / max(self.objects, 1)

    @property
    def precision(self) -> float:
        """Share of correct masks among all returned ones, including those for objects that are not there."""
        return self.found / max(self.answered, 1)
