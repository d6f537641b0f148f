"""The simulated person who corrects masks: what is clicked, and what is recorded of the answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from backend.engine import ImageLabeler
from backend.geometry import Click
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Mask, Prompt
from scripts.demo_world.correction_bench import Bench
from scripts.demo_world.corrections import EarlierLabeler, correct, first_click, largest_wrong_part
from scripts.demo_world.evaluate import DEMO_SAM, load_demo_sam
from scripts.demo_world.scenes import TUNING_SEED
from scripts.demo_world.ticked_answers import answers_after_ticks

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


def test_a_click_that_corrects_nothing_leaves_the_mask_and_counts_for_no_correction() -> None:
    course = correct(lambda *_: None, None, TRUTH, START, [], None)
    assert course.ious == [364 / 440] * 4
    assert course.obeyed == [] and course.as_polygon == [] and course.first_change == ()


@pytest.mark.parametrize("by_box", [False, True])
def test_within_a_minute_of_an_answer_its_clicks_are_continued_and_later_the_mask_is_corrected(by_box: bool) -> None:
    bench = Bench("demo world", TUNING_SEED + 3)
    bench.automatic = False
    item, seen = next(bench.objects()), []
    original = bench.segmenter.decode
    bench.segmenter.decode = lambda *asked, **more: seen.append(asked[1]) or original(*asked, **more)
    begun = answers_after_ticks(bench.site, item, by_box=by_box)
    assert begun is not None
    start, ticked, later = begun
    inside = first_click(start)
    points = []
    for answer in (ticked, later):
        corrected = answer(item.image, start, [(*inside[:2], 0)])
        assert corrected is not None and not corrected[int(inside[1]), int(inside[0])]
        points.append((seen[-1].point_labels, seen[-1].box_xyxy is not None))
    assert points == [((0,) if by_box else (1, 0), by_box), ((1, 0), False)]
    assert np.array_equal(seen[-1].mask_logits, bench.segmenter.mask_to_logits(start))
    assert not np.array_equal(seen[-2].mask_logits, bench.segmenter.mask_to_logits(start))


def test_the_earlier_engine_can_run_with_other_weights(tmp_path: Path) -> None:
    weights = load_file(DEMO_SAM)
    weights["prompt_encoder.mask_downscaling.6.bias"] += 1
    save_file(weights, tmp_path / "earlier.safetensors")
    clicks = Prompt(((300.0, 200.0), (310.0, 210.0)), (1, 0))

    def answer(labeler: ImageLabeler, image: object) -> np.ndarray:
        return labeler.segment(image, clicks)[0].low_res_logits

    def alone(labeler: type[ImageLabeler], sam: Path, image: object) -> np.ndarray:
        return answer(labeler(SamSegmenter(load_demo_sam(sam), device="cpu"), None), image)

    bench = Bench("demo world", TUNING_SEED + 1, DEMO_SAM, tmp_path / "earlier.safetensors")
    bench.automatic = False
    item = next(bench.objects())
    earlier = answer(bench.earlier, item.earlier_image)
    assert np.array_equal(answer(bench.ours, item.image), alone(ImageLabeler, DEMO_SAM, item.image))
    assert np.array_equal(earlier, alone(EarlierLabeler, tmp_path / "earlier.safetensors", item.earlier_image))
    assert not np.array_equal(earlier, alone(EarlierLabeler, DEMO_SAM, item.earlier_image))
