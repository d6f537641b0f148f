"""The estimate of the time that automatic masks take, with a clock that only the work moves."""

from __future__ import annotations

import time

import pytest

from backend.bulk import MaskTime, describe_mask_time, measure_mask_time
from backend.values import ProposalOptions


class Model:
    """Work that takes `encode` seconds for an image, then `fixed` seconds and `point` seconds for each point.

    Other programs leave it `share` of the processor.
    """

    def __init__(self, encode: float, fixed: float, point: float, warm_up: float = 0.0, share: float = 1.0) -> None:
        self.now, self.warm_up, self._share = 0.0, warm_up, share
        self._encode, self._fixed, self._point = encode, fixed, point
        self.grids: list[int] = []

    def encode(self) -> None:
        self.now += self._encode + self.warm_up
        self.warm_up = 0.0

    def segment(self, options: ProposalOptions) -> None:
        assert options.crop_n_layers == 0 and not options.fast
        self.grids.append(options.points_per_side)
        self.now += self._fixed + self._point * options.points_per_side**2

    def measure(self, points_per_side: int, crop_n_layers: int = 0, *, fast: bool = False) -> MaskTime:
        options = ProposalOptions(points_per_side, 0.8, 0.9, 0, 0.7, crop_n_layers, fast)
        return measure_mask_time(self.encode, self.segment, options, lambda: self.now, lambda: self.now * self._share)


def test_a_slow_model_decodes_five_points_and_its_time_is_that_of_all() -> None:
    model = Model(encode=5.3, fixed=0.05, point=0.19)
    measured = model.measure(32)
    assert model.grids == [1, 1, 2]  # the first one again, because it was short
    assert measured.seconds == pytest.approx(5.3 + 0.05 + 1024 * 0.19)
    assert measured.cost_seconds == pytest.approx(5.3 + 3 * 0.05 + 6 * 0.19)


def test_a_fast_model_is_measured_with_a_larger_grid_but_never_with_more_points_than_the_run() -> None:
    model = Model(encode=0.02, fixed=0.01, point=0.001)
    assert model.measure(64).seconds == pytest.approx(0.02 + 0.01 + 4096 * 0.001)
    assert model.grids == [1, 1, 2, 4, 8, 16, 32]
    model.grids.clear()
    assert model.measure(20).seconds == pytest.approx(0.02 + 0.01 + 400 * 0.001)
    assert model.grids == [1, 1, 2, 4, 8, 16, 20]
    model.grids.clear()
    assert model.measure(1).seconds == pytest.approx(0.02 + 0.01 + 0.001)
    assert model.grids == [1, 1]


def test_what_is_done_only_at_the_first_image_is_not_counted() -> None:
    assert Model(encode=0.1, fixed=0.0, point=0.1, warm_up=0.3).measure(10).seconds == pytest.approx(0.1 + 10)


def test_crops_are_encoded_and_searched_each() -> None:
    model = Model(encode=1.0, fixed=0.5, point=0.25)
    assert model.measure(2, 2).seconds == pytest.approx((1 + 4 + 16) * (1 + 0.5 + 4 * 0.25))


def test_on_a_busy_machine_the_time_that_others_take_is_told_apart() -> None:
    """With a tenth of the processor, the work itself is 14.9 s of the 149 s that an image takes."""
    measured = Model(encode=20.0, fixed=1.0, point=2.0, share=0.1).measure(8)
    assert measured.seconds == pytest.approx(20 + 1 + 64 * 2) and measured.cpu_seconds == pytest.approx(14.9)
    first, second = describe_mask_time(measured, 10, "task").split("\n")
    assert "2.5 minutes for each task" in first and "25 min for 10 tasks" in first
    assert second.startswith("The machine is busy: ")
    assert second.endswith("it is at most 15 seconds for each task, 2 min for all.")


@pytest.mark.parametrize(("share", "is_told"), [(0.45, True), (0.55, False), (1.0, False), (4.0, False)])
def test_only_a_difference_of_more_than_two_is_told_and_several_threads_are_not_taken_for_it(
    share: float, is_told: bool
) -> None:
    measured = Model(encode=0.6, fixed=0.0, point=0.001, share=share).measure(8, crop_n_layers=1)
    assert ("machine is busy" in describe_mask_time(measured, 3, "image")) == is_told


def test_a_process_that_waits_for_the_processor_is_measured_by_what_it_computes() -> None:
    """With the clocks of the system: sleeping stands for the others' turns."""

    def work(_: object = None) -> None:
        time.sleep(0.02)
        sum(range(20_000))

    options = ProposalOptions(4, 0.8, 0.9, 0, 0.7)
    measured = measure_mask_time(work, work, options, cpu_clock=time.process_time)
    assert measured.cpu_seconds is not None and measured.cpu_seconds > 0
    assert measured.is_disturbed
    assert not measure_mask_time(work, work, options).is_disturbed  # not measured, as on a GPU


def describe(seconds: float, count: int, **changed: object) -> str:
    values = {"encode_seconds": 0.0, "first_seconds": seconds, "point_seconds": 0.0, "points": 1, "crops": 1}
    return describe_mask_time(
        MaskTime(**{**values, "skips_points": False, "cost_seconds": 7.25, **changed}), count, "task"
    )


def test_minutes_are_told_of_slow_models_and_images_a_second_of_fast_ones() -> None:
    assert describe(200, 93).startswith("Estimated time of the masks: 3.3 minutes for each task (")
    assert "), 5 h 10 min for 93 tasks. Measured in 7.2 s;" in describe(200, 93)
    assert describe(2.5, 93).startswith("Estimated time of the masks: 2.5 seconds for each task (")
    assert "), 4 min for 93 tasks." in describe(2.5, 93)
    assert describe(0.05, 93).startswith("Estimated time of the masks: 20 tasks a second (")
    assert "), 5 s for 93 tasks." in describe(0.05, 93)


def test_points_that_may_be_skipped_make_it_an_upper_limit() -> None:
    said = describe(200, 3, skips_points=True)
    assert "up to 3.3 minutes for each task" in said and "up to 10 min for 3 tasks" in said
    assert "at least 20 tasks a second" in describe(0.05, 3, skips_points=True)


def test_the_parts_of_the_time_are_named() -> None:
    said = describe(0.24, 1, encode_seconds=5.3, point_seconds=0.19, points=1024, crops=5)
    assert "(encoder 5.3 s, 1,024 points in 194.6 s, each for the image and 4 crops)" in said
