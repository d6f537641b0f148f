"""Corrections of SAM's accepted answers through the backend's predictor, while it remembers them and afterwards."""

from __future__ import annotations

import numpy as np

from backend.engine import EncodedImage
from backend.geometry import Click
from backend.predict import ANSWER_TTL_SECONDS
from backend.values import Box, Mask
from scripts.demo_world.annotators import Annotator, Site, numbers
from scripts.demo_world.correction_bench import Item
from scripts.demo_world.corrections import Answer, first_click

SECONDS = 12.0  # from a tick to the next click: Label Studio has saved the accepted mask


def answers_after_ticks(site: Site, item: Item, *, by_box: bool) -> tuple[Mask, Answer, Answer] | None:
    """Return the accepted mask of an object, and what corrects it within a minute of each answer and after it.

    Args:
        by_box: Whether the object is marked by its box; else by a click.

    Returns:
        None if SAM finds nothing.
    """
    site.fetcher.file = item.image.image.data
    people = [Annotator(site, item.image.image.size, next(numbers)) for _ in range(2)]
    masks = [_accept_first(person, item.truth, by_box) for person in people]
    if masks[0] is None:
        return None
    return masks[0], answer_after_tick(people[0], SECONDS), answer_after_tick(people[1], SECONDS + ANSWER_TTL_SECONDS)


def answer_after_tick(person: Annotator, seconds: float) -> Answer:
    """Each click corrects the mask on the page some seconds after the last tick, and its answer is accepted.

    An answer that is another mask is rejected.
    """

    def answer(image: EncodedImage, mask: Mask, clicks: list[Click]) -> Mask | None:
        person.save_draft()
        person.site.now += seconds
        x, y, label = clicks[-1]
        corrected = person.click((x - 0.5, y - 0.5), positive=label == 1)
        if corrected is None or corrected[0] != person.regions[0]["id"]:
            person.clear()
            return None
        person.accept()
        return corrected[1]

    return answer


def _accept_first(person: Annotator, truth: Mask, by_box: bool) -> Mask | None:
    x, y, _ = first_click(truth)
    answer = person.draw_box(_box_of(truth)) if by_box else person.click((x - 0.5, y - 0.5))
    if answer is None:
        return None
    person.accept()
    return answer[1]


def _box_of(mask: Mask) -> Box:
    rows, columns = np.nonzero(mask)
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)
