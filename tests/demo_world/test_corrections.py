"""The simulated person who corrects masks: what is clicked, and what is recorded of the answers."""

from __future__ import annotations

import numpy as np

from backend.geometry import Click
from backend.values import Mask
from scripts.demo_world.corrections import correct, largest_wrong_part

TRUTH = np.zeros((40, 60), bool)
TRUTH[10:30, 10:30] = True
START = TRUTH.copy()
START[10:20, 30:34] = True  # 40 pixels too many
START[26:30, 20:29] = False  # 36 are missing


def test_the_largest_wrong_part_is_clicked_and_ious_and_obedience_are_recorded() -> None:
    asked: list[tuple[Mask, list[Click]]] = []

    def mend_the_part(image: object, mask: Mask, clicks: list[Click]) -> Mask:
        asked.append((mask, clicks))
        part, label = largest_wrong_part(mask, TRUTH)
        return mask | part if label else mask & ~part

    def disobey(image: object, mask: Mask, clicks: list[Click]) -> Mask:
        return mask

    course = correct(mend_the_part, None, TRUTH, START, [], None)
    assert [clicks[-1][2] for _, clicks in asked] == [0, 1]
    assert course.ious == [364 / 440, 364 / 400, 1.0, 1.0]
    assert course.obeyed == [True, True] and course.as_polygon == [True, True]
    assert course.first_change == (1.0, 40 / 404)

    unmoved = correct(disobey, None, TRUTH, START, [], 3)
    assert unmoved.obeyed == [False] * 3 and unmoved.as_polygon == [False] * 3 and unmoved.first_change == (0.0, 0.0)
