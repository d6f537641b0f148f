from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from backend.engine import EncodedImage, ImageLabeler
from backend.errors import ClientDisconnected
from backend.images import SourceImage
from backend.models.checkpoints import load_into
from backend.models.registry import DEMO_SAM
from backend.models.sam.architectures import build_sam
from backend.models.sam.segmenter import SamSegmenter
from backend.runtime import Deadline
from backend.values import Candidate, ClassName, Prompt, ProposalOptions, Size
from scripts.demo_world.scenes import HELD_OUT_SEED, click_point, make_scene
from tests.fakes import FakeClassifier, FakeSegmenter, encoded, png

CLICK = Prompt(((20.0, 15.0),), (1,))


def make(classifier: FakeClassifier | None = None) -> tuple[ImageLabeler, FakeSegmenter]:
    segmenter = FakeSegmenter()
    return ImageLabeler(segmenter, classifier, top_k=1), segmenter


def test_all_three_candidates_of_a_click_are_there_for_the_asking() -> None:
    labeler, _ = make()
    image = encoded(png(40, 30))
    assert [c.score for c in labeler.segment(image, CLICK, max_masks=None)] == [0.9, 0.5, 0.3]
    assert [c.score for c in labeler.segment(image, CLICK)] == [0.9]


def test_a_second_click_corrects_the_answer_to_the_first() -> None:
    labeler, segmenter = make()
    image = encoded(png(40, 30))
    labeler.segment(image, Prompt(((20.0, 15.0), (5.0, 5.0), (9.0, 9.0)), (1, 0, 1)))
    asked = [
        (len(p.point_coords), None if p.mask_logits is None else p.mask_logits[0, 0, 0]) for p in segmenter.decoded
    ]
    assert asked == [(1, None), (2, 1), (3, 2)]  # the fake's logits count its calls


def test_a_correction_begins_with_the_logits_of_the_mask_on_the_page_alone() -> None:
    labeler, segmenter = make()
    image = encoded(png(40, 30))
    (answer,) = labeler.segment(image, CLICK)
    labeler.refine(image, Prompt(((5.0, 5.0),), (0,)), answer.mask)
    assert np.array_equal(segmenter.decoded[-1].mask_logits, segmenter.mask_to_logits(answer.mask))


def test_many_clicks_of_one_object_are_each_decoded_once() -> None:
    """More than Python's recursion limit."""
    labeler, segmenter = make()
    coords = tuple((1.0 + index / 100, 9.0) for index in range(1500))
    (found,) = labeler.segment(encoded(png(40, 30)), Prompt(coords, (1,) * len(coords)))
    assert found.mask.any()
    assert [len(prompt.point_coords) for prompt in segmenter.decoded] == [*range(1, 32), *[32] * 1469]
    last = segmenter.decoded[-1]
    assert last.point_coords == (coords[0], *coords[-31:])  # the first click and the newest
    assert last.mask_logits[0, 0, 0] == 1499  # the answer to all clicks before


def test_clicks_of_one_object_stop_between_two_runs_of_the_decoder_when_the_client_leaves() -> None:
    labeler, segmenter = make()
    coords = tuple((float(index), 9.0) for index in range(9))
    leaves_after_three = Deadline(has_disconnected=lambda: len(segmenter.decoded) == 3)
    with pytest.raises(ClientDisconnected):
        labeler.segment(encoded(png(40, 30)), Prompt(coords, (1,) * 9), deadline=leaves_after_three)
    assert len(segmenter.decoded) == 3


