"""Corrections of a remembered answer continue its clicks; through the predictor, on fakes and the demo SAM."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import decode_brush, encode_brush, parse_regions
from backend.models.checkpoints import load_into
from backend.models.registry import DEMO_SAM
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.predict import LastAnswers
from backend.predict.last_answers import ANSWER_TTL_SECONDS
from backend.projects import ProjectSettings
from backend.values import Mask, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene
from tests.fakes import CONFIG, FakeSegmenter, Hall, png, rectangle
from tests.predict.test_click_on_nothing import AWAY, IMAGE, Places, candidate
from tests.predict.test_recent_masks import BESIDE, INSIDE, Clock, Documents, Person, accepted, make_hall, wait_until

CLICK, CORRECTION = (20.0, 15.0), (24.5, 15.0)  # of INSIDE and BESIDE, in pixels


@pytest.fixture(autouse=True)
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake SAM is always sure of another object; here it is not."""
    monkeypatch.setattr("backend.predict.clicks.OTHER_SCORE", 1.0)


def asked(person: Person) -> tuple[tuple[tuple[float, float], ...], tuple[int, ...]]:
    """The points of the last prompt that SAM got."""
    prompt = person.hall.segmenter.decoded[-1]
    return tuple((round(x, 6), round(y, 6)) for x, y in prompt.point_coords), prompt.point_labels


def corrects_the_page(person: Person) -> bool:
    """Whether SAM was last asked to correct a mask, whose area the fake writes into smaller logits than its own."""
    logits = person.hall.segmenter.decoded[-1].mask_logits
    return logits is not None and logits.shape == (1, 2, 2)


def test_a_click_straight_after_the_tick_continues_the_clicks_of_the_answer() -> None:
    person, region = accepted()
    assert person.click(BESIDE) == region
    assert asked(person) == ((CLICK, CORRECTION), (1, 1))
    assert person.hall.segmenter.decoded[-1].mask_logits[0, 0, 0] == 1  # SAM's first answer


def test_so_does_a_row_of_corrections_each_with_its_own_tick() -> None:
    person, region = accepted()
    for at, positive in ((BESIDE, True), (INSIDE, False), ((100 * 21.5 / 40, 50), False)):
        assert person.click(at, positive=positive) == region
        person.accept()
    assert asked(person) == ((CLICK, CORRECTION, CLICK, (21.5, 15.0)), (1, 1, 0, 0))


def test_further_clicks_before_the_next_tick_are_added_once() -> None:
    person, region = accepted()
    person.click(BESIDE)
    assert person.click(INSIDE, positive=False) == region
    assert asked(person) == ((CLICK, CORRECTION, CLICK), (1, 1, 0))


def test_an_answer_that_a_draft_shows_as_it_was_sent_is_continued_too() -> None:
    person, region = accepted()
    person.autosave()
    assert person.click(BESIDE) == region
    assert asked(person) == ((CLICK, CORRECTION), (1, 1))


def test_a_mask_of_which_one_pixel_differs_is_corrected_as_it_is_on_the_page() -> None:
    person, region = accepted()
    mask = decode_brush(person.regions[0]["value"]["rle"], Size(40, 30))
    mask[17, 22] = False
    value = person.regions[0]["value"] | {"rle": encode_brush(mask)}
    person.regions = [person.regions[0] | {"value": value}, *person.regions[1:]]
    person.autosave()
    assert person.click(BESIDE) == region
    assert corrects_the_page(person) and person.corrected_area() == 24


def test_a_mask_that_was_painted_on_is_corrected_as_it_is_on_the_page_even_if_no_pixel_differs() -> None:
    person, region = accepted()
    stroke = {"type": "add", "relativePoints": [50.0, 50.0, 51.0, 50.0], "relativeStrokeWidth": 2.5}
    value = person.regions[0]["value"] | {"touches": [stroke]}
    person.regions = [person.regions[0] | {"value": value}, *person.regions[1:]]
    person.autosave()
    assert person.click(BESIDE) == region
    assert corrects_the_page(person)


@pytest.mark.parametrize(("seconds", "is_page"), [(ANSWER_TTL_SECONDS - 1, False), (ANSWER_TTL_SECONDS + 1, True)])
def test_after_a_minute_the_mask_on_the_page_is_corrected(seconds: float, is_page: bool) -> None:
    clock = Clock()
    person, region = accepted(make_hall(clock))
    person.autosave()
    clock.now += seconds
    assert person.click(BESIDE) == region
    assert corrects_the_page(person) is is_page


def test_sams_larger_candidate_is_corrected_as_it_is_on_the_page() -> None:
    person = Person(make_hall())
    person.click(INSIDE)
    region = person.click(INSIDE)
    person.accept()
    assert person.click((100 * 24.5 / 40, 50)) == region
    assert corrects_the_page(person) and person.corrected_area() == 7 * 7


def test_a_family_that_does_not_refine_by_logits_corrects_the_mask_on_the_page(monkeypatch) -> None:
    monkeypatch.setattr(FakeSegmenter, "refines_by_logits", False)
    person, region = accepted()
    assert person.click(BESIDE) == region
    assert corrects_the_page(person)


