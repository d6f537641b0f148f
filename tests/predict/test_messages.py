"""What the answers say to the person on the page, through the predictor, on fakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import ClassifyImage, FindText, SegmentAll, parse_prompted_task, parse_task
from backend.predict import TaskAnswer
from backend.predict.messages import describe_click, describe_size
from backend.projects import DEFAULTS, ProjectSettings
from backend.values import Candidate, Lexicon
from tests.fakes import CONFIG, CONFIG_WITH_IMAGE_CHOICES, FakeClassifier, Hall, keypoint, rectangle
from tests.predict.test_clicks import block, saved

COLOURS = Lexicon(frozenset({"black", "white", "rings"}), "Only colours are known.", "a black ring")
PAGE_OF_COLOURS = CONFIG.replace('value="cat"', 'value="black"').replace('value="dog"', 'value="white"')


def ask(
    hall: Hall,
    *prompts: dict[str, Any],
    xml: str = CONFIG,
    settings: ProjectSettings = DEFAULTS,
    drafted: tuple[dict[str, Any], ...] = (),
) -> TaskAnswer:
    """The answer to prompts on a page whose draft has these results."""
    document: dict[str, Any] = {"id": 1, "data": {"photo": "a.png"}}
    document["drafts"] = [{"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": list(drafted)}] if drafted else []
    config = parse_labeling_config(xml)
    task, request = parse_prompted_task(document, config, list(prompts), settings.text_prompt, project_id="3")
    assert request is not None
    return hall.predictor.answer(task, config, request, settings)


def hall_with(score: float = 0.97, lexicon: Lexicon | None = None, looks: tuple[str, ...] = ("grass",)) -> Hall:
    return Hall(classifier=FakeClassifier(score, looks, lexicon))


@pytest.mark.parametrize(
    ("score", "said"), [(0.97, "black, 97 %."), (1.0, "black, 99 %."), (0.001, "black, 1 %.")]
)  # no model is certain
def test_the_class_of_a_mask_is_said_with_its_probability(score: float, said: str) -> None:
    assert ask(hall_with(score), keypoint(50, 50)).message == said


def test_a_label_that_clip_chose_is_said_too() -> None:
    assert ask(hall_with(), keypoint(50, 50, "AUTO")).message == "cat, 97 %; black, 97 %."


def test_a_class_under_the_threshold_is_said_to_be_unsure() -> None:
    answer = ask(hall_with(0.4), keypoint(50, 50), settings=ProjectSettings(clip_threshold=0.5))
    assert answer.message == "perhaps black, 40 %."
    assert answer.document is not None
    assert [result["type"] for result in answer.document["result"]] == ["brushlabels"]


def test_all_classes_of_a_multiple_choice_are_said() -> None:
    xml = CONFIG.replace('perRegion="true"', 'perRegion="true" choice="multiple"')
    assert ask(hall_with(0.8), keypoint(50, 50), xml=xml).message == "black, 80 %, white, 40 %."


def test_without_clip_there_is_nothing_to_say_about_a_mask() -> None:
    assert ask(Hall(), keypoint(50, 50)).message == ""


def test_several_boxes_are_counted() -> None:
    answer = ask(hall_with(), rectangle(10, 10, 20, 20), rectangle(50, 50, 20, 20) | {"id": "other"})
    assert answer.message == "2 masks: black, 97 %; black, 97 %."


def test_each_repeated_click_says_which_candidate_is_shown() -> None:
    """The fake's best is the middle one of three sizes."""
    clicks = [keypoint(50, 50) | {"id": f"kp{number}"} for number in range(4)]
    said = [ask(Hall(), *clicks[: count + 1]).message for count in range(4)]
    assert said == ["", "Candidate 3 of 3: the whole.", "Candidate 1 of 3: a part.", "Candidate 2 of 3: the object."]
    assert ask(hall_with(), *clicks[:2]).message == "black, 97 %. Candidate 3 of 3: the whole."


def test_candidates_are_named_by_their_number() -> None:
    assert describe_size(2, 2) == "Candidate 2 of 2: the whole."
    assert describe_size(3, 4) == "Candidate 3 of 4."
    assert describe_size(1, 1) == "There is only this one mask here."


def test_a_click_at_which_sam_finds_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = hall_with()
    monkeypatch.setattr(hall.segmenter, "decode", lambda *_, **__: [Candidate(np.zeros((30, 40), bool), 0.1)])
    answer = ask(hall, keypoint(50, 50))
    assert answer == TaskAnswer(None, "No object here. Click on an object, or draw a box around it.")
    assert describe_click(["black, 97 %"], 2, []) == "black, 97 %. No object in 2 of 3 places."


