"""Histograms of durations for Prometheus that are cheap to add to, for what is measured in every request."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class DurationHistograms(Collector):
    """Histograms of one metric, one for each value of its label. Thread-safe.

    All values exist from the start, so that `rate()` also sees the first observation. All stages of a request are added
    under one lock; `prometheus_client.Histogram` takes two for each of them and four times as long.

    Args:
        name: Ends with the unit, `_seconds`.
        documentation: Text of the HELP line.
        label: Name of the label.
        values: All values of the label.
        buckets: Upper bounds in seconds, ascending; +Inf is added.
    """

    def __init__(
        self, name: str, documentation: str, label: str, values: Sequence[str], buckets: Sequence[float]
    ) -> None:
        self._name, self._documentation, self._label = name, documentation, label
        self._bounds = tuple(buckets)
        self._counts = {value: [0] * (len(buckets) + 1) for value in values}
        self._sums = dict.fromkeys(values, 0.0)
        self._lock = threading.Lock()

    def observe(self, seconds_by_value: Mapping[str, float]) -> None:
        """Add one duration to each of these values of the label.

        Raises:
            KeyError: Not a value of the label.
        """
        with self._lock:
            for value, seconds in seconds_by_value.items():
                self._counts[value][bisect_left(self._bounds, seconds)] += 1  # `le` includes the bound
                self._sums[value] += seconds

    def quantile(self, quantile: float, values: Iterable[str]) -> float | None:
        """Estimate a quantile of the durations of some values of the label together, as `histogram_quantile` does.

        Within a bucket the durations are taken as evenly spread; those above the last bound count as that bound.

        Args:
            quantile: In (0, 1], for example 0.95.

        Returns:
            Seconds; None if there is no duration yet.
        """
        counts = self._sum_counts(values)
        rank, below = quantile * sum(counts), 0
        for index, count in enumerate(counts[:-1]):
            if count and below + count >= rank:
                lower = self._bounds[index - 1] if index else 0.0
                return lower + (self._bounds[index] - lower) * (rank - below) / count
            below += count
        return self._bounds[-1] if counts[-1] else None

    def count(self, values: Iterable[str]) -> int:
        """Return the number of durations of these values of the label."""
        return sum(self._sum_counts(values))

    def _sum_counts(self, values: Iterable[str]) -> list[int]:
        with self._lock:
            return [sum(counts) for counts in zip(*(self._counts[value] for value in values), strict=True)]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        with self._lock:
            copied = [(value, list(counts), self._sums[value]) for value, counts in self._counts.items()]
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        for value, counts, total in copied:
            family.add_metric([value], list(zip(bounds, map(float, accumulate(counts)), strict=True)), total)
        yield family
