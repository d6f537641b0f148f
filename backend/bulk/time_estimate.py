"""Estimate of the time that automatic masks take, from a short measurement with the models that will make them.

The encoder runs once. The grid of points grows until it takes long enough to be measured, so a model that needs 0.2 s
for a point decodes five points and one that needs a millisecond decodes hundreds, in batches as large as in the run.

On a machine that others load, the same work takes several times as long. The processor time of the process shows it:
that does not grow while others compute, and without them the work takes at most as long as all its threads compute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from backend.values import ProposalOptions

MIN_MEASURED_SECONDS = 0.5  # shorter measurements are repeated, or made longer
SLOW_SECONDS = 90.0  # an image that takes longer is told in minutes
BUSY_RATIO = 2.0  # of elapsed to processor time; a process that has a core for itself is never far above 1

Clock = Callable[[], float]


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
        cpu_seconds: Processor time of all threads for the same as `seconds`; None if it was not measured.
    """

    encode_seconds: float
    first_seconds: float
    point_seconds: float
    points: int
    crops: int
    skips_points: bool
    cost_seconds: float
    cpu_seconds: float | None = None

    @property
    def seconds(self) -> float:
        return self.crops * (self.encode_seconds + self.first_seconds + (self.points - 1) * self.point_seconds)

    @property
    def is_disturbed(self) -> bool:
        """Whether other programs took most of the time."""
        return self.cpu_seconds is not None and self.seconds > BUSY_RATIO * self.cpu_seconds


@dataclass(frozen=True)
class _Spent:
    """Time that some work took, by the clock and by the processor."""

    elapsed: float = 0.0
    cpu: float = 0.0


def measure_mask_time(
    encode: Callable[[], object],
    segment: Callable[[ProposalOptions], object],
    options: ProposalOptions,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock | None = None,
) -> MaskTime:
    """Measure how long automatic masks of an image take, without making them all.

    Args:
        encode: Encodes the image.
        segment: Makes its masks with other options: fewer points, no crops.
        options: Those of the run.
        cpu_clock: Seconds of the processor, such as `time.process_time`; None if another device computes.
    """

    def timed(work: Callable[[], object]) -> _Spent:
        start, cpu_start = clock(), cpu_clock() if cpu_clock else 0.0
        work()
        return _Spent(clock() - start, cpu_clock() - cpu_start if cpu_clock else 0.0)

    def repeated(work: Callable[[], object]) -> _Spent:
        """Time some work; a second time if it is short, because the first time includes what is done only once."""
        first = timed(work)
        return first if first.elapsed >= MIN_MEASURED_SECONDS else timed(work)

    def with_grid(side: int) -> Callable[[], object]:
        return lambda: segment(replace(options, points_per_side=side, crop_n_layers=0, fast=False))

    start = clock()
    encoded, first = repeated(encode), repeated(with_grid(1))
    side, grid = 1, _Spent()
    while side < options.points_per_side and grid.elapsed < MIN_MEASURED_SECONDS:
        side = min(2 * side, options.points_per_side)
        grid = timed(with_grid(side))
    others = max(1, side**2 - 1)
    measured = MaskTime(
        encoded.elapsed,
        first.elapsed,
        max(0.0, grid.elapsed - first.elapsed) / others,
        points=options.points_per_side**2,
        crops=sum(4**layer for layer in range(options.crop_n_layers + 1)),
        skips_points=options.fast,
        cost_seconds=clock() - start,
    )
    if cpu_clock is None:
        return measured
    cpu = (encoded.cpu, first.cpu, max(0.0, grid.cpu - first.cpu) / others)
    by_cpu = replace(measured, encode_seconds=cpu[0], first_seconds=cpu[1], point_seconds=cpu[2])
    return replace(measured, cpu_seconds=by_cpu.seconds)


def describe_mask_time(measured: MaskTime, count: int, unit: str) -> str:
    """Describe how long a run will take: per image, the parts of that, in all, and what the measurement cost.

    Args:
        count: Number of images or tasks.
        unit: Their name, "image" or "task".
    """
    seconds, up_to = measured.seconds, "up to " if measured.skips_points else ""
    rate = _rate(seconds, unit, up_to, "at least " if up_to else "")
    crops = f", each for the image and {measured.crops - 1} crops" if measured.crops > 1 else ""
    parts = (
        f"encoder {_short(measured.encode_seconds)}, {measured.points:,} points in {_short(_points(measured))}{crops}"
    )
    total = f"{up_to}{_long(count * seconds)} for {count:,} {unit}s"
    cost = f"Measured in {_short(measured.cost_seconds)}; classes and transfers are not included."
    return f"Estimated time of the masks: {rate} ({parts}), {total}. {cost}{_describe_busy(measured, count, unit)}"


def _describe_busy(measured: MaskTime, count: int, unit: str) -> str:
    cpu_seconds = measured.cpu_seconds
    if cpu_seconds is None or not measured.is_disturbed:
        return ""
    without = f"{_rate(cpu_seconds, unit, 'at most ', 'at least ')}, {_long(count * cpu_seconds)} for all"
    return f"\nThe machine is busy: by processor time, which other programs do not change, it is {without}."


def _rate(seconds: float, unit: str, up_to: str, at_least: str) -> str:
    """Describe a time for each unit, with `up_to` before it, or the units a second with `at_least`."""
    if seconds < 1:
        return f"{at_least}{1 / max(seconds, 1e-6):.2g} {unit}s a second"
    amount = f"{seconds:.2g} seconds" if seconds < SLOW_SECONDS else f"{seconds / 60:.1f} minutes"
    return f"{up_to}{amount} for each {unit}"


def _points(measured: MaskTime) -> float:
    return measured.first_seconds + (measured.points - 1) * measured.point_seconds


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.0995 else f"{seconds:.1f} s"


def _long(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"
