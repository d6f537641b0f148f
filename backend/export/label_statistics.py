"""How often each label occurs, how large its segments are and how sure it is: one row a label, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_COUNTS = ("label", "images", "count", "total_area", "mean_area")
_CONFIDENCES = ("mean_confidence", "min_confidence", "max_confidence")


@dataclass
class LabelCounts:
    """Running totals of one label; areas in pixels."""

    images: int = 0
    count: int = 0
    area: int = 0
    confidence: float = 0.0
    min_confidence: float = 1.0
    max_confidence: float = 0.0

    def row(self) -> list[object]:
        """Return the cells beside the label; means and extremes are empty if there is no segment."""
        cells: list[object] = [self.images, self.count, self.area]
        if not self.count:
            return [*cells, "", "", "", ""]
        sure = (self.confidence / self.count, self.min_confidence, self.max_confidence)
        return [*cells, f"{self.area / self.count:.1f}", *(f"{value:.4f}" for value in sure)]


class LabelStatistics:
    """Statistics of all images, one image at a time; every label has a row, in the given order."""

    def __init__(self, labels: Iterable[str]) -> None:
        self.counts = {label: LabelCounts() for label in labels}

    def add_image(self, segments: Sequence[tuple[str, int, float]]) -> None:
        """Add an image's segments: label, area in pixels, confidence."""
        for label, area, confidence in segments:
            counts = self.counts[label]
            counts.count += 1
            counts.area += area
            counts.confidence += confidence
            counts.min_confidence = min(counts.min_confidence, confidence)
            counts.max_confidence = max(counts.max_confidence, confidence)
        for label in {label for label, _, _ in segments}:
            self.counts[label].images += 1

    def encode_csv(self) -> bytes:
        """Encode as UTF-8 CSV."""
        return encode_rows((*_COUNTS, *_CONFIDENCES), ([label, *of.row()] for label, of in self.counts.items()))


def encode_rows(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Encode any rows as UTF-8 CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
