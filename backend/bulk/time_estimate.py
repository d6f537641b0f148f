"""Estimate of the time that automatic masks take, from a short measurement with the models that will make them.

The encoder runs once. The grid of points grows until it takes long enough to be measured, so a model that needs 0.2 s
for a point decodes five points and one that needs a millisecond decodes hundreds, in batches as large as in the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from backend.values import ProposalOptions

MIN_MEASURED_SECONDS = 0.5  # shorter measurements are repeated, or made longer
SLOW_SECONDS = 90.0  # an image that takes longer is told in minutes


@dataclass(frozen=True)
class MaskTime:
    """Time of automatic masks of one image or task.

    Attributes:
        encode_seconds: Time of the encoder.
        first_seconds: Time of the first point and of what is done once for all points.
        point_seconds: Time of each other point.
        points: Number of points in an image or crop.
        crops: Number of times that all this is done: once for the image, and once for each of its crops.
        skips_points: Whether points may be skipped, so that the time is an upper limit.
        cost_seconds: Time that the measurement took.
    """

    encode_seconds: float
    first_seconds: float
    point_seconds: float
    points: int
    crops: int
    skips_points: bool
    cost_seconds: float

    @property
    def seconds(self) -> float:
        return self.crops * (self.encode_seconds + self.first_seconds + (self.points - 1) * self.point_seconds)


def measure_mask_time(
    encode: Callable[[], object],
    segment: Callable[[ProposalOptions], object],
    options: ProposalOptions,
    clock: Callable[[], float] = time.perf_counter,
) -> MaskTime:
    """Measure how long automatic masks of an image take, without making them all.

    Args:
        encode: Encodes the image.
        segment: Makes its masks with other options: fewer points, no crops.
        options: Those of the run.
    """

    def timed(work: Callable[[], object]) -> float:
        start = clock()
        work()
        return clock() - start

    def repeated(work: Callable[[], object]) -> float:
        """Time some work; a second time if it is short, because the first time includes what is done only once."""
        first = timed(work)
        return first if first >= MIN_MEASURED_SECONDS else timed(work)

    def with_grid(side: int) -> Callable[[], object]:
        return lambda: segment(replace(options, points_per_side=side, crop_n_layers=0, fast=False))

    start = clock()
    encode_seconds, first_seconds = repeated(encode), repeated(with_grid(1))
    side, grid_seconds = 1, 0.0
    while side < options.points_per_side and grid_seconds < MIN_MEASURED_SECONDS:
        side = min(2 * side, options.points_per_side)
        grid_seconds = timed(with_grid(side))
    return MaskTime(
        encode_seconds,
        first_seconds,
        max(0.0, grid_seconds - first_seconds) / (side**2 - 1) if side > 1 else 0.0,
        points=options.points_per_side**2,
        crops=sum(4**layer for layer in range(options.crop_n_layers + 1)),
        skips_points=options.fast,
        cost_seconds=clock() - start,
    )


def describe_mask_time(measured: MaskTime, count: int, unit: str) -> str:
    """Describe how long a run will take: per image, the parts of that, in all, and what the measurement cost.

    Args:
        count: Number of images or tasks.
        unit: Their name, "image" or "task".
    """
    seconds, up_to = measured.seconds, "up to " if measured.skips_points else ""
    if seconds < 1:
        rate = f"{'at least ' if up_to else ''}{1 / max(seconds, 1e-6):.2g} {unit}s a second"
    else:
        amount = f"{seconds:.2g} seconds" if seconds < SLOW_SECONDS else f"{seconds / 60:.1f} minutes"
        rate = f"{up_to}{amount} for each {unit}"
    crops = f", each for the image and {measured.crops - 1} crops" if measured.crops > 1 else ""
    parts = (
        f"encoder {_short(measured.encode_seconds)}, {measured.points:,} points in {_short(_points(measured))}{crops}"
    )
    total = f"{up_to}{_long(count * seconds)} for {count:,} {unit}s"
    cost = f"Measured in {_short(measured.cost_seconds)}; classes and transfers are not included."
    return f"Estimated time of the masks: {rate} ({parts}), {total}. {cost}"


def _points(measured: MaskTime) -> float:
    return measured.first_seconds + (measured.points - 1) * measured.point_seconds


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.0995 else f"{seconds:.1f} s"


def _long(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
