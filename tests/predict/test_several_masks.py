"""Several masks wait for the tick, and a background click takes a part from one: the others stay on the page.

Label Studio replaces all suggestions by each answer, so that the answer must have the others, too. Through the
predictor, on fakes, where each box is its own mask.
"""

from __future__ import annotations

import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.predict import document_to_keep
from backend.predict.last_answers import ANSWER_TTL_SECONDS
from backend.predict.refused_click import RefusedClick
from backend.projects import ProjectSettings
from backend.values import Mask
from tests.fakes import CONFIG, keypoint, rectangle
from tests.predict.test_recent_masks import IDS, Clock, Person, make_hall

LEFT, RIGHT = (10, 20, 20, 40), (60, 20, 20, 40)  # boxes in percent of 40x30 pixels: x, y, width, height
IN_LEFT, IN_RIGHT, IN_NEITHER = (20, 40), (70, 40), (45, 90)  # the first two are the pixels (8, 12) and (28, 12)


class Annotator(Person):
    """A person who draws boxes, too. Label Studio sends either boxes or points, those with one label at a time."""

    def draw(self, box: tuple[float, float, float, float], label: str = "cat") -> dict[str, Mask]:
        """Draw a box; returns the suggestions by their ids."""
        self.prompts.append(rectangle(*box, label) | {"id": next(IDS)})
        return self.ask_with("rectanglelabels", label)

    def take_away(self, at: tuple[float, float], label: str = "cat") -> dict[str, Mask]:
        """Make a background click; returns the suggestions by their ids."""
        self.prompts.append(keypoint(*at, label, positive=False) | {"id": next(IDS)})
        return self.ask_with("keypointlabels", label)

    def ask_with(self, kind: str, label: str) -> dict[str, Mask]:
        self.ask([one for one in self.prompts if one["type"] == kind and one["value"][kind] == [label]])
        regions = parse_regions(self.answer, parse_labeling_config(CONFIG).images[0])
        assert len(regions) == len({region.region_id for region in regions})
        return {region.region_id: region.mask for region in regions}


def with_two_boxes(clock: Clock | None = None, **more: object) -> tuple[Annotator, dict[str, Mask]]:
    """Somebody before whom the masks of two boxes wait for the tick."""
    annotator = Annotator(make_hall(clock), **more)  # type: ignore[arg-type]
    annotator.draw(LEFT)
    return annotator, annotator.draw(RIGHT)


@pytest.mark.parametrize("is_saved", [False, True], ids=["at once", "once the page is saved"])
def test_a_part_is_taken_from_one_mask_and_the_other_stays_as_it_is(is_saved: bool) -> None:
    annotator, before = with_two_boxes()
    if is_saved:
        annotator.autosave()
    left, right = before
    after = annotator.take_away(IN_LEFT)
    assert list(after) == [left, right]
    assert before[left][12, 8] and not after[left][12, 8]
    assert (after[right] == before[right]).all()


def test_parts_are_taken_from_one_mask_after_the_other() -> None:
    annotator, before = with_two_boxes()
    left, right = before
    for at in (IN_LEFT, IN_RIGHT, (12.5, 40)):  # and from the first one again, at the pixel (5, 12)
        after = annotator.take_away(at)
        assert sorted(after) == sorted(before)
    assert not after[left][12, 8] and not after[left][12, 5] and not after[right][12, 28]


def test_the_tick_accepts_each_mask_once() -> None:
    annotator, before = with_two_boxes()
    annotator.take_away(IN_LEFT)
    annotator.accept()
    assert sorted({result["id"] for result in annotator.regions}) == sorted(before)


def test_a_mask_that_was_accepted_is_repeated_under_its_id_until_the_page_is_saved() -> None:
    """Until then nothing tells that it was accepted."""
    annotator, before = with_two_boxes()
    left, right = before
    annotator.accept()
    assert list(annotator.take_away(IN_LEFT)) == [left, right]
    annotator.accept()
    annotator.autosave()
    assert list(annotator.take_away(IN_RIGHT)) == [right]


def test_a_background_click_beside_all_masks_is_refused_and_takes_none_away() -> None:
    annotator, _ = with_two_boxes()
    answer = annotator.answer
    with pytest.raises(RefusedClick, match="No mask here") as refused:
        annotator.take_away(IN_NEITHER)
    assert (document_to_keep(refused.value) or {})["result"] == answer
    annotator.take_away(IN_LEFT)
    corrected = annotator.answer
    with pytest.raises(RefusedClick) as refused:
        annotator.take_away(IN_NEITHER)
    assert (document_to_keep(refused.value) or {})["result"] == corrected


def test_a_refusal_repeats_no_mask_that_was_saved_or_never_made() -> None:
    annotator, _ = with_two_boxes()
    annotator.accept()
    annotator.autosave()
    for person in (annotator, Annotator(make_hall())):
        with pytest.raises(BadPrompt) as refused:
            person.take_away(IN_NEITHER)
        assert document_to_keep(refused.value) is None


@pytest.mark.parametrize("why", ["too long ago", "switched off"])
def test_masks_that_are_not_remembered_are_made_anew_from_the_boxes_of_the_draft(why: str) -> None:
    clock = Clock()
    annotator, before = with_two_boxes(clock, settings=ProjectSettings(correct_last=why != "switched off"))
    annotator.autosave()
    clock.now += ANSWER_TTL_SECONDS + 1 if why == "too long ago" else 0
    after = annotator.take_away(IN_LEFT)
    assert len(after) == 2
    assert (list(after.values())[1] == list(before.values())[1]).all()


def test_a_new_object_brings_no_other_masks_back() -> None:
    """They may have been rejected."""
    annotator, before = with_two_boxes()
    annotator.reject()
    annotator.click(IN_NEITHER)
    assert not {result["id"] for result in annotator.answer} & before.keys()
