"""What a click asks for: a new object, the same one larger, or a correction; through the predictor, on fakes."""

from __future__ import annotations

import logging
import math
import time

import numpy as np
import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import CorrectableRegion
from backend.label_studio.results import LabeledRegion, build_results, decode_brush, encode_brush
from backend.predict.clicks import count_repeats
from backend.predict.correctable_masks import distance_of_points
from backend.values import Candidate, Prompt, Size
from tests.fakes import CONFIG, FakeClassifier, Hall, keypoint, rectangle

CONFIG_OF_TASK = parse_labeling_config(CONFIG)


def saved(mask: np.ndarray, label: str = "cat", region_id: str = "saved", **more) -> dict:
    return {
        "id": region_id, "type": "brushlabels", "from_name": "b", "to_name": "img", "origin": "manual",
        "original_width": 40, "original_height": 30,
        "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": [label]},
    } | more  # fmt: skip


def block(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[top:bottom, left:right] = True
    return mask


def click(hall: Hall, *prompts: dict, regions: tuple[dict, ...] = ()) -> list[dict]:
    document = {"id": 1, "data": {"photo": "a.png"}}
    if regions:
        document["drafts"] = [{"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": list(regions)}]
    prediction = hall.task_document(document, CONFIG, list(prompts))
    return prediction["result"] if prediction else []


BODY = block(10, 10, 20, 20)  # a negative click at 12.5 %, 50 % of 40x30 is (5, 15), at 37.5 % it is (15, 15)


def test_a_click_on_a_mask_of_its_label_corrects_that_mask_under_its_id() -> None:
    hall = Hall()
    (result,) = click(hall, keypoint(37.5, 50, positive=False), regions=(saved(BODY),))
    assert (result["id"], result["value"]["brushlabels"]) == ("saved", ["cat"])
    (asked,) = hall.segmenter.decoded
    assert asked.point_coords[1:] == ((15, 15),) and asked.point_labels == (1, 0)
    anchor_x, anchor_y = asked.point_coords[0]
    assert BODY[int(anchor_y), int(anchor_x)] and math.dist(asked.point_coords[0], (15, 15)) >= 2
    assert asked.mask_logits is not None and asked.mask_logits.max() == 100  # the fake writes the mask's area


def test_a_click_away_from_every_mask_starts_a_new_one() -> None:
    hall = Hall()
    (result,) = click(hall, keypoint(90, 90), regions=(saved(BODY),))
    assert result["id"] != "saved"
    assert hall.segmenter.decoded == [Prompt(((36, 27),), (1,))]


def test_a_click_with_another_label_starts_a_new_mask() -> None:
    hall = Hall()
    (result,) = click(hall, keypoint(37.5, 50, "dog"), regions=(saved(BODY),))
    assert result["id"] != "saved" and hall.segmenter.decoded[0].mask_logits is None


def test_a_click_beside_a_mask_corrects_it_and_one_farther_away_does_not(monkeypatch) -> None:
    monkeypatch.setattr("backend.predict.clicks.OTHER_SCORE", 1.0)  # the fake is always sure
    """15 % of a 10 x 10 mask's side are 1.5, so 3 pixels count: from column 19 up to column 22."""
    for column, corrected in ((22.5, True), (23.5, False)):
        (result,) = click(Hall(), keypoint(column / 0.4, 50), regions=(saved(BODY),))
        assert (result["id"] == "saved") is corrected


def test_a_click_on_a_neighbour_of_the_same_label_leaves_the_accepted_mask_alone(monkeypatch) -> None:
    hall, beside = Hall(), keypoint(100 * 21.5 / 40, 50)
    sure = Candidate(block(10, 21, 20, 30), 0.9)
    monkeypatch.setattr(hall.segmenter, "decode", lambda *_, **__: [sure])
    (result,) = click(hall, beside, regions=(saved(BODY),))
    assert result["id"] != "saved"
    assert np.array_equal(decode_brush(result["value"]["rle"], Size(40, 30)), sure.mask)


@pytest.mark.parametrize(("column", "corrects"), [(21.5, True), (22.5, False)], ids=["at the edge", "inside"])
def test_a_click_at_the_edge_of_a_touching_neighbour_corrects_the_mask(
    column: float, corrects: bool, monkeypatch
) -> None:
    """There SAM finds the neighbour at what the mask misses, too."""
    hall = Hall()
    monkeypatch.setattr("backend.predict.clicks.OTHER_EDGE", 1 / 40)  # one pixel
    monkeypatch.setattr(hall.segmenter, "decode", lambda *_, **__: [Candidate(block(10, 21, 20, 30), 0.9)])
    (result,) = click(hall, keypoint(100 * column / 40, 50), regions=(saved(BODY),))
    assert (result["id"] == "saved") is corrects


@pytest.mark.parametrize("alone", [Candidate(block(10, 21, 20, 30), 0.3), Candidate(block(10, 12, 20, 30), 0.9)])
def test_a_click_beside_a_mask_corrects_it_where_sam_is_unsure_or_sees_the_same_object(alone, monkeypatch) -> None:
    hall = Hall()
    monkeypatch.setattr(hall.segmenter, "decode", lambda *_, **__: [alone])
    (result,) = click(hall, keypoint(100 * 21.5 / 40, 50), regions=(saved(BODY),))
    assert result["id"] == "saved"


def test_all_points_must_lie_on_or_beside_the_mask() -> None:
    hall = Hall()
    (result,) = click(hall, keypoint(37.5, 50), keypoint(90, 90), regions=(saved(BODY),))
    assert result["id"] != "saved" and hall.segmenter.decoded[0].mask_logits is None


def test_the_mask_under_the_point_goes_before_one_beside_it_and_of_two_under_it_the_newest() -> None:
    beside = saved(block(10, 17, 20, 30), region_id="beside")
    (result,) = click(Hall(), keypoint(37.5, 50), regions=(saved(BODY), beside))
    assert result["id"] == "saved"
    (result,) = click(Hall(), keypoint(37.5, 50), regions=(saved(BODY), saved(BODY, region_id="newer"), beside))
    assert result["id"] == "newer"


def test_a_corrected_mask_keeps_the_choice_a_person_made() -> None:
    choice = {
        "id": "saved", "type": "choices", "from_name": "kind", "to_name": "img", "value": {"choices": ["white"]}
    }  # fmt: skip
    hall = Hall(classifier=FakeClassifier())  # it says black
    _, kept = click(hall, keypoint(37.5, 50), regions=(saved(BODY), choice))
    assert (kept["id"], kept["value"]["choices"]) == ("saved", ["white"])
    gone = choice | {"value": {"choices": ["striped"]}}
    for regions in ((saved(BODY),), (saved(BODY), gone)):
        _, named = click(hall, keypoint(37.5, 50), regions=regions)
        assert (named["id"], named["value"]["choices"]) == ("saved", ["black"])


def test_a_correction_keeps_its_label_where_clip_picks_labels() -> None:
    hall = Hall(classifier=FakeClassifier(), auto_label=True)  # it says cat
    result, _ = click(hall, keypoint(37.5, 50, "dog"), regions=(saved(BODY, "dog"),))
    assert result["value"]["brushlabels"] == ["dog"]


def test_a_box_of_the_draft_does_not_take_part_in_a_correction() -> None:
    hall = Hall()
    box = rectangle(20, 20, 40, 60)
    (result,) = click(hall, keypoint(37.5, 50, positive=False), regions=(saved(BODY), box))
    assert result["id"] == "saved" and hall.segmenter.decoded[0].box_xyxy is None


def test_a_box_and_a_negative_point_of_the_draft_reach_sam_together() -> None:
    hall = Hall()
    click(hall, rectangle(25, 20, 50, 60), regions=(keypoint(50, 50, positive=False),))
    box, both = hall.segmenter.decoded
    assert box == Prompt(box_xyxy=(10, 6, 30, 24))
    assert (both.point_coords, both.point_labels, both.box_xyxy) == (((20, 15),), (0,), (10, 6, 30, 24))


def painted_on(body: np.ndarray, *, region_id: str = "saved", is_new: bool = False) -> dict:
    """A mask that was painted on since it was accepted: a dot of 4 pixels at (30, 15); or only painted."""
    dot = {"type": "add", "relativePoints": [75.0, 50.0], "relativeStrokeWidth": 10.0}
    brush = saved(body, region_id=region_id)
    value = {key: item for key, item in brush["value"].items() if key != "rle" or not is_new}
    return brush | {"value": value | {"touches": [dot]}}


def test_what_was_painted_stays_where_the_click_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """SAM's answer is the mask without the dot, which is all of the answer to a rough mask (IoU below 0.92)."""
    hall, asked = Hall(), []
    monkeypatch.setattr(
        hall.segmenter, "decode", lambda _, prompt, **__: asked.append(prompt) or [Candidate(BODY.copy(), 0.9)]
    )
    (result,) = click(hall, keypoint(100 * 11.5 / 40, 50, positive=False), regions=(painted_on(BODY),))
    mask = decode_brush(result["value"]["rle"], Size(40, 30))
    assert result["id"] == "saved" and mask[15, 30] and not mask[15, 11]
    assert asked[0].mask_logits.max() > BODY.sum(), "SAM was asked about the mask without the dot"


def test_a_change_at_a_click_ends_where_something_was_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """SAM's answer at a click beside the dot reaches over it; the click is not on it."""
    hall, over_both = Hall(), np.zeros((30, 40), bool)
    over_both[10:20, 10:22] = True
    monkeypatch.setattr(hall.segmenter, "decode", lambda *_, **__: [Candidate(over_both.copy(), 0.9)])
    (result,) = click(hall, keypoint(100 * 23.5 / 40, 50, positive=False), regions=(painted_on(block(10, 10, 20, 26)),))
    mask = decode_brush(result["value"]["rle"], Size(40, 30))
    assert mask[15, 30] and not mask[15, 23]


def test_a_click_takes_away_what_was_painted_there() -> None:
    (result,) = click(Hall(), keypoint(75, 50, positive=False), regions=(painted_on(BODY),))
    mask = decode_brush(result["value"]["rle"], Size(40, 30))
    assert result["id"] == "saved" and not mask[15, 30]


def test_a_mask_that_was_only_painted_and_is_not_submitted_yet_is_corrected() -> None:
    (result,) = click(Hall(), keypoint(75, 50, positive=False), regions=(painted_on(BODY, is_new=True),))
    assert result["id"] == "saved"


def test_a_negative_point_with_another_label_gives_the_mask_that_label() -> None:
    """A label that was changed a moment ago is not in the draft yet, and the tick would give the picked one anyway."""
    hall = Hall()
    (result,) = click(hall, keypoint(37.5, 50, "dog", positive=False), regions=(saved(BODY),))
    assert (result["id"], result["value"]["brushlabels"]) == ("saved", ["dog"])
    assert hall.segmenter.decoded[0].mask_logits is not None
    its_own = saved(BODY, "dog", region_id="own")
    (result,) = click(Hall(), keypoint(37.5, 50, "dog", positive=False), regions=(its_own, saved(BODY)))
    assert (result["id"], result["value"]["brushlabels"]) == ("own", ["dog"]), "the newest instead of the one with it"


def test_a_negative_point_for_which_clip_picks_labels_leaves_the_mask_its_own() -> None:
    hall = Hall(classifier=FakeClassifier())  # it says cat
    result, _ = click(hall, keypoint(37.5, 50, "AUTO", positive=False), regions=(saved(BODY, "dog"),))
    assert (result["id"], result["value"]["brushlabels"]) == ("saved", ["dog"])


def test_a_negative_point_with_nothing_to_take_it_from_is_refused() -> None:
    with pytest.raises(BadPrompt, match=r"No mask here to take a part from\. Click the object first\."):
        click(Hall(), keypoint(50, 50, positive=False))


def test_a_refused_negative_point_does_not_count_with_the_next_one_on_a_mask() -> None:
    hall = Hall()
    stray, meant = keypoint(90, 90, positive=False), keypoint(37.5, 50, positive=False)
    (result,) = click(hall, stray, meant, regions=(saved(BODY),))
    assert result["id"] == "saved"
    assert hall.segmenter.decoded[0].point_coords[1:] == ((15, 15),)
    with pytest.raises(BadPrompt, match="mask here to take a part from"):
        click(Hall(), meant, stray, regions=(saved(BODY),))  # the point that was clicked now decides


def test_a_damaged_mask_on_the_page_does_not_refuse_a_click(caplog: pytest.LogCaptureFixture) -> None:
    broken = saved(BODY) | {"value": {"format": "rle", "rle": [1, 2], "brushlabels": ["cat"]}}
    with caplog.at_level(logging.WARNING):
        (result,) = click(Hall(), keypoint(37.5, 50), regions=(broken,))
    assert result["id"] != "saved"
    assert 'Skipped a damaged mask on the page: Region "saved"' in caplog.text


def test_an_empty_mask_on_the_page_is_no_mask_to_correct() -> None:
    (result,) = click(Hall(), keypoint(37.5, 50), regions=(saved(block(0, 0, 0, 0)),))
    assert result["id"] != "saved"


def test_masks_of_other_labels_are_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    original = CorrectableRegion.decode
    monkeypatch.setattr(
        CorrectableRegion, "decode", lambda self, config: decoded.append(self.region_id) or original(self, config)
    )
    regions = [saved(BODY, "dog", f"dog{i}") for i in range(50)]
    click(Hall(), keypoint(37.5, 50), regions=(*regions, saved(BODY)))
    assert decoded == ["saved"]


def test_a_mask_of_the_label_far_from_the_click_is_not_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    original = CorrectableRegion.decode
    monkeypatch.setattr(
        CorrectableRegion, "decode", lambda self, config: decoded.append(self.region_id) or original(self, config)
    )
    hall, far = Hall(), block(0, 30, 5, 35)
    for _ in range(3):
        click(hall, keypoint(37.5, 50), regions=(saved(BODY), saved(far, region_id="far")))
    assert decoded == ["saved"] * 3
    changed = far | block(14, 14, 16, 16)
    (result,) = click(hall, keypoint(37.5, 50), regions=(saved(BODY), saved(changed, region_id="far")))
    assert result["id"] == "far"


def test_a_click_costs_about_the_same_beside_two_hundred_masks_of_another_label() -> None:
    def seconds(regions: tuple[dict, ...]) -> float:
        best = math.inf
        for _ in range(10):
            started = time.process_time()
            click(hall, keypoint(37.5, 50), regions=regions)
            best = min(best, time.process_time() - started)
        return best

    hall = Hall()
    many = tuple(saved(BODY, "dog", f"dog{i}") for i in range(200))
    assert seconds((*many, saved(BODY))) < 1.5 * seconds((saved(BODY),)) + 5e-3  # 200 masks painted would take 20 ms


def test_a_repeated_click_asks_for_the_next_larger_candidate_in_a_circle() -> None:
    hall = Hall()
    sizes = []
    for clicks in range(1, 5):
        (result,) = click(hall, *[keypoint(50, 50)] * clicks)
        sizes.append(int(decode_brush(result["value"]["rle"], Size(40, 30)).sum()))
    assert sizes == [25, 49, 9, 25]  # the fake's best is 5 x 5, the others 7 x 7 and 3 x 3
    assert {prompt.point_coords for prompt in hall.segmenter.decoded} == {((20, 15),)}


@pytest.mark.parametrize(
    ("prompt", "repeats"),
    [
        (Prompt(((100, 100),), (1,)), 0),
        (Prompt(((100, 100), (104.7, 106.4)), (1, 1)), 1),  # 7.9 pixels; 1 % of 800 is 8
        (Prompt(((100, 100), (105, 107)), (1, 1)), 0),
        (Prompt(((100, 100), (101, 100), (100, 101)), (1, 1, 1)), 2),
        (Prompt(((100, 100), (101, 100), (200, 101)), (1, 1, 1)), 0),
        (Prompt(((100, 100), (101, 100)), (1, 0)), 0),
        (Prompt(((100, 100), (101, 100)), (1, 1), (0, 0, 200, 200)), 0),
        (Prompt(box_xyxy=(0, 0, 200, 200)), 0),
    ],
)
def test_positive_points_at_nearly_one_place_are_one_click_repeated(prompt: Prompt, repeats: int) -> None:
    assert count_repeats(prompt, Size(640, 480)) == repeats


def test_beside_a_large_mask_reaches_farther_than_beside_a_small_one() -> None:
    """15 % of a square of 100 pixels are 15."""
    large = np.zeros((300, 300), bool)
    large[100:200, 100:200] = True
    assert distance_of_points(Prompt(((214.5, 150),), (1,)), large) == 15
    assert distance_of_points(Prompt(((215.5, 150),), (1,)), large) == math.inf
    assert distance_of_points(Prompt(((205, 150), (150, 150)), (1, 0)), large) == 6


SHAPES = """<View><Image name="img" value="$photo"/>
<PolygonLabels name="p" toName="img"><Label value="cat"/></PolygonLabels>
<Bitmask name="m" toName="img"/><Polygon name="q" toName="img"/>
<EllipseLabels name="e" toName="img"><Label value="cat"/></EllipseLabels>
<Labels name="l" toName="img"><Label value="cat"/></Labels>
<KeyPointLabels name="k" toName="img"><Label value="cat"/></KeyPointLabels></View>"""


@pytest.mark.parametrize(
    ("control", "types"),
    [
        ("p", ["polygonlabels"]),
        ("q", ["polygon", "labels"]),
        ("m", ["bitmask", "labels"]),
        ("e", ["bitmask", "labels"]),
    ],
)
def test_polygons_and_bitmasks_are_corrected_in_their_own_control_and_an_ellipse_is_not(
    control: str, types: list[str]
) -> None:
    config, hall = parse_labeling_config(SHAPES), Hall()
    region = LabeledRegion(BODY, "cat", "saved", 0.5, control=control)
    drawn = {"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": build_results([region], config.images[0])}
    for _ in range(2):  # the second time the box of the mask is known
        document = {"id": 1, "data": {"photo": "a.png"}, "drafts": [drawn]}
        results = hall.task_document(document, SHAPES, [keypoint(37.5, 50)])["result"]
        assert [result["type"] for result in results] == types
        assert (results[0]["id"] == "saved") is (control != "e")
        logits = hall.segmenter.decoded[-1].mask_logits
        assert (logits is None) if control == "e" else logits.max() == 100  # the fake writes the mask's area


def test_two_polygons_of_one_image_are_told_apart() -> None:
    config, hall = parse_labeling_config(SHAPES), Hall()
    places = {"left": block(10, 2, 20, 12), "right": block(10, 28, 20, 38)}
    regions = [LabeledRegion(mask, "cat", name, control="p") for name, mask in places.items()]
    drafts = [{"id": 1, "result": build_results(regions, config.images[0])}]
    for x, name in ((17.5, "left"), (82.5, "right"), (17.5, "left")):  # 7 and 33 of 40
        document = {"id": 1, "data": {"photo": "a.png"}, "drafts": drafts}
        assert hall.task_document(document, SHAPES, [keypoint(x, 50)])["result"][0]["id"] == name


def test_a_damaged_polygon_is_passed_over_and_the_click_answered() -> None:
    config, hall = parse_labeling_config(SHAPES), Hall()
    broken = build_results([LabeledRegion(BODY, "cat", "saved", control="p")], config.images[0])[0]
    broken["value"]["points"] = [[1, 2]]
    document = {"id": 1, "data": {"photo": "a.png"}, "drafts": [{"id": 1, "result": [broken]}]}
    (result, _) = hall.task_document(document, SHAPES, [keypoint(37.5, 50)])["result"]
    assert result["id"] != "saved"


ONE_ROW = """<View><Image name="img" value="$photo"/>
<Labels name="l" toName="img"><Label value="cat"/><Label value="dog"/></Labels>
<Brush name="b" toName="img" smart="false"/><KeyPoint name="k" toName="img" smart="true" smartOnly="true"/></View>"""


def click_plain(hall: Hall, label: str, *on_page: LabeledRegion, at: tuple[float, float] = (37.5, 50)) -> list[dict]:
    """Click in an interface with one row of labels, in which none need be picked."""
    prompt = keypoint(*at) | {"type": "keypoint"}
    prompt["value"] = {"x": at[0], "y": at[1], "width": 0.2, "labels": [label] if label else []}
    saved_results = build_results(on_page, parse_labeling_config(ONE_ROW).images[0])
    document = {"id": 1, "data": {"photo": "a.png"}, "drafts": [{"id": 1, "result": saved_results}]}
    return hall.task_document(document, ONE_ROW, [prompt])["result"]


def region_on_page(label: str, region_id: str = "saved", mask: np.ndarray = BODY) -> LabeledRegion:
    return LabeledRegion(mask, label, region_id, 0.9, control="b")


@pytest.mark.parametrize(("picked", "is_corrected"), [("", True), ("dog", True), ("cat", False)])
def test_a_click_without_a_label_corrects_a_mask_with_any(picked: str, is_corrected: bool) -> None:
    hall = Hall(classifier=FakeClassifier())  # it says cat
    shape, labels = click_plain(hall, picked, region_on_page("dog"))
    assert (shape["id"] == "saved") is is_corrected
    assert labels["value"]["labels"] == ["dog" if is_corrected else "cat"]


def test_a_click_without_a_label_corrects_the_nearest_mask_and_of_equals_the_newest() -> None:
    hall, beside = Hall(classifier=FakeClassifier()), block(10, 17, 20, 30)
    pages = {
        "saved": [region_on_page("dog"), region_on_page("cat", "beside", beside)],
        "newer": [region_on_page("dog"), region_on_page("cat", "newer"), region_on_page("dog", "beside", beside)],
    }
    for expected, page in pages.items():
        assert click_plain(hall, "", *page)[0]["id"] == expected


def test_a_click_without_a_label_on_a_mask_without_one_corrects_it_and_clip_names_it() -> None:
    hall = Hall(classifier=FakeClassifier())  # it says cat
    painted = click_plain(hall, "", region_on_page("cat"))[:1]  # as a person paints without a label: the shape alone
    document = {"id": 1, "data": {"photo": "a.png"}, "drafts": [{"id": 1, "result": painted}]}
    prompt = keypoint(50, 50, positive=False) | {"type": "keypoint"}
    prompt["value"] = {"x": 37.5, "y": 50, "width": 0.2, "labels": []}
    shape, labels = hall.task_document(document, ONE_ROW, [prompt])["result"]
    assert (shape["id"], labels["value"]["labels"]) == ("saved", ["cat"])


def test_a_click_without_a_label_beside_a_neighbour_of_which_sam_is_sure_starts_a_new_mask(monkeypatch) -> None:
    hall = Hall(classifier=FakeClassifier())
    monkeypatch.setattr(hall.segmenter, "decode", lambda *_, **__: [Candidate(block(10, 21, 20, 30), 0.9)])
    assert click_plain(hall, "", region_on_page("dog"), at=(100 * 21.5 / 40, 50))[0]["id"] != "saved"
