"""From the second click on, and where a mask is corrected, the demo SAM's answers agree with every click."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.engine import EncodedImage, ImageLabeler
from backend.engine.forced_clicks import keep_elsewhere, revise_answer, revise_by_clicks
from backend.geometry import Click, clicks_that_count, mask_iou, pixel_of
from backend.images import SourceImage
from backend.models.checkpoints import load_into
from backend.models.registry import DEMO_SAM
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Candidate, Mask, Prompt, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, Scene, click_point, make_scene
from tests.fakes import FakeSegmenter, encoded, png


@pytest.fixture(scope="module")
def segmenter() -> SamSegmenter:
    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    return SamSegmenter(model, device="cpu")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(HELD_OUT_SEED + 51_000, Size(400, 300))


@pytest.fixture(scope="module")
def image(segmenter: SamSegmenter, scene: Scene) -> EncodedImage:
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "PNG")
    source = SourceImage(file.getvalue())
    return EncodedImage(source, segmenter.encode(source.pixels))


def prompt_of(clicks: list[Click], **more: object) -> Prompt:
    return Prompt(tuple((x, y) for x, y, _ in clicks), tuple(label for _, _, label in clicks), **more)


def holds(mask: Mask, clicks: list[Click]) -> bool:
    pixels = [(pixel_of(click, mask.shape), bool(click[2])) for click in clicks_that_count(clicks)]
    return all(mask[y, x] == inside for (x, y), inside in pixels)


def random_clicks(rng: np.random.Generator, count: int) -> list[Click]:
    return [(float(rng.uniform(0, 400)), float(rng.uniform(0, 300)), int(rng.integers(2))) for _ in range(count)]


def test_every_click_of_a_sequence_holds_wherever_it_is(segmenter, scene, image) -> None:
    rng, disobeyed = np.random.default_rng(0), 0
    for item in scene.objects:
        clicks = [(*click_point(item.mask), 1), *random_clicks(rng, 5)]
        for count in range(2, len(clicks) + 1):
            (found,) = ImageLabeler(segmenter, None).segment(image, prompt_of(clicks[:count]))
            assert holds(found.mask, clicks[:count])
        alone = segmenter.decode(image.embedding, prompt_of(clicks), max_masks=1)[0]
        disobeyed += not holds(alone.mask, clicks)
    assert disobeyed, "SAM alone would have obeyed all of them"


def test_every_click_on_a_corrected_mask_holds(segmenter, scene, image) -> None:
    rng, labeler = np.random.default_rng(1), ImageLabeler(segmenter, None)
    for item in scene.objects:
        clicks = random_clicks(rng, int(rng.integers(1, 4)))
        assert holds(labeler.refine(image, prompt_of(clicks), item.mask).mask, clicks)


@pytest.mark.parametrize("kinds", [(1, 0), (0, 1), (0, 0)])
def test_a_box_and_points_hold_and_so_does_a_list_that_begins_negative(segmenter, image, kinds) -> None:
    clicks = [(60.0, 50.0, kinds[0]), (64.0, 50.0, kinds[1])]
    labeler = ImageLabeler(segmenter, None)
    for asked in (prompt_of(clicks), prompt_of(clicks, box_xyxy=(20.0, 20.0, 380.0, 280.0))):
        assert holds(labeler.segment(image, asked)[0].mask, clicks)
    for x, y, label in clicks:
        boxed = Prompt(((x, y),), (label,), (20.0, 20.0, 380.0, 280.0))
        assert holds(labeler.segment(image, boxed)[0].mask, [(x, y, label)])


def test_the_first_click_and_a_box_alone_are_answered_by_sam_alone(segmenter, scene, image) -> None:
    labeler = ImageLabeler(segmenter, None)
    for item in scene.objects:
        for asked in (Prompt((click_point(item.mask),), (1,)), Prompt(box_xyxy=(10.0, 10.0, 90.0, 80.0))):
            for found, own in zip(
                labeler.segment(image, asked, max_masks=None), segmenter.decode(image.embedding, asked), strict=True
            ):
                assert np.array_equal(found.mask, own.mask) and found.score == own.score
                assert np.array_equal(found.low_res_logits, own.low_res_logits)


def test_a_later_click_wins_within_two_pixels(segmenter, image) -> None:
    clicks = [(100.5, 80.5, 1), (101.5, 81.5, 0), (102.5, 80.5, 1)]
    mask = ImageLabeler(segmenter, None).segment(image, prompt_of(clicks))[0].mask
    assert mask[80, 102] and mask[80, 100]
    mask = ImageLabeler(segmenter, None).segment(image, prompt_of(clicks[:2]))[0].mask
    assert not mask[81, 101]


def test_the_corrected_mask_grows_around_the_click_and_not_all_over_the_image(segmenter, image) -> None:
    square = np.zeros((300, 400), bool)
    square[100:160, 100:160] = True
    (x, y) = (166.0, 130.0)
    refined = ImageLabeler(segmenter, None).refine(image, Prompt(((x, y),), (1,)), square).mask
    alone = segmenter.decode(
        image.embedding, ImageLabeler(segmenter, None).correction_prompt(Prompt(((x, y),), (1,)), square), max_masks=1
    )[0].mask
    assert refined[130, 166]
    assert np.count_nonzero(refined & ~alone & ~square) <= 0.5 * square.sum()


def test_a_good_mask_on_the_page_changes_at_the_clicks_only(segmenter, scene, image) -> None:
    labeler, far_changes = ImageLabeler(segmenter, None), 0
    for item in scene.objects:
        x, y = click_point(item.mask)
        asked = Prompt(((x, y),), (0,))
        refined = labeler.refine(image, asked, item.mask).mask
        if mask_iou(refined, item.mask) < 0.92:
            continue  # so much was taken away that the whole answer counts
        assert not refined[int(y), int(x)] and not (refined & ~item.mask).any()
        count, parts = cv2.connectedComponents((item.mask & ~refined).astype(np.uint8))
        assert count == 2 and parts[int(y), int(x)]
        alone = segmenter.decode(image.embedding, labeler.correction_prompt(asked, item.mask), max_masks=1)[0].mask
        far_changes += int(np.count_nonzero((alone != item.mask) & (refined == item.mask)))
    assert far_changes, "SAM would not have changed anything else"


@pytest.mark.parametrize(("columns", "takes_all"), [(1, False), (5, True), (11, False)])
def test_all_of_an_answer_counts_only_where_it_draws_the_same_object_anew(columns: int, takes_all: bool) -> None:
    """Of 40 columns the answer takes some away at the click and one at the other side: an IoU of .95, .85 or .70."""
    page = np.zeros((60, 60), bool)
    page[10:50, 10:50] = True
    answer = page.copy()
    answer[:, 10] = False
    answer[:, 50 - columns :] = False
    kept = keep_elsewhere(Candidate(answer, 0.9), page, [(49.5, 30.5, 0)]).mask
    assert not kept[10:50, 50 - columns :].any() and kept[10:50, 11 : 50 - columns].all()
    assert kept[10:50, 10].any() != takes_all


class WithoutLogits(FakeSegmenter):
    """A model that was not trained on sequences of clicks, and answers without logits."""

    refines_by_logits = False

    def decode(self, *args: object, **options: object) -> list[Candidate]:
        assert "revise" not in options
        return [Candidate(candidate.mask, candidate.score) for candidate in super().decode(*args, **options)]


def test_clicks_hold_in_a_family_without_logits_too() -> None:
    clicks = [(10.5, 10.5, 1), (30.5, 20.5, 1), (10.5, 12.5, 0)]
    labeler, page = ImageLabeler(WithoutLogits(), None), encoded(png(40, 30))
    assert holds(labeler.segment(page, prompt_of(clicks))[0].mask, clicks)
    everything = np.ones((30, 40), bool)
    assert holds(labeler.refine(page, prompt_of(clicks), everything).mask, clicks)


def test_sam_changes_an_earlier_answer_where_it_is_sure_by_more_than_half_a_logit() -> None:
    before, new = np.full((1, 8, 8), 4.0, np.float32), np.full((8, 8), 3.0, np.float32)
    new[:2], new[2:4] = -0.6, -0.4
    revise = revise_by_clicks([(6.0, 6.0, 1)], before)  # which holds already
    assert revise is not None
    assert (revise(new, (1.0, 1.0)) > 0).sum(axis=1).tolist() == [0, 0, 8, 8, 8, 8, 8, 8]


class ByNumberOfClicks(FakeSegmenter):
    """A model that knows what it answers to one, two and three clicks, with a logit for each pixel."""

    def __init__(self, *answers: tuple[slice, slice]) -> None:
        super().__init__()
        self._answers = answers

    def decode(self, embedding: object, prompt: Prompt, *, revise=None, **_: object) -> list[Candidate]:
        logits = np.full((40, 40), -4.0, np.float32)
        logits[self._answers[len(prompt.point_coords) - 1]] = 4.0
        logits = logits if revise is None else revise(logits, (1.0, 1.0))
        return [Candidate(logits > 0, 0.9, logits[None])]


@pytest.mark.parametrize(("third", "takes_all"), [(np.s_[25:32, 10:20], False), (np.s_[5:27, 5:34], True)])
def test_from_the_third_click_on_an_answer_that_is_another_object_counts_at_the_click_only(
    third: tuple[slice, slice], takes_all: bool
) -> None:
    """The third answer either has none of the mask left, or all of it but a column (an IoU of .89)."""
    small, large = np.s_[5:25, 5:25], np.s_[5:25, 5:35]
    labeler, page = ImageLabeler(ByNumberOfClicks(small, large, third), None), encoded(png(40, 40))
    clicks = [(15.5, 15.5, 1), (30.5, 15.5, 1), (15.5, 26.5, 1)]
    answers = [labeler.segment(page, prompt_of(clicks[:count]))[0].mask for count in (1, 2, 3)]
    expected = [np.zeros((40, 40), bool) for _ in range(3)]
    expected[0][small] = expected[1][large] = expected[2][third] = True  # the second may be another object
    assert np.array_equal(answers[0], expected[0]) and np.array_equal(answers[1], expected[1])
    assert np.array_equal(answers[2], expected[2] if takes_all else expected[1] | expected[2])


@pytest.mark.parametrize(
    ("unsure", "far", "takes_all"),
    [(5, 3, True), (6, 3, False), (6, 4, True)],
)
def test_an_answer_that_sam_has_become_less_sure_of_counts_at_the_click_only(
    unsure: int, far: int, takes_all: bool
) -> None:
    """A column of 12 cells is added to 180 cells at the click, and 3 or 4 cells far from it: an IoU of .923 or .918.

    5 or 6 of the 195 or 196 cells are no longer above 1: .026 or .031 of them.
    """
    before, new = np.full((1, 20, 30), -4.0, np.float32), np.full((20, 30), -4.0, np.float32)
    before[0, 4:16, 5:20] = 4.0
    new[4:16, 5:21] = new[3, 5 : 5 + far] = 4.0
    new[15, 5 : 5 + unsure] = 0.9
    revise = revise_answer([(12.0, 10.0, 1), (20.5, 10.0, 1)], before, keep_object=False)
    assert revise is not None
    mask = revise(new, (1.0, 1.0)) > 0
    assert mask[4:16, 5:21].all()
    assert mask[3, 5 : 5 + far].tolist() == [takes_all] * far


def test_a_rough_mask_gets_no_part_of_the_answer_that_is_apart_from_it_unless_it_was_clicked() -> None:
    page = np.zeros((100, 100), bool)
    page[20:60, 20:60] = True
    answer = page.copy()
    answer[20:24, 20:60] = False
    answer[80:86, 20:30] = True  # a piece of something else
    assert 0.8 < mask_iou(answer, page) < 0.92
    kept = keep_elsewhere(Candidate(answer, 0.9), page, [(30.5, 21.5, 0)]).mask
    assert not kept[70:].any() and np.array_equal(kept[:70], answer[:70])
    assert np.array_equal(keep_elsewhere(Candidate(answer, 0.9), page, [(25.5, 82.5, 1)]).mask, answer)
