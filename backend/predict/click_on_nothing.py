"""Refusal of a click on nothing: SAM answers every click, on the background with a mask of something else.

A single positive click is answered if SAM's best mask reaches it and has the minimum of predicted IoU. A mask reaches a
point that lies on it or within little more than one cell of SAM's low-resolution mask of it (6 pixels of an image 640
pixels wide with the demo model): a click on the edge of an object is often a pixel or two outside of a good mask, which
SAM knows no more precisely. On the background SAM hardly ever answers with a mask that contains the click, so a tenth
of the minimum is enough for one that does. Any other prompt says more than one click, and is answered.

At a click on the edge of an object SAM sometimes answers with what is beside it. So before it is refused, SAM is asked
at four places around it, where the minimum is lower. If one of them is answered, its mask is the answer, and with
further clicks that place counts as the first point.

The point of a refused click stays on the page and comes with the next click, unless it was taken back. It does not
count then: it would pull the background into the mask of the object that was meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import BadPrompt
from backend.geometry import Point, distance_to_mask
from backend.runtime import NO_DEADLINE, Deadline, LeastRecentlyUsed
from backend.values import Candidate, Prompt

REACH = 1.2  # cells of the low-resolution mask, from the click to SAM's mask
MIN_SCORE_ON_MASK = 0.1  # of the minimum, if the mask contains the click
AROUND = 1.2  # cells from the click to the four places around it
REACH_AROUND = 1.0  # cells, from the click to SAM's mask at one of them
MIN_SCORE_AROUND = 0.6  # of the minimum, at one of them
MAX_KEPT = 10_000  # verdicts on single clicks
IGNORED = "A point on nothing does not count."


@dataclass(frozen=True)
class ObjectAtClick:
    """SAM's answer at a click, or at the place beside it where it sees the object."""

    place: Point
    candidate: Candidate


class ClicksOnNothing:
    """Verdicts on single clicks, kept so that the next click need not decode them again. Thread-safe.

    A verdict depends on the image, the point and the minimum alone, so an evicted one is only found again.
    """

    def __init__(self) -> None:
        self._places = LeastRecentlyUsed[tuple[str, Point, float], tuple[Point, ...]](MAX_KEPT)  # () for none

    def answer(
        self,
        labeler: ImageLabeler,
        encoded: EncodedImage,
        click: Prompt,
        min_score: float,
        deadline: Deadline = NO_DEADLINE,
    ) -> ObjectAtClick:
        """Answer a single click.

        Args:
            min_score: Minimum predicted IoU; 0 answers every click.

        Raises:
            BadPrompt: A click on nothing.
        """
        point = click.point_coords[0]
        if min_score <= 0:
            return ObjectAtClick(point, labeler.segment(encoded, click, deadline=deadline)[0])
        found = self._find(labeler, encoded, point, min_score, deadline)
        if found is None:
            raise BadPrompt(
                "No object here.",
                remedy="Click the middle of an object, or draw a box around it. Ctrl+Z takes the point back.",
            )
        return found

    def settle(
        self,
        labeler: ImageLabeler,
        encoded: EncodedImage,
        prompt: Prompt,
        min_score: float,
        deadline: Deadline = NO_DEADLINE,
    ) -> tuple[Prompt, bool]:
        """Return what to ask SAM for a prompt of several points, and whether points were left out.

        The first points are left out as long as each is a click on nothing. Before a first point beside whose place SAM
        sees the object, that place is inserted.
        """
        is_short, coords, labels = False, prompt.point_coords, prompt.point_labels
        while min_score > 0 and len(coords) > 1 and labels[0] == 1 and not prompt.box_xyxy:
            place = self._place_of(labeler, encoded, coords[0], min_score, deadline)
            if place is not None:
                if place != coords[0]:
                    coords, labels = (place, *coords), (1, *labels)
                break
            is_short, coords, labels = True, coords[1:], labels[1:]
        return replace(prompt, point_coords=coords, point_labels=labels), is_short

    def _place_of(
        self, labeler: ImageLabeler, encoded: EncodedImage, point: Point, min_score: float, deadline: Deadline
    ) -> Point | None:
        places = self._places.get((encoded.image.digest, point, min_score))
        if places is None:
            found = self._find(labeler, encoded, point, min_score, deadline)
            return found.place if found else None
        return places[0] if places else None

    def _find(
        self, labeler: ImageLabeler, encoded: EncodedImage, point: Point, min_score: float, deadline: Deadline
    ) -> ObjectAtClick | None:
        found = find_object(labeler, encoded, point, min_score, deadline)
        self._places.put((encoded.image.digest, point, min_score), (found.place,) if found else ())
        return found


def find_object(
    labeler: ImageLabeler, encoded: EncodedImage, point: Point, min_score: float, deadline: Deadline = NO_DEADLINE
) -> ObjectAtClick | None:
    """Find the object at a click by the rules above; None for a click on nothing.

    Args:
        min_score: Minimum predicted IoU, more than 0.
    """

    def ask(place: Point) -> ObjectAtClick:
        return ObjectAtClick(place, labeler.segment(encoded, Prompt((place,), (1,)), deadline=deadline)[0])

    here = ask(point)
    mask, cell = here.candidate.mask, _cell_of(here.candidate)
    distance = distance_to_mask(mask, point, REACH * cell)
    if here.candidate.score >= min_score * (MIN_SCORE_ON_MASK if distance == 0 else 1.0) and distance < math.inf:
        return here
    others = [ask(place) for place in _places_around(point, AROUND * cell, mask.shape)] if cell else []
    seen = [
        other
        for other in others
        if other.candidate.score >= MIN_SCORE_AROUND * min_score
        and distance_to_mask(other.candidate.mask, point, REACH_AROUND * cell) < math.inf
    ]
    return max(seen, key=lambda other: other.candidate.score, default=None)


def _places_around(point: Point, away: float, shape: tuple[int, ...]) -> Iterator[Point]:
    x, y = point
    for place in ((x + away, y), (x - away, y), (x, y + away), (x, y - away)):
        if 0 <= place[0] < shape[1] and 0 <= place[1] < shape[0]:
            yield place


def _cell_of(candidate: Candidate) -> float:
    """Return the side of a cell of the low-resolution mask in pixels; 0 if there is none."""
    logits = candidate.low_res_logits
    return max(candidate.mask.shape) / logits.shape[-1] if logits is not None else 0.0