def test_a_project_that_switched_the_memory_off_corrects_the_mask_on_the_page() -> None:
    person, region = accepted(settings=ProjectSettings(correct_last=False))
    person.autosave()
    assert person.click(BESIDE) == region
    assert corrects_the_page(person)


def test_another_replica_continues_the_clicks() -> None:
    shared, clock = Documents(), Clock()
    person, region = accepted(make_hall(clock, shared))
    wait_until(lambda: shared)
    person.hall = make_hall(clock, shared)
    assert person.click(BESIDE) == region
    assert asked(person) == ((CLICK, CORRECTION), (1, 1))


def test_each_of_several_boxes_is_continued_with_its_own() -> None:
    person = Person(make_hall())
    person.prompts = [rectangle(10, 10, 20, 20) | {"id": "a"}, rectangle(50, 50, 20, 20) | {"id": "b"}]
    person.ask(person.prompts)
    person.accept()
    person.autosave()
    person.click((60, 60), positive=False)
    prompt = person.hall.segmenter.decoded[-1]
    assert prompt.box_xyxy == (20.0, 15.0, 28.0, 21.0) and prompt.point_labels == (0,)
    assert not corrects_the_page(person) and prompt.mask_logits is not None


def test_another_object_beside_a_mask_is_continued_with_its_own_click(monkeypatch) -> None:
    monkeypatch.setattr("backend.predict.clicks.OTHER_SCORE", 0.5)
    person, region = accepted()
    at = (100 * 25.5 / 40, 50)
    other = person.click(at)
    person.accept()
    person.autosave()
    assert person.click(at, positive=False) == other != region
    assert asked(person) == (((25.5, 15.0), (25.5, 15.0)), (1, 0))


def test_a_click_that_was_answered_from_a_place_beside_it_is_continued_from_that_place() -> None:
    segmenter = Places(candidate(0.9, AWAY), {(65, 48): candidate(0.9)})
    clock = LastAnswers(clock=Clock())
    hall = Hall(segmenter=segmenter, files={"a.png": IMAGE.getvalue()}, last_answers=clock, min_score=0.5)
    person = Person(hall, size=(160, 120))
    region = click(person, (65, 60), 1, edge=0.0)
    person.accept()
    segmenter.asked.clear()
    assert click(person, (50, 45), 0, edge=0.0) == region
    assert segmenter.asked == [(65, 48)]  # with the negative click; the place alone is known


def test_clicks_before_the_tick_hold_in_later_answers_as_small_as_they_are() -> None:
    hall = Hall(files={"a.png": png(400, 300)}, last_answers=LastAnswers(clock=Clock()))
    person, size = Person(hall, size=(400, 300)), {"original_width": 400, "original_height": 300}
    person.prompts = [rectangle(20, 20, 60, 60) | {"id": "box"} | size]
    region = person.ask(person.prompts)
    for pixel in ((150, 150), (250, 150)):
        person.accept()
        assert click(person, pixel, 0) == region
    mask = mask_of(person)
    assert not mask[150, 150] and not mask[150, 250] and mask[150, 200]


@pytest.fixture(scope="module")
def demo() -> SamSegmenter:
    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    return SamSegmenter(model, device="cpu")


def begin(demo: SamSegmenter, pixels: np.ndarray, config: str) -> Person:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    hall = Hall(segmenter=demo, files={"a.png": file.getvalue()}, last_answers=LastAnswers(clock=Clock()))
    return Person(hall, size=(pixels.shape[1], pixels.shape[0]), config=config)


@pytest.mark.parametrize("shape", ["BrushLabels", "PolygonLabels"])
def test_clicks_with_a_tick_after_each_give_what_they_give_in_one_request(demo: SamSegmenter, shape: str) -> None:
    scene, config = make_scene(HELD_OUT_SEED + 50_000), CONFIG.replace("BrushLabels", shape)
    for item in scene.objects[:3]:
        ticked, together = begin(demo, scene.pixels, config), begin(demo, scene.pixels, config)
        x, y = map(int, click_point(item.mask))
        region = click(ticked, (x, y), 1)
        click(together, (x, y), 1)
        for side in ("left", "top"):
            taken = border_pixel(mask_of(ticked), side)
            ticked.accept()
            ticked.autosave()
            assert click(ticked, taken, 0) == region
            click(together, taken, 0)
            assert ticked.answer[0]["value"] == together.answer[0]["value"]
            mask = mask_of(ticked)
            assert mask[y, x] and not mask[taken[1], taken[0]]


def click(person: Person, pixel: tuple[int, int], label: int, *, edge: float = 0.5) -> str:
    at = (pixel[0] + edge) / person.size[0] * 100, (pixel[1] + edge) / person.size[1] * 100
    return person.click(at, positive=label == 1)


def mask_of(person: Person) -> Mask:
    return parse_regions(person.answer, parse_labeling_config(person.config).images[0])[0].mask


def border_pixel(mask: Mask, side: str) -> tuple[int, int]:
    """A pixel of the mask three pixels from its end at a side."""
    rows, columns = np.nonzero(mask)
    place = int(np.argmin(columns if side == "left" else rows))
    x, y = int(columns[place]), int(rows[place])
    return (x + 3, y) if side == "left" else (x, y + 3)
