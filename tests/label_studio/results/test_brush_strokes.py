"""Strokes that a draft has beside a brush's mask, because Label Studio joins them only when it is submitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.errors import BadRle
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import LabeledRegion, build_results, mask_from_value, parse_regions
from backend.values import Size
from tests.fakes import CONFIG

SIZE = Size(40, 30)
IMAGE = parse_labeling_config(CONFIG).images[0]
DOT = {"type": "add", "relativePoints": [75.0, 50.0, 75.0, 50.0], "relativeStrokeWidth": 10.0}  # 4 pixels at (30, 15)


def accepted(*strokes: Any) -> list[dict[str, Any]]:
    """A mask of 10x10 pixels that was accepted, and painted on since."""
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:20] = True
    brush, *others = build_results([LabeledRegion(mask, "cat", "m")], IMAGE)
    return [brush | {"value": brush["value"] | {"touches": list(strokes)}}, *others]


def test_the_mask_has_what_was_painted_and_lacks_what_was_erased() -> None:
    erased = DOT | {"type": "eraser", "relativePoints": [37.5, 50.0]}  # (15, 15)
    (region,) = parse_regions(accepted(DOT, erased), IMAGE)
    assert region.mask[11, 11] and region.mask[15, 30] and not region.mask[15, 15]
    assert region.painted is not None
    assert region.painted[15, 30] and region.painted[15, 15] and not region.painted[11, 11]


def test_a_mask_that_was_painted_from_the_beginning_is_read_and_nothing_in_it_counts_as_painted_on() -> None:
    painted = accepted(DOT)
    del painted[0]["value"]["rle"]
    (region,) = parse_regions(painted, IMAGE)
    assert region.mask[15, 30] and 9 <= np.count_nonzero(region.mask) <= 25
    assert region.painted is None


def test_without_strokes_nothing_changes() -> None:
    for strokes in ((), None):
        results = accepted()
        results[0]["value"]["touches"] = strokes
        (region,) = parse_regions(results, IMAGE)
        assert np.count_nonzero(region.mask) == 100 and region.painted is None


@pytest.mark.parametrize(
    "strokes",
    [
        "all", [3], [DOT | {"relativePoints": [1.0]}], [DOT | {"relativePoints": []}], [DOT | {"type": "smear"}],
        [DOT | {"relativePoints": [1.0, float("nan")]}], [DOT | {"relativeStrokeWidth": None}],
        [DOT | {"relativePoints": [0.0, 0.0, 100.0, 100.0] * 50_000, "relativeStrokeWidth": 100.0}],
    ],
)  # fmt: skip
def test_strokes_that_cannot_be_drawn_are_refused(strokes: Any) -> None:
    with pytest.raises(BadRle, match=r"troke|touches"):
        mask_from_value({"format": "rle", "touches": strokes}, "brush", SIZE)