def test_the_next_click_of_an_object_costs_one_decode_and_gives_what_all_at_once_give() -> None:
    labeler, segmenter = make()
    image, other = encoded(png(40, 30)), encoded(png(40, 30, (90, 0, 0)))
    coords, labels = ((20.0, 15.0), (5.0, 5.0), (9.0, 9.0), (30.0, 9.0)), (1, 0, 1, 0)
    for count in (1, 2, 3, 4):
        labeler.segment(image, Prompt(coords[:count], labels[:count]))
        assert len(segmenter.decoded) == count
    asked = [None if p.mask_logits is None else p.mask_logits[0, 0, 0] for p in segmenter.decoded]
    assert asked == [None, 1, 2, 3]  # each corrects the answer before it; the fake's logits count its calls
    labeler.segment(image, Prompt(coords[:2], (1, 1)))  # the first click is known, this second one is another
    assert len(segmenter.decoded) == 5
    labeler.segment(other, Prompt(coords, labels))  # nothing is known of another image
    assert len(segmenter.decoded) == 9


def test_kept_answers_are_those_that_sam_gives_again() -> None:
    model = build_sam("demo")
    load_into(model, DEMO_SAM, "demo")
    scene = make_scene(HELD_OUT_SEED, Size(320, 240))
    data = io.BytesIO()
    Image.fromarray(scene.pixels).save(data, "PNG")
    segmenter, source = SamSegmenter(model, device="cpu"), SourceImage(data.getvalue())
    image = EncodedImage(source, segmenter.encode(source.pixels))
    first, second = (click_point(thing.mask) for thing in scene.objects[:2])
    coords, labels = (first, second, (first[0] + 3, first[1] + 2)), (1, 0, 1)
    kept = ImageLabeler(segmenter, None)
    for count in (1, 2, 3):
        clicks = Prompt(coords[:count], labels[:count])
        fresh = ImageLabeler(segmenter, None)
        one, all_at_once = kept.segment(image, clicks)[0], fresh.segment(image, clicks)[0]
        assert one.score == all_at_once.score and np.array_equal(one.mask, all_at_once.mask)


def test_clicks_that_begin_negative_are_asked_as_they_are() -> None:
    labeler, segmenter = make()
    prompt = Prompt(((20.0, 15.0), (5.0, 5.0)), (0, 1))
    labeler.segment(encoded(png(40, 30)), prompt)
    assert segmenter.decoded == [prompt] and not labeler.is_chain(prompt)


def test_each_click_with_a_box_corrects_the_answer_to_the_box_and_the_clicks_before_it() -> None:
    labeler, segmenter = make()
    image, coords, box = encoded(png(40, 30)), ((20.0, 15.0), (5.0, 5.0)), (0.0, 0.0, 30.0, 30.0)
    labeler.segment(image, Prompt(coords, (0, 1), box))
    asked = [
        (p.point_coords, p.box_xyxy, None if p.mask_logits is None else p.mask_logits.max()) for p in segmenter.decoded
    ]
    assert asked == [((), box, None), (coords[:1], box, 1), (coords, box, 2)]  # the fake's logits count its calls


def test_a_box_counts_like_a_first_click_for_answers_that_keep_the_object(monkeypatch) -> None:
    kept = []
    monkeypatch.setattr("backend.engine.image_labeler.revise_answer", lambda *_, keep_object: kept.append(keep_object))
    image, coords = encoded(png(40, 30)), ((20.0, 15.0), (5.0, 5.0), (9.0, 9.0))
    make()[0].segment(image, Prompt(coords, (1, 1, 1)))
    assert kept == [False, False, True]
    kept.clear()
    make()[0].segment(image, Prompt(coords, (1, 1, 1), (0.0, 0.0, 30.0, 30.0)))
    assert kept == [False, False, True, True]


def test_the_answer_to_a_box_is_kept_for_its_clicks_and_for_no_other_box() -> None:
    labeler, segmenter = make()
    image, box, other = encoded(png(40, 30)), (0.0, 0.0, 30.0, 30.0), (0.0, 0.0, 30.0, 29.0)
    counts = []
    for prompt in (
        Prompt(box_xyxy=box),
        Prompt(((5.0, 5.0),), (1,), box),
        Prompt(((5.0, 5.0),), (1,), other),
        Prompt(((5.0, 5.0), (9.0, 9.0)), (1, 1)),
    ):
        labeler.segment(image, prompt)
        counts.append(len(segmenter.decoded))
    assert counts == [1, 2, 4, 6]  # the box; the click; both for the other box; two clicks without a box


