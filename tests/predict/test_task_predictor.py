from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from backend.errors import BadConfig, BadPrompt, ImageUnavailable
from backend.label_studio.requests import FindText, SegmentAll
from backend.label_studio.results import decode_brush
from backend.projects import ProjectSettings
from backend.values import Candidate, ProposalOptions, Size
from tests.fakes import (
    CONFIG,
    CONFIG_WITH_IMAGE_CHOICES,
    OPTIONS,
    FakeClassifier,
    Hall,
    keypoint,
    noise_png,
    png,
    rectangle,
)


def test_a_click_gives_a_brush_with_the_picked_label_then_its_choice() -> None:
    document = Hall(classifier=FakeClassifier()).document(keypoint(50, 50, "dog"))
    brush, choice = document["result"]
    assert (brush["from_name"], brush["to_name"], brush["value"]["brushlabels"]) == ("b", "img", ["dog"])
    assert (choice["from_name"], choice["id"], choice["value"]["choices"]) == ("kind", brush["id"], ["black"])
    assert document["model_version"] == "fake-1"
    assert document["score"] == 0.9
    mask = decode_brush(brush["value"]["rle"], Size(40, 30))
    expected = np.zeros((30, 40), bool)
    expected[13:18, 18:23] = True  # 50 % of 40x30 is (20, 15); the fake draws 5x5 around it
    assert (mask == expected).all()


def test_all_keypoints_are_one_prompt_with_their_signs() -> None:
    hall = Hall()
    document = hall.document(keypoint(50, 50), keypoint(25, 50, positive=False))
    assert len(document["result"]) == 1
    last = hall.segmenter.decoded[-1]
    assert (last.point_coords, last.point_labels) == (((20, 15), (10, 15)), (1, 0))


def test_every_rectangle_is_an_object_of_its_own() -> None:
    document = Hall().document(rectangle(0, 0, 25, 20), rectangle(50, 50, 50, 50))
    masks = [decode_brush(r["value"]["rle"], Size(40, 30)).sum() for r in document["result"]]
    assert masks == [10 * 6, 20 * 15]
    assert len({r["id"] for r in document["result"]}) == 2


def test_auto_lets_clip_pick_the_brush_label_in_one_look() -> None:
    classifier = FakeClassifier()
    document = Hall(classifier=classifier).document(keypoint(50, 50, "AUTO"))
    assert document["result"][0]["value"]["brushlabels"] == ["cat"]
    assert classifier.calls == [(1, 2)]


def test_the_setting_auto_label_overrides_what_was_picked() -> None:
    hall = Hall(classifier=FakeClassifier(), auto_label=True)
    assert hall.document(keypoint(50, 50, "dog"))["result"][0]["value"]["brushlabels"] == ["cat"]


def test_without_clip_nobody_invents_a_label() -> None:
    with pytest.raises(BadPrompt, match="CLIP is not loaded, so it cannot choose a label"):
        Hall().document(keypoint(50, 50, "AUTO"))
    with pytest.raises(BadPrompt, match="CLIP is not loaded"):
        Hall().document(request=SegmentAll(OPTIONS))


def test_without_clip_the_only_label_there_is_is_the_label() -> None:
    xml = CONFIG.replace(
        '<BrushLabels name="b" toName="img"><Label value="cat"/>', '<BrushLabels name="b" toName="img">'
    )
    document = Hall().document(request=SegmentAll(OPTIONS), xml=xml)
    assert [r["value"]["brushlabels"] for r in document["result"]] == [["dog"]] * 3


def test_messages_do_not_carry_the_signature_of_an_address() -> None:
    uri = "https://storage.example.org/a.png?X-Signature=secret"
    with pytest.raises(BadPrompt) as caught:
        Hall(files={uri: png(40, 30)}).document(keypoint(50, 50, size=(80, 60)), uri=uri)
    assert "https://storage.example.org/a.png is 40x30" in caught.value.message
    assert "secret" not in caught.value.message


def test_without_clip_masks_come_without_choices() -> None:
    document = Hall().document(keypoint(50, 50, "dog"))
    assert [r["type"] for r in document["result"]] == ["brushlabels"]


def test_a_task_without_a_prompt_touches_neither_the_image_nor_sam() -> None:
    hall = Hall(classifier=FakeClassifier())
    assert hall.document() is None
    assert (hall.fetcher.fetched, hall.segmenter.encoded) == ([], [])


def test_the_image_is_classified_without_a_prompt_and_never_with_one() -> None:
    hall = Hall(classifier=FakeClassifier())
    document = hall.document(xml=CONFIG_WITH_IMAGE_CHOICES)
    assert [(r["from_name"], r["value"]) for r in document["result"]] == [("place", {"choices": ["indoor"]})]
    assert hall.segmenter.encoded == []
    clicked = hall.document(keypoint(50, 50), xml=CONFIG_WITH_IMAGE_CHOICES)
    assert "place" not in [r["from_name"] for r in clicked["result"]]


