"""Clicks hold in the shape as Label Studio gets it: brush, bitmask and polygon, read back from the answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backend.geometry import Click, clicks_that_count, pixel_of
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import encode_brush, parse_regions
from backend.projects import ProjectSettings
from backend.values import Mask
from tests.fakes import CONFIG, Hall, keypoint

KINDS = {"brush": "BrushLabels", "bitmask": "BitmaskLabels", "polygon": "PolygonLabels"}
WIDTH, HEIGHT = 40, 30
# never on a pixel's edge, from where the way over percent can lead into the next pixel
columns = st.integers(0, 4 * WIDTH - 1).map(lambda quarter: (quarter + 0.5) / 4)
rows = st.integers(0, 4 * HEIGHT - 1).map(lambda quarter: (quarter + 0.5) / 4)
click = st.tuples(columns, rows, st.integers(0, 1))
first = st.tuples(columns, rows, st.just(1))


def config_of(kind: str) -> str:
    return CONFIG.replace("BrushLabels", KINDS[kind])


def answer(kind: str, clicks: list[Click], draft: list[dict] | None = None) -> list[tuple[Mask, str]]:
    """Masks and ids of the answer's regions."""
    hall, xml = Hall(), config_of(kind)
    prompts = [keypoint(x / WIDTH * 100, y / HEIGHT * 100, positive=bool(label)) for x, y, label in clicks]
    document = {"id": 1, "data": {"photo": "a.png"}}
    if draft:
        document["drafts"] = [{"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": draft}]
    prediction = hall.task_document(document, xml, prompts, settings=ProjectSettings())
    regions = parse_regions(prediction["result"], parse_labeling_config(xml).images[0]) if prediction else ()
    return [(region.mask, region.region_id) for region in regions]


def holds(mask: Mask, clicks: list[Click]) -> bool:
    pixels = [(pixel_of(made, mask.shape), bool(made[2])) for made in clicks_that_count(clicks)]
    return all(mask[y, x] == inside for (x, y), inside in pixels)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=40)
@given(first, st.lists(click, min_size=1, max_size=4))
def test_every_click_from_the_second_on_holds_in_the_answer_as_sent(kind, begin, more) -> None:
    clicks = [begin, *more]
    assume(not _repeats(clicks))
    for mask, _ in answer(kind, clicks):
        assert holds(mask, clicks)


def _repeats(clicks: list[Click]) -> bool:
    """Whether it is the next candidate that is asked for: all positive, at nearly the same place."""
    (x, y, _), reach = clicks[0], 0.01 * np.hypot(WIDTH, HEIGHT)
    return all(label and np.hypot(x - ax, y - ay) <= reach for ax, ay, label in clicks)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=40)
@given(st.integers(10, 29), st.integers(8, 21), st.integers(0, 1), st.integers(3, 12))
def test_a_click_on_a_mask_of_the_page_holds_in_the_corrected_one(kind, x, y, label, side) -> None:
    body = np.zeros((HEIGHT, WIDTH), bool)
    body[y - side // 2 : y + side, x - side // 2 : x + side] = True
    saved = {
        "id": "saved", "type": "brushlabels", "from_name": "b", "to_name": "img", "origin": "manual",
        "original_width": WIDTH, "original_height": HEIGHT,
        "value": {"format": "rle", "rle": encode_brush(body), "brushlabels": ["cat"]},
    }  # fmt: skip
    made = (x + 0.25, y + 0.75, label)
    ((mask, region_id),) = answer(kind, [made], [saved])
    assert region_id == "saved" and holds(mask, [made])