def test_the_next_larger_candidates_go_in_a_circle() -> None:
    labeler, _ = make()
    image = encoded(png(40, 30))
    areas = [int(labeler.segment_larger(image, CLICK, times).candidate.mask.sum()) for times in range(4)]
    assert areas == [25, 49, 9, 25]  # the fake's best is 5 x 5, then 7 x 7 and 3 x 3


def test_candidates_that_look_the_same_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    labeler, segmenter = make()
    image = encoded(png(40, 30))
    square, empty = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    square[:10, :10] = True
    nearly = square.copy()
    nearly[0, 0] = False
    candidates = [Candidate(mask, 0.5) for mask in (square, nearly, empty)]
    monkeypatch.setattr(segmenter, "decode", lambda *_, max_masks: candidates[:max_masks])
    assert labeler.segment_larger(image, CLICK, 1).candidate.mask is square


def test_a_correction_gives_sam_the_mask_and_a_point_deep_inside_it() -> None:
    labeler, segmenter = make()
    mask = np.zeros((30, 40), bool)
    mask[0:21, 0:21] = True
    asked = Prompt(((25.0, 10.0),), (1,), (0, 0, 40, 30))
    labeler.refine(encoded(png(40, 30)), asked, mask)
    (seen,) = segmenter.decoded
    assert (seen.point_coords, seen.point_labels, seen.box_xyxy) == (((10.5, 10.5), (25, 10)), (1, 1), None)
    assert seen.mask_logits is not None and (seen.mask_logits == 21 * 21).all()


def test_without_clip_every_mask_has_no_class() -> None:
    labeler, _ = make()
    image = encoded(png(40, 30))
    masks = [c.mask for c in labeler.propose(image, ProposalOptions(4, 0.5, 0.5, 10, 0.7))]
    assert labeler.classify(image.image, masks, [(ClassName("cat"),)]) == [[(), (), ()]]
    assert labeler.classify_image(image.image, (ClassName("cat"),)) == ()


def test_pixels_go_to_sam_for_crops_only(monkeypatch: pytest.MonkeyPatch) -> None:
    labeler, segmenter = make()
    given: list[object] = []
    monkeypatch.setattr(segmenter, "propose", lambda embedding, parameters, pixels=None: given.append(pixels) or [])
    image, whole = encoded(png(40, 30)), ProposalOptions(4, 0.5, 0.5, 10, 0.7)
    labeler.propose(image, whole)
    labeler.propose(image, replace(whole, crop_n_layers=1))
    assert given[0] is None and given[1] is image.image.pixels


def test_no_mask_asks_clip_nothing() -> None:
    classifier = FakeClassifier()
    labeler, _ = make(classifier)
    assert labeler.classify(encoded(png(40, 30)).image, [], [(ClassName("cat"),)]) == [[]]
    assert classifier.calls == []


def test_a_text_is_looked_for_among_the_labelers_own_automatic_masks() -> None:
    classifier = FakeClassifier(looks=["red car", "tree", "red car"])
    labeler, segmenter = make(classifier)
    image, options = encoded(png(40, 30)), ProposalOptions(10, 0.75, 0.75, 100, 0.7)
    proposed = labeler.propose(image, options)
    found = labeler.search_all(image, ["the red cars"], options, [ClassName("tree")], ("the {}",))
    assert [one.candidate.score for one in found] == [0.9, 0.9]
    assert all(np.array_equal(one.candidate.mask, proposed[i].mask) for one, i in zip(found, (0, 2), strict=True))
    assert set(classifier.templates) == {("the {}",)}
    assert len(segmenter.decoded) == 6
    labeler.search_all(image, ["tree"], replace(options, max_masks=1))
    assert len(segmenter.decoded) == 6  # how many are kept does not change how they are made