def test_a_corrected_mask_names_the_class_that_it_keeps_without_a_probability() -> None:
    mask = saved(block(10, 10, 20, 20))
    kept = {"id": "saved", "type": "choices", "from_name": "kind", "to_name": "img", "value": {"choices": ["white"]}}
    outside = keypoint(37.5, 50, positive=False)
    assert ask(hall_with(), outside, drafted=(mask,)).message == "black, 97 %. Corrected."
    assert ask(hall_with(), outside, drafted=(mask, kept)).message == "white. Corrected."


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (("red car", "grass"), '1 object matches "the red car".'),
        (("red car",), '3 objects match "the red car".'),
        (("grass",), 'Nothing matches "the red car".'),
    ],
)
def test_a_text_is_answered_with_the_number_of_matches(looks: tuple[str, ...], said: str) -> None:
    hall, config = hall_with(looks=(*looks, "grass", "grass")[:3] if len(looks) > 1 else looks), CONFIG
    task = parse_task({"id": 1, "data": {"photo": "a.png"}}, parse_labeling_config(config))
    assert hall.predictor.answer(task, parse_labeling_config(config), FindText(("the red car",))).message == said


def test_classes_that_clip_does_not_know_are_not_given_and_clip_does_not_run() -> None:
    xml = CONFIG.replace('value="white"', 'value="coffee cup"')
    hall = hall_with(lexicon=COLOURS)
    answer = ask(hall, keypoint(50, 50), xml=xml)
    assert answer.message == "Only colours are known."
    assert answer.document is not None
    assert [result["type"] for result in answer.document["result"]] == ["brushlabels"]
    assert hall.classifier is not None and hall.classifier.calls == []
    assert ask(hall, keypoint(50, 50)).message == "black, 97 %."


def test_one_unknown_control_does_not_silence_the_known_one() -> None:
    """The scores of the known control must not end up at the unknown one, which comes first."""
    unknown = '<Choices name="use" toName="img" perRegion="true"><Choice value="drink"/></Choices>'
    xml = CONFIG.replace('<Choices name="kind"', f'{unknown}<Choices name="kind"')
    answer = ask(hall_with(lexicon=COLOURS), keypoint(50, 50), xml=xml)
    assert answer.message == "black, 97 %. Only colours are known."
    assert answer.document is not None
    assert [result["from_name"] for result in answer.document["result"]] == ["b", "kind"]


def test_clip_does_not_choose_among_labels_that_it_does_not_know() -> None:
    hall = hall_with(lexicon=COLOURS)
    with pytest.raises(BadPrompt, match=r"^Only colours are known\. They cannot choose a label\.") as refused:
        ask(hall, keypoint(50, 50, "AUTO"))
    assert refused.value.remedy == "Pick a label first, or use other models."
    assert ask(hall, keypoint(50, 50, "AUTO"), xml=PAGE_OF_COLOURS).message == "black, 97 %; black, 97 %."
    config = parse_labeling_config(CONFIG)
    task = parse_task({"id": 1, "data": {"photo": "a.png"}}, config)
    with pytest.raises(BadPrompt, match="They cannot choose a label"):
        hall.predictor.answer(task, config, SegmentAll())


def test_an_image_gets_no_class_that_clip_does_not_know() -> None:
    config = parse_labeling_config(CONFIG_WITH_IMAGE_CHOICES)
    task = parse_task({"id": 1, "data": {"photo": "a.png"}}, config)
    assert hall_with(lexicon=COLOURS).predictor.predict(task, config, ClassifyImage()) is None
    assert hall_with().predictor.predict(task, config, ClassifyImage()) is not None


def test_a_text_with_unknown_words_is_refused_with_an_example() -> None:
    config = parse_labeling_config(PAGE_OF_COLOURS)
    task = parse_task({"id": 1, "data": {"photo": "a.png"}}, config)
    hall = hall_with(lexicon=COLOURS, looks=("black ring",))
    with pytest.raises(BadPrompt) as refused:
        hall.predictor.answer(task, config, FindText(("the black car",)))
    assert refused.value.message == 'Only colours are known. They cannot read "car".'
    assert refused.value.remedy == 'Try "a black ring".'
    hall.predictor.answer(task, config, FindText(("the black ring",)))


def test_the_most_probable_classes_are_noted_if_the_project_asks_for_it() -> None:
    settings = ProjectSettings(class_probabilities=True)
    noted, plain = (ask(hall_with(), keypoint(50, 50), settings=one).document for one in (settings, DEFAULTS))
    assert noted is not None and plain is not None
    assert noted["result"][0]["meta"] == {"text": ["black 0.97, white 0.48"]}
    assert all("meta" not in result for result in (*noted["result"][1:], *plain["result"]))


def test_a_correction_keeps_what_a_person_noted_and_renews_the_classes() -> None:
    mask = saved(block(10, 10, 20, 20)) | {"meta": {"text": ["black 0.31, white 0.30\nedge unclear"]}}
    outside = keypoint(37.5, 50, positive=False)
    for settings, note in (
        (ProjectSettings(class_probabilities=True), ["black 0.97, white 0.48\nedge unclear"]),
        (DEFAULTS, ["edge unclear"]),
    ):
        document = ask(hall_with(), outside, drafted=(mask,), settings=settings).document
        assert document is not None
        assert (document["result"][0]["id"], document["result"][0]["meta"]) == ("saved", {"text": note})
