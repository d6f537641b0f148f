"""Evaluation of corrections straight after the tick: how much they help, and how often they are wrong.

    python -m scripts.demo_world.evaluate_last_answers [--scenes 60] [--first 40000] [--tuning]

Label Studio does not say whether an answer was accepted, nor who clicked. Simulated annotators therefore work on the
scenes of both renderers through the backend's predictor, with requests as Label Studio makes them:

- accepted: they accept the first answer and click into the middle of the largest part that it misses;
- rejected: they reject an answer whose IoU with their object is below 0.75 (the first click was on or up to 6 pixels
  beside it) and click into the middle of the object;
- two people: two of them open the same task at the same second, label its objects in an order of their own and correct
  each answer once after its tick. Each click or tick takes a second; Label Studio saves a draft 5 seconds after the
  first click, or never.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch

from backend.geometry import mask_iou
from backend.values import Mask
from scripts.demo_world.annotators import Annotator, Site, numbers
from scripts.demo_world.evaluate import RENDERERS
from scripts.demo_world.scenes import HELD_OUT_SEED, TUNING_SEED, Scene, click_point

UNSEEN = 40_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rules were chosen."""
REJECTED_IOU, MISSING_PIXELS, WORSE = 0.75, 30, 0.05
DRAFT_SECONDS = 5.0


def after_the_tick(site: Site, scene: Scene) -> Iterator[tuple[bool, float, float, float]]:
    """Yield whether a click straight after the tick corrected the accepted mask, and three IoUs with the object.

    They are those of the accepted answer, of the answer to the click, and of the answer without the memory.
    """
    for item in scene.objects:
        ious: list[float] = []
        is_correction = False
        for remembers in (True, False):
            person = Annotator(site, scene.size, next(numbers), remembers=remembers)
            first = person.click(click_point(item.mask))
            part = _largest_part(item.mask & ~first[1]) if first else None
            if first is None or part is None:
                break
            person.clear()
            second = person.click(click_point(part))
            is_correction |= bool(second and second[0] == first[0])
            ious.append(mask_iou(second[1], item.mask) if second else 0.0)
        if len(ious) == 2 and first:
            yield is_correction, mask_iou(first[1], item.mask), ious[0], ious[1]


def after_the_cross(site: Site, scene: Scene, rng: np.random.Generator) -> Iterator[tuple[bool, float, float]]:
    """Yield whether a click after a rejection was taken for a correction, its IoU, and that of a new mask there."""
    for item in scene.objects:
        around = cv2.dilate(item.mask.astype(np.uint8), np.ones((13, 13), np.uint8)).astype(bool)
        for where in (item.mask, around & ~item.mask):
            ys, xs = np.nonzero(where)
            if not len(ys):
                continue
            place = int(rng.integers(len(ys)))
            person = Annotator(site, scene.size, next(numbers))
            first = person.click((xs[place], ys[place]))
            if first is None or mask_iou(first[1], item.mask) >= REJECTED_IOU:
                continue
            person.clear()
            second = person.click(click_point(item.mask))
            fresh = Annotator(site, scene.size, next(numbers)).click(click_point(item.mask))
            if second and fresh:
                yield second[0] == first[0], mask_iou(second[1], item.mask), mask_iou(fresh[1], item.mask)


def two_people(site: Site, scene: Scene, rng: np.random.Generator, *, has_drafts: bool) -> tuple[int, int]:
    """Return the number of answers, and of those that have the id of the other person's mask."""
    task = next(numbers)
    people = [Annotator(site, scene.size, task, name) for name in ("one@example.com", "two@example.com")]
    works = [_label_all(person, scene, rng, has_drafts) for person in people]
    site.now += 1000
    answers = wrong = 0
    while works:
        site.now += 0.5
        for person, work in zip(list(people), list(works), strict=True):
            answer = next(work, None)
            if answer is None:
                people.remove(person)
                works.remove(work)
            elif answer:
                others = [other for other in people if other is not person]
                answers += 1
                wrong += any(answer in other.answered for other in others)
    return answers, wrong


def _label_all(person: Annotator, scene: Scene, rng: np.random.Generator, has_drafts: bool) -> Iterator[str]:
    """Label all objects; yield after each second the id of the answer that came, or ""."""
    seconds = itertools.count()

    def wait() -> str:
        if has_drafts and next(seconds) >= DRAFT_SECONDS:
            person.save_draft()
        return ""

    for place in rng.permutation(len(scene.objects)):
        mask = scene.objects[int(place)].mask
        first = person.click(click_point(mask))
        if first is None:
            person.clear()
            continue
        yield first[0]
        person.clear()
        yield wait()
        part = _largest_part(mask & ~first[1])
        if part is not None and (second := person.click(click_point(part))):
            yield second[0]
        person.clear()
        yield wait()


def _largest_part(mask: Mask) -> Mask | None:
    """Return the largest part of a mask; None if it is too small to be noticed."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if len(stats) < 2 or int(stats[1:, cv2.CC_STAT_AREA].max()) < MISSING_PIXELS:
        return None
    largest: Mask = parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return largest


def report(renderer: str, site: Site, seeds: Sequence[int]) -> None:
    """Print the figures of one renderer."""
    ticks, crosses, counts = [], [], {True: np.zeros(2, int), False: np.zeros(2, int)}
    for seed in seeds:
        scene, rng = RENDERERS[renderer](seed), np.random.default_rng(seed)
        site.fetcher.show(scene)
        ticks += list(after_the_tick(site, scene))
        crosses += list(after_the_cross(site, scene, rng))
        for has_drafts in (True, False):
            counts[has_drafts] += two_people(site, scene, rng, has_drafts=has_drafts)
    accepted, rejected = np.array(ticks, float), np.array(crosses, float)
    corrected = accepted[accepted[:, 0] == 1, 1:].mean(axis=0)
    used = rejected[rejected[:, 0] == 1]
    print(f"{renderer}, {len(seeds)} scenes")
    print(
        f"  accepted: {len(accepted)} clicks, {accepted[:, 0].mean():.0%} corrected the mask: IoU {corrected[0]:.3f} "
        f"before, {corrected[1]:.3f} after, {corrected[2]:.3f} of the new mask without the memory"
    )
    print(
        f"  rejected: {len(rejected)} clicks, {len(used)} taken for corrections; of these {_share(used, -WORSE)} worse "
        f"and {_share(used, WORSE)} better than a new mask by more than {WORSE}; "
        f"mean {used[:, 1].mean() if len(used) else 0:.3f} and {used[:, 2].mean() if len(used) else 0:.3f}"
    )
    for has_drafts, (answers, wrong) in counts.items():
        print(f"  two people, {'with' if has_drafts else 'without'} drafts: {wrong} of {answers} answers are wrong")


def _share(rows: np.ndarray, difference: float) -> int:
    gains = (rows[:, 1] - rows[:, 2]) * np.sign(difference)
    return int(np.count_nonzero(gains > abs(difference)))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--first", type=int, default=UNSEEN, help="offset of the first scene")
    parser.add_argument("--tuning", action="store_true", help="use the scenes for choosing rules")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    first = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first
    site = Site()
    for renderer in list(RENDERERS)[:1] if chosen.tuning else RENDERERS:
        report(renderer, site, range(first, first + chosen.scenes))


if __name__ == "__main__":
    main()
