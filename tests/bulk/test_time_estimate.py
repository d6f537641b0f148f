"""The estimate of the time that automatic masks take, with a clock that only the work moves."""

from __future__ import annotations

import pytest

from backend.bulk import MaskTime, describe_mask_time, measure_mask_time
from backend.values import ProposalOptions


class Model:
    """Work that takes `encode` seconds for an image, then `fixed` seconds and `point` seconds for each point."""

    def __init__(self, encode: float, fixed: float, point: float, warm_up: float = 0.0) -> None:
        self.now, self.warm_up = 0.0, warm_up
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
        return measure_mask_time(self.encode, self.segment, options, lambda: self.now)


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
