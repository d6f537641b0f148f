"""Several masks wait for the tick, and a click takes a part from one or asks for something else: the others stay.

Label Studio replaces all suggestions by each answer, so that the answer must have the others, too. Through the
predictor, on fakes, where each box is its own mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import parse_regions
from backend.predict import clicks, document_to_keep
from backend.predict.box_on_nothing import BoxOnNothing
from backend.predict.last_answers import ANSWER_TTL_SECONDS
from backend.predict.refused_click import RefusedClick
from backend.projects import ProjectSettings
from backend.values import Box, Candidate, ImageEmbedding, Mask, Prompt
from tests.fakes import CONFIG, FakeSegmenter, keypoint, rectangle
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

    def point(self, at: tuple[float, float], label: str = "cat") -> dict[str, Mask]:
        """Make a plain click; returns the suggestions by their ids."""
        self.prompts.append(keypoint(*at, label) | {"id": next(IDS)})
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


EMPTY_BOX = (85, 80, 10, 10)


@pytest.fixture
def _refuses_small_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(candidate: Candidate, box: Box, min_score: float) -> None:
        if box[0] >= 34:
            raise BoxOnNothing("No object here.", remedy="Draw it elsewhere.")

    monkeypatch.setattr(clicks, "check_box_answer", answer)


@pytest.mark.usefixtures("_refuses_small_boxes")
@pytest.mark.parametrize("is_saved", [False, True], ids=["at once", "once the page is saved"])
def test_a_box_on_nothing_after_the_tick_or_the_cross_brings_no_mask_back(is_saved: bool) -> None:
    """Label Studio sends all boxes that wait, so the others do not."""
    annotator, _ = with_two_boxes()
    if is_saved:
        annotator.autosave()
    annotator.prompts.clear()
    with pytest.raises(BadPrompt, match="No object here") as refusal:
        annotator.draw(EMPTY_BOX)
    assert not isinstance(refusal.value, RefusedClick)


@pytest.mark.usefixtures("_refuses_small_boxes")
def test_a_box_on_nothing_leaves_the_mask_of_a_point_that_waits() -> None:
    """Label Studio does not send points with boxes."""
    annotator = Annotator(make_hall())
    mask = annotator.point(IN_LEFT)
    with pytest.raises(RefusedClick) as refusal:
        annotator.draw(EMPTY_BOX)
    assert {result["id"] for result in refusal.value.results} == set(mask)
    annotator = Annotator(make_hall())
    annotator.point(IN_LEFT, "dog")
    with pytest.raises(BadPrompt) as other:  # the tick would give it the label of the box
        annotator.draw(EMPTY_BOX)
    assert not isinstance(other.value, RefusedClick)


@pytest.mark.usefixtures("_refuses_small_boxes")
def test_a_box_on_nothing_leaves_the_masks_of_the_boxes_beside_it() -> None:
    annotator, before = with_two_boxes()
    assert sorted(mask.sum() for mask in annotator.draw(EMPTY_BOX).values()) == sorted(m.sum() for m in before.values())


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


def test_a_mask_of_two_remembered_answers_is_repeated_once_as_it_was_answered_last() -> None:
    annotator, before = with_two_boxes()
    left, right = before
    annotator.accept()
    annotator.take_away(IN_LEFT)
    annotator.accept()
    after = annotator.take_away(IN_RIGHT)
    assert sorted(one["id"] for one in annotator.answer if one["type"] == "brushlabels") == sorted([left, right])
    assert not after[left][12, 8] and not after[right][12, 28]


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


def test_a_refusal_long_after_the_last_answer_makes_the_masks_of_the_boxes_anew_and_they_can_be_corrected() -> None:
    clock = Clock()
    annotator, before = with_two_boxes(clock)
    annotator.autosave()
    clock.now += ANSWER_TTL_SECONDS + 1
    with pytest.raises(RefusedClick, match="No mask here") as refused:
        annotator.take_away(IN_NEITHER)
    repeated = (document_to_keep(refused.value) or {})["result"]
    regions = parse_regions(repeated, parse_labeling_config(CONFIG).images[0])
    masks = list(before.values())
    assert [(region.mask == mask).all() for region, mask in zip(regions, masks, strict=True)] == [True, True]
    after = annotator.take_away(IN_LEFT)
    left, right = [region.region_id for region in regions]
    assert set(after) == {left, right}
    assert not after[left][12, 8] and (after[right] == masks[1]).all()


def test_a_refusal_makes_no_masks_of_boxes_that_were_accepted() -> None:
    clock = Clock()
    annotator, _ = with_two_boxes(clock)
    annotator.accept()
    annotator.autosave()
    clock.now += ANSWER_TTL_SECONDS + 1
    with pytest.raises(BadPrompt) as refused:
        annotator.take_away(IN_NEITHER)
    assert document_to_keep(refused.value) is None


OBJECT, NOTHING = (45, 10), (45, 90)  # the pixels (18, 3) and (18, 27), beside both boxes


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> ProjectSettings:
    """Settings with which clicks in the lower third of the image are refused: the fake SAM scores them 0."""
    original = FakeSegmenter.decode

    def decode(self: FakeSegmenter, embedding: ImageEmbedding, prompt: Prompt, **more: Any) -> list[Candidate]:
        found = original(self, embedding, prompt, **more)
        is_low = prompt.box_xyxy is None and prompt.mask_logits is None and prompt.point_coords[0][1] > 19
        return [replace(one, score=0.0) for one in found] if is_low else found

    monkeypatch.setattr(FakeSegmenter, "decode", decode)
    return ProjectSettings(min_score=0.5)


def refuse(annotator: Annotator, label: str = "cat") -> list[dict[str, Any]] | None:
    """Click on nothing; returns the results that the refusal repeats."""
    with pytest.raises(BadPrompt, match="No object here") as refused:
        annotator.point(NOTHING, label)
    document = document_to_keep(refused.value)
    return None if document is None else document["result"]


@pytest.mark.parametrize("is_saved", [False, True], ids=["at once", "once the page is saved"])
def test_a_click_on_nothing_is_refused_and_takes_no_mask_of_a_box_away(
    is_saved: bool, nothing: ProjectSettings
) -> None:
    annotator, _ = with_two_boxes(settings=nothing)
    if is_saved:
        annotator.autosave()
    answer = annotator.answer
    assert refuse(annotator) == answer
    annotator.prompts.pop()  # Ctrl+Z
    annotator.take_away(IN_LEFT)
    corrected = annotator.answer
    assert refuse(annotator) == corrected  # together with the point before


def test_points_on_nothing_do_not_hinder_the_parts_that_are_taken_and_the_objects_that_are_added(
    nothing: ProjectSettings,
) -> None:
    annotator, before = with_two_boxes(settings=nothing)
    left, right = before
    refuse(annotator)
    annotator.take_away(IN_LEFT)
    annotator.take_away(IN_RIGHT)
    with pytest.raises(RefusedClick, match="No mask here"):
        annotator.take_away(NOTHING)
    after = annotator.point(OBJECT)
    (new,) = after.keys() - before.keys()
    assert after.keys() == {left, right, new} and after[new][3, 18]
    assert not after[left][12, 8] and not after[right][12, 28]


def test_a_refused_click_repeats_no_mask_of_which_the_request_tells_that_it_does_not_wait(
    nothing: ProjectSettings,
) -> None:
    """A picked label goes to all suggestions with the tick; a point that is gone was ticked or crossed."""
    annotator, _ = with_two_boxes(settings=nothing)
    assert refuse(annotator, "dog") is None
    annotator.reject()
    annotator.autosave()
    assert refuse(annotator) is None
    other = Annotator(make_hall(), settings=nothing)
    other.point(OBJECT)
    other.reject()
    assert refuse(other) is None


def refuse_to_take_away(annotator: Annotator, label: str = "cat") -> list[dict[str, Any]] | None:
    """Make a background click beside all masks; returns the results that the refusal repeats."""
    with pytest.raises(BadPrompt, match="No mask here") as refused:
        annotator.take_away(IN_NEITHER, label)
    document = document_to_keep(refused.value)
    return None if document is None else document["result"]


@pytest.mark.parametrize("leave", [Annotator.reject, Annotator.accept])
def test_a_refused_background_click_repeats_no_mask_whose_point_is_gone(leave: Callable[[Annotator], None]) -> None:
    """The request has all points with its label. No draft is needed to tell that the mask was ticked or crossed."""
    annotator = Annotator(make_hall())
    annotator.point(OBJECT)
    leave(annotator)
    assert refuse_to_take_away(annotator) is None


def test_a_refused_background_click_repeats_the_mask_of_a_point_with_another_label() -> None:
    """Such points are not in the request, so the mask may wait."""
    annotator = Annotator(make_hall())
    annotator.point(OBJECT)
    answer = annotator.answer
    assert refuse_to_take_away(annotator, "dog") == answer


def test_undoing_a_point_that_took_a_part_loses_no_mask_of_a_box_at_a_refused_click() -> None:
    """Ctrl+Z sends nothing, and the masks stay on the page."""
    annotator, before = with_two_boxes()
    annotator.take_away(IN_LEFT)
    answer = annotator.answer
    annotator.prompts.pop()
    assert refuse_to_take_away(annotator) == answer
    assert {result["id"] for result in answer} == before.keys()


def test_a_new_object_leaves_the_masks_of_boxes_that_the_draft_shows() -> None:
    annotator, before = with_two_boxes()
    annotator.autosave()
    for at in (OBJECT, NOTHING):  # all points with one label count together
        new, *others = annotator.point(at).items()
        assert new[0] not in before and new[1][3, 18]
        assert [key for key, _ in others] == list(before)
        assert all((mask == before[key]).all() for key, mask in others)


def test_a_new_object_leaves_the_masks_from_which_a_part_was_taken_before() -> None:
    """The point that took it is in the request, which shows that they wait, without any draft."""
    annotator, before = with_two_boxes()
    left, right = before
    corrected = annotator.take_away(IN_LEFT)
    after = annotator.point(OBJECT)
    (new,) = after.keys() - before.keys()
    assert after[new][3, 18] and after.keys() == {left, right, new}
    assert (after[left] == corrected[left]).all() and (after[right] == before[right]).all()
    last = annotator.take_away(IN_RIGHT)  # after a positive point it is of the new object
    assert last.keys() - {left, right} and (last[right] == before[right]).all()


def test_a_point_near_the_mask_from_which_a_part_was_taken_corrects_it_and_makes_no_second_one() -> None:
    annotator, before = with_two_boxes()
    annotator.take_away(IN_LEFT)
    annotator.take_away(IN_RIGHT)
    after = annotator.point((7.5, 40))  # the pixel (3, 12), beside the left one
    assert sorted(after) == sorted(before)


def test_a_click_on_a_waiting_mask_makes_a_new_one_in_its_place() -> None:
    annotator, before = with_two_boxes()
    annotator.autosave()
    left, right = before
    after = annotator.point(IN_LEFT)
    assert right in after and left not in after and len(after) == 2


def test_masks_of_another_label_are_not_repeated_beside_a_new_object() -> None:
    """The tick would give them the picked label."""
    annotator, before = with_two_boxes()
    annotator.autosave()
    assert not annotator.point(OBJECT, "dog").keys() & before.keys()


def test_masks_that_the_draft_shows_as_ticked_or_crossed_are_not_repeated_beside_a_new_object() -> None:
    for leave in (Annotator.accept, Annotator.reject):
        annotator, before = with_two_boxes()
        annotator.autosave()
        leave(annotator)
        annotator.autosave()
        assert not annotator.point(OBJECT).keys() & before.keys()


def test_a_new_object_brings_no_other_masks_back() -> None:
    """They may have been rejected, and no draft shows them."""
    annotator, before = with_two_boxes()
    annotator.reject()
    annotator.click(IN_NEITHER)
    assert not {result["id"] for result in annotator.answer} & before.keys()
