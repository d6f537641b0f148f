"""Simulated corrections of masks: a person who clicks the largest wrong part, up to three times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from backend.engine import EncodedImage, ImageLabeler, clean_candidate
from backend.engine.answer_cache import first_clicks
from backend.geometry import Click, clean_mask, clicks_that_count, mask_iou, mask_to_outline, pixel_of, speck_area
from backend.label_studio.results import build_value, mask_from_value
from backend.values import Candidate, Mask, Prompt, Size
from scripts.demo_world.scenes import click_point

STEPS = 3
Answer = Callable[[EncodedImage, Mask, list[Click]], Mask | None]
"""The image, the mask that the clicks correct and all clicks → the corrected and cleaned mask; None for none."""


@dataclass
class Course:
    """What became of one object.

    Attributes:
        ious: IoU with the truth before the first correction and after each.
        obeyed: For each correction that was made, whether each of its clicks that counts holds in the mask, as brush
            and bitmask are sent; `as_polygon` likewise in the polygon as sent.
        first_change: By the first correction, the share of the wrong part that changed, and the changed pixels as a
            share of the mask; () if there was nothing to correct.
    """

    ious: list[float]
    obeyed: list[bool] = field(default_factory=list)
    as_polygon: list[bool] = field(default_factory=list)
    first_change: tuple[float, ...] = ()


class EarlierLabeler(ImageLabeler):
    """The engine before clicks were forced, to compare with: the answer to a correction is SAM's own."""

    def segment(self, encoded: EncodedImage, prompt: Prompt, **_: object) -> list[Candidate]:
        answered, logits = self._answers.find_last(encoded, prompt)
        for count in range(answered + 1, len(prompt.point_coords) + 1):
            asked = first_clicks(prompt, count)
            candidates = self._segmenter.decode(encoded.embedding, replace(asked, mask_logits=logits), max_masks=1)
            logits = candidates[0].low_res_logits
            if logits is not None:
                self._answers.put(encoded, asked, logits)
        return candidates

    def refine(self, encoded: EncodedImage, prompt: Prompt, mask: Mask, **_: object) -> Candidate:
        return self._segmenter.decode(encoded.embedding, self.correction_prompt(prompt, mask), max_masks=1)[0]


def answer_chain(labeler: ImageLabeler) -> Callable[[EncodedImage, Mask, list[Click]], Mask]:
    """All clicks of an object, the first one included, in one request."""

    def answer(image: EncodedImage, mask: Mask, clicks: list[Click]) -> Mask:
        return _clean(labeler, image, labeler.segment(image, to_prompt(clicks))[0], clicks)

    return answer


def answer_on_page(labeler: ImageLabeler) -> Answer:
    """Each click corrects the mask on the page, and its answer is accepted before the next."""

    def answer(image: EncodedImage, mask: Mask, clicks: list[Click]) -> Mask:
        return _clean(labeler, image, labeler.refine(image, to_prompt(clicks[-1:]), mask), clicks[-1:])

    return answer


def correct(
    answer: Answer,
    image: EncodedImage,
    truth: Mask,
    start: Mask,
    clicks: list[Click],
    seed: int | None,
    *,
    with_polygons: bool = True,
) -> Course:
    """Correct a mask up to `STEPS` times.

    Args:
        clicks: The clicks that made the mask; [] for one on the page.
        seed: Of the pixel of the wrong part that is clicked; None for its middle.
        with_polygons: Whether to record what holds in the polygon.
    """
    mask, course, on_page = start, Course([mask_iou(start, truth)]), not clicks
    rng = None if seed is None else np.random.default_rng(seed)
    for _ in range(STEPS):
        wrong = largest_wrong_part(mask, truth)
        if wrong is not None:
            part, label = wrong
            clicks = [*clicks, (*_pick(part, rng), label)]
            corrected = answer(image, mask, clicks)
            if corrected is not None:
                said = clicks[-1:] if on_page else clicks
                _record(course, said, corrected, with_polygons=with_polygons)
                if not course.first_change:
                    changed = corrected ^ mask
                    course.first_change = (float(changed[part].mean()), float(changed.sum() / max(mask.sum(), 1)))
                mask = corrected
        course.ious.append(mask_iou(mask, truth))
    return course