def test_proposals_take_their_labels_from_clip_and_keep_the_best() -> None:
    hall = Hall(classifier=FakeClassifier())
    assert len(hall.document(request=SegmentAll(OPTIONS))["result"]) == 6
    two = hall.document(request=SegmentAll(ProposalOptions(4, 0.5, 0.5, 10, 0.7, max_masks=2)))
    assert [r["type"] for r in two["result"]] == ["brushlabels", "choices"] * 2


def test_a_thing_that_sam_proposes_twice_is_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(classifier=FakeClassifier())
    propose = hall.segmenter.propose

    def propose_twice(*arguments: object) -> list[Candidate]:
        return [one for found in propose(*arguments) for one in (found, replace(found, score=0.1))]

    monkeypatch.setattr(hall.segmenter, "propose", propose_twice)
    assert len(hall.document(request=SegmentAll(replace(OPTIONS, mask_nms_thresh=1.0)))["result"]) == 12
    once = hall.document(request=SegmentAll(OPTIONS))["result"]
    assert [result["score"] for result in once if "score" in result] == [0.9] * 3


def test_proposals_under_the_score_threshold_are_dropped() -> None:
    hall = Hall(classifier=FakeClassifier(score=0.6))
    assert hall.document(request=SegmentAll(ProposalOptions(4, 0.5, 0.5, 10, 0.7, score_threshold=0.61))) is None
    assert hall.document(request=SegmentAll(ProposalOptions(4, 0.5, 0.5, 10, 0.7, score_threshold=0.6))) is not None


def test_a_prompt_drawn_on_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(BadPrompt) as caught:
        Hall().document(keypoint(50, 50, size=(80, 60)))
    assert caught.value.message == "The prompt was drawn on an image of 80x60 pixels, but a.png is 40x30."


def test_an_image_that_cannot_be_had_is_an_error_not_an_empty_answer() -> None:
    error = ImageUnavailable("gone.", remedy="Upload it again.")
    with pytest.raises(ImageUnavailable, match=r"gone\."):
        Hall(files={"a.png": error}).document(keypoint(50, 50))


def test_a_second_click_on_an_image_encodes_nothing() -> None:
    hall = Hall()
    for x in (10, 50, 90):
        hall.document(keypoint(x, 50))
    assert len(hall.segmenter.encoded) == 1


def test_going_back_to_an_earlier_image_encodes_nothing() -> None:
    hall = Hall(files={"a.png": noise_png(40, 30, 1), "b.png": noise_png(40, 30, 2)})
    for uri in ("a.png", "b.png", "a.png"):
        hall.document(keypoint(50, 50), uri=uri)
    assert len(hall.segmenter.encoded) == 2


def test_a_replaced_file_gets_a_new_embedding() -> None:
    hall = Hall()
    hall.document(keypoint(50, 50))
    hall.fetcher.files["a.png"] = noise_png(40, 30, 5)
    hall.document(keypoint(50, 50))
    assert len(hall.segmenter.encoded) == 2


def test_many_threads_on_many_images_each_get_the_serial_answer() -> None:
    files = {f"{i}.png": noise_png(40, 30, i) for i in range(6)}
    jobs = [(uri, 10 + 13 * (k % 7), 10 + 11 * (k % 8)) for k, uri in enumerate(sorted(files) * 8)]

    def ask(hall: Hall, job: tuple[str, int, int]) -> list[int]:
        uri, x, y = job
        return hall.document(keypoint(x, y), uri=uri)["result"][0]["value"]["rle"]

    serial = [ask(Hall(files=files), job) for job in jobs]
    hall = Hall(files=files)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda job: ask(hall, job), jobs)) == serial
    assert len(hall.segmenter.encoded) == len(files)


WITH_TEXT = CONFIG.replace("</View>", '<TextArea name="find" toName="img"/><TextArea name="note" toName="img"/></View>')
SEARCHED = ProjectSettings(text_prompt="find")


def typed(*texts: str, name: str = "find") -> dict:
    return {"value": {"text": list(texts)}, "id": name, "from_name": name, "to_name": "img", "type": "textarea"}


