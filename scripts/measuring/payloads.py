"""Clicks on a task with many finished regions, and the parsing of such a request."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import orjson

from backend.label_studio.results import encode_brush
from backend.values import Mask, Prompt
from scripts.demo_world.scenes import click_point
from scripts.measuring.clicks import build_click, parse_request
from scripts.measuring.place import MASKS_ONLY, Json, Picture, build_body
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, build_row, compare, time_ms

REGIONS = 200


def measure_payload(subject: Subject, picture: Picture, *, repeats: int) -> list[Row]:
    """Measure the same click on a task with 200 finished regions of its label, and the parsing of such a body.

    The regions are in the newest draft, where the click may correct any of them, and also in an annotation.
    """
    masks = _other_masks(subject, picture)
    regions = [_region(index, _without(masks[index % len(masks)], index)) for index in range(REGIONS)]
    full = build_body(picture, MASKS_ONLY, [{"id": 1, "result": regions}], [{"id": 2, "result": regions}])
    light, heavy = (orjson.dumps(body) for body in (build_body(picture, MASKS_ONLY), full))
    group, megabytes = f"A click, SAM {subject.name}", len(heavy) / 1e6
    few, many = (build_click(subject, body) for body in (light, heavy))
    light_ms = _p50(lambda: parse_request(light))
    first = build_row(
        group,
        f"the first click of all on a task with {REGIONS} regions",
        [time_ms(many)],
        peer="the same without regions",
        peer_ms=[_p50(few)],
        remark="each mask of the label is decoded once, on its first request, for its bounding box",
    )
    return [
        compare(
            group,
            f"warm click on a task with {REGIONS} regions of its label, once it is parsed",
            many,
            "the same without regions",
            few,
            repeats=repeats,
            aim=1 / 1.1,
        ),
        first,
        compare(
            group,
            f"parse that body ({megabytes:.1f} MB)",
            lambda: parse_request(heavy),
            "orjson.loads of it",
            lambda: orjson.loads(heavy),
            repeats=repeats,
            remark=f"a body without regions ({len(light) / 1e3:.1f} kB) takes {light_ms:.2f} ms",
        ),
    ]


def _p50(work: Callable[[], object]) -> float:
    return float(np.median([time_ms(work) for _ in range(9)]))


def _other_masks(subject: Subject, picture: Picture) -> list[Mask]:
    """Return SAM's masks of objects away from the click; if SAM finds none, the objects' true masks."""
    embedding = subject.segmenter.encode(picture.scene.pixels)
    points = [click_point(thing.mask) for thing in picture.scene.objects]
    away = [point for point in points if np.hypot(point[0] - picture.click[0], point[1] - picture.click[1]) > 1]
    masks = [subject.segmenter.decode(embedding, Prompt((point,), (1,)), max_masks=1)[0].mask for point in away]
    x, y = (int(value) for value in picture.click)
    clear = [
        mask for mask in masks if mask.any() and not mask[max(y - 150, 0) : y + 150, max(x - 150, 0) : x + 150].any()
    ]
    return clear or [thing.mask for thing in picture.scene.objects if not thing.mask[y, x]]


def _without(mask: Mask, number: int) -> Mask:
    """Return the mask without one of its pixels, so that no two are equal."""
    changed = mask.copy()
    changed.flat[np.flatnonzero(mask)[number]] = False
    return changed


def _region(index: int, mask: Mask) -> Json:
    height, width = mask.shape
    value = {"format": "rle", "rle": encode_brush(mask), "brushlabels": ["red"]}
    return {
        "id": f"region{index}",
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "value": value,
    }