def _record(course: Course, said: list[Click], corrected: Mask, *, with_polygons: bool) -> None:
    course.obeyed.append(obeys(corrected, said))
    if with_polygons:
        course.as_polygon.append(obeys(_as_polygon(corrected, said), said))


def obeys(mask: Mask, clicks: list[Click]) -> bool:
    """Whether the mask agrees with each click that counts."""
    pixels = [(pixel_of(click, mask.shape), click[2]) for click in clicks_that_count(clicks)]
    return all(mask[y, x] == bool(label) for (x, y), label in pixels)


def largest_wrong_part(mask: Mask, truth: Mask) -> tuple[Mask, int] | None:
    """Return the largest connected part that is missing (label 1) or surplus (label 0); None if there is none."""
    best, largest = None, 0
    for wrong, label in ((truth & ~mask, 1), (mask & ~truth, 0)):
        _, parts, stats, _ = cv2.connectedComponentsWithStats(wrong.view(np.uint8), connectivity=4)
        areas = stats[1:, cv2.CC_STAT_AREA]
        if len(areas) and areas.max() > largest:
            largest, best = int(areas.max()), (parts == 1 + int(areas.argmax()), label)
    return best


def paint(truth: Mask, seed: int) -> Mask:
    """Paint an object with a round brush as a hasty person does: nine tenths of it, and a little over the border."""
    rng = np.random.default_rng(seed)
    radius = max(2, round(float(np.sqrt(truth.sum()) * rng.uniform(0.12, 0.2))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(0.7 * radius) + 1,) * 2)
    inner = cv2.erode(truth.view(np.uint8), kernel, borderValue=0)
    rows, columns = np.nonzero(inner if inner.any() else truth)
    painted = np.zeros(truth.shape, np.uint8)
    for place in rng.integers(len(rows), size=400):
        cv2.circle(painted, (int(columns[place]), int(rows[place])), radius, 1, cv2.FILLED)
        if np.count_nonzero(painted[truth]) > 0.9 * truth.sum():
            break
    return painted > 0


def first_click(truth: Mask) -> Click:
    """Return a click on the middle of an object."""
    x, y = click_point(truth)
    return x + 0.5, y + 0.5, 1


def to_prompt(clicks: list[Click]) -> Prompt:
    return Prompt(tuple((x, y) for x, y, _ in clicks), tuple(label for _, _, label in clicks))


def _pick(part: Mask, rng: np.random.Generator | None) -> tuple[float, float]:
    if rng is None:
        x, y = click_point(part)
        return x + 0.5, y + 0.5
    rows, columns = np.nonzero(part)
    place = int(rng.integers(len(rows)))
    return float(columns[place]) + 0.5, float(rows[place]) + 0.5


def _clean(labeler: ImageLabeler, image: EncodedImage, candidate: Candidate, clicks: list[Click]) -> Mask:
    if isinstance(labeler, EarlierLabeler):  # which protected positive points only
        positive = [(x, y) for x, y, label in clicks if label and candidate.mask[int(y), int(x)]]
        return clean_mask(candidate.mask, speck_area(image.image.size), positive)
    return clean_candidate(candidate, image.image.size, [(x, y) for x, y, _ in clicks]).mask


def _as_polygon(mask: Mask, clicks: list[Click]) -> Mask:
    ring = mask_to_outline(mask, clicks=[(x, y) for x, y, _ in clicks]).ring
    values = build_value(mask, "polygon", tolerance=1.0, ring=ring)
    size = Size(mask.shape[1], mask.shape[0])
    return mask_from_value(values[0], "polygon", size) if values else np.zeros_like(mask)
