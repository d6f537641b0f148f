"""What a search by text finds."""

from __future__ import annotations

from dataclasses import dataclass

from backend.values import Candidate


@dataclass(frozen=True)
class FoundMask:
    """A mask that a text names.

    Attributes:
        probability: In [0, 1] that it does, or the score of the detector's box.
        text: The text, as it was given.
    """

    candidate: Candidate
    probability: float
    text: str