def test_a_text_gives_the_masks_that_it_names_with_clips_label_and_class() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["red car", "tree", "red car"]))
    document = hall.document(typed("the red car"), xml=WITH_TEXT, settings=SEARCHED)
    brushes = [result for result in document["result"] if result["type"] == "brushlabels"]
    tops = [np.argwhere(decode_brush(brush["value"]["rle"], Size(40, 30)))[0].tolist() for brush in brushes]
    assert tops == [[3, 3], [13, 13]]
    assert [brush["value"]["brushlabels"] for brush in brushes] == [["cat"], ["cat"]]  # the fake's CLIP says the first
    assert [result["value"]["choices"] for result in document["result"] if result["type"] == "choices"] == [
        ["black"]
    ] * 2


def test_a_text_that_is_a_labels_name_gives_that_label() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["dog"]))
    document = hall.document(typed("all dogs"), xml=WITH_TEXT, settings=SEARCHED)
    assert {r["value"]["brushlabels"][0] for r in document["result"] if "brushlabels" in r["value"]} == {"dog"}


def test_a_text_that_names_nothing_in_the_image_is_answered_with_nothing() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["tree"]))
    assert hall.document(typed("the red car"), xml=WITH_TEXT, settings=SEARCHED) is None


def test_a_text_in_another_text_area_asks_for_nothing() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["tree"]))
    assert hall.document(typed("tree", name="note"), xml=WITH_TEXT, settings=SEARCHED) is None
    assert hall.document(typed("tree"), xml=WITH_TEXT) is None
    assert hall.fetcher.fetched == []


def test_a_text_does_not_classify_the_image_again() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["tree"]))
    xml = WITH_TEXT.replace("</View>", '<Choices name="place" toName="img"><Choice value="indoor"/></Choices></View>')
    assert hall.document(typed("tree", name="note"), xml=xml, settings=SEARCHED) is None
    kinds = {r["from_name"] for r in hall.document(typed("tree"), xml=xml, settings=SEARCHED)["result"]}
    assert kinds == {"b", "kind"}


def test_a_text_prompt_that_the_config_has_not_got_is_refused() -> None:
    settings = ProjectSettings(text_prompt="fnd")
    with pytest.raises(BadConfig, match=r'text_prompt is "fnd".*has that name \(available: find, note\)'):
        Hall(classifier=FakeClassifier()).document(typed("tree"), xml=WITH_TEXT, settings=settings)


def test_a_command_may_give_the_text_itself() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["tree", "red car"]))
    document = hall.document(request=FindText(("tree",), OPTIONS))
    assert len([r for r in document["result"] if r["type"] == "brushlabels"]) == 2
    one = hall.document(request=FindText(("tree",), replace(OPTIONS, max_masks=1)))
    assert len(one["result"]) == 2  # a mask, and its choice
    allowed = hall.document(request=FindText(("tree",), replace(OPTIONS, min_area=25)))
    assert len(allowed["result"]) == 4
    assert hall.document(request=FindText(("tree",), replace(OPTIONS, min_area=26))) is None  # squares of 5x5


@pytest.mark.parametrize("text", ["everything", "like this", "tighter", "help"])
def test_a_text_of_the_bulk_command_is_never_a_command_of_the_page(text: str) -> None:
    hall = Hall(classifier=FakeClassifier(looks=[text, "red car"]))
    document = hall.document(request=FindText((text,), OPTIONS))
    assert len([r for r in document["result"] if r["type"] == "brushlabels"]) == 2


def test_several_texts_give_the_masks_of_all_and_what_two_name_is_the_first_ones() -> None:
    hall = Hall(classifier=FakeClassifier(looks=["dog", "red car"]))

    def brushes(*texts: str) -> dict[str, list[str]]:
        results = hall.document(request=FindText(texts, OPTIONS))["result"]
        return {str(r["value"]["rle"]): r["value"]["brushlabels"] for r in results if r["type"] == "brushlabels"}

    dogs, cars = brushes("dog"), brushes("the red car")
    assert list(dogs.values()) == [["dog"], ["dog"]]
    assert len(cars) == 1
    assert brushes("dog", "the red car") == brushes("the red car", "all dogs") == dogs | cars
    results = hall.document(request=FindText(("dog", "dogs"), OPTIONS))["result"]
    assert len([r for r in results if r["type"] == "brushlabels"]) == len(dogs)


def test_a_shape_that_the_config_has_not_got_is_refused() -> None:
    with pytest.raises(BadConfig, match='answer is "ellipse"'):
        Hall().document(keypoint(50, 50), settings=ProjectSettings(answer="ellipse"))


def test_a_text_is_read_in_the_projects_templates() -> None:
    classifier = FakeClassifier(looks=["tree"])
    settings = ProjectSettings(text_prompt="find", templates=("a drawing of a {}.",))
    assert Hall(classifier=classifier).document(typed("tree"), xml=WITH_TEXT, settings=settings)
    assert set(classifier.templates) == {("a drawing of a {}.",)}
