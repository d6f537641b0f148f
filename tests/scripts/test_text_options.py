"""What `preannotate` searches for, and what it refuses before it starts."""

from __future__ import annotations

import pytest

from backend.engine import ImageLabeler
from backend.errors import BadPrompt, BadSettings
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindText
from backend.predict import build_version
from backend.projects import ProjectSettings
from backend.values import Lexicon
from scripts.preannotate import build_parser
from scripts.preannotating.text_options import check_detector, check_request, read_request
from tests.fakes import FakeClassifier, FakeDetector, FakeSegmenter
from tests.scripts.fakes import CONFIG_XML

CONFIG = parse_labeling_config(CONFIG_XML)
FROM_LABELS = FindText((), from_labels=True)
CLIP, DETECTOR = FakeClassifier(), FakeDetector({}, unreadable=["long story"])
WITH_CLIP, BLIND = ImageLabeler(FakeSegmenter(), CLIP), ImageLabeler(FakeSegmenter(), None)
WITH_DETECTOR, WITH_BOTH = (ImageLabeler(FakeSegmenter(), clip, DETECTOR) for clip in (None, CLIP))


def read(*given: str) -> FindText | None:
    return read_request(build_parser().parse_args(["--project", "3", *given]))


def test_texts_or_the_labels_are_searched_but_not_both() -> None:
    assert read() is None
    assert read("--text", "a cat", "--text", "a bus", "--text", "a cat") == FindText(("a cat", "a bus"))
    assert read("--text-from-labels") == FROM_LABELS
    with pytest.raises(BadSettings, match=r'--text-from-labels searches for .*, --text for "a cat"') as error:
        read("--text-from-labels", "--text", "a cat")
    assert error.value.remedy.startswith("Give one of them")


def test_clip_need_not_choose_a_label_where_every_text_has_one() -> None:
    for labeler in (WITH_CLIP, WITH_DETECTOR, WITH_BOTH):
        assert check_request(FROM_LABELS, labeler, CONFIG)
        assert check_request(FindText(("the green things",)), labeler, CONFIG)
    assert not check_request(FindText(("a bird",)), WITH_BOTH, CONFIG)


def test_a_text_that_cannot_be_read_is_refused_before_anything_is_done() -> None:
    for text, said in (("", "The text is empty"), ("the", "names no object"), ("a long story", "too many tokens")):
        with pytest.raises(BadPrompt, match=said):
            check_request(FindText(("green", text)), WITH_BOTH, CONFIG)
    lexicon = Lexicon(frozenset({"red"}), "Only red is known.", "the red one")
    colour_blind = ImageLabeler(FakeSegmenter(), FakeClassifier(lexicon=lexicon))
    with pytest.raises(BadPrompt, match='They cannot read "bird"'):
        check_request(FindText(("bird",)), colour_blind, CONFIG)


def test_without_a_detector_and_clip_nothing_is_searched() -> None:
    for request, option in ((FROM_LABELS, "--text-from-labels"), (FindText(("red",)), "--text")):
        with pytest.raises(BadSettings, match='Neither a detector nor CLIP is loaded to search for "red"') as error:
            check_request(request, BLIND, CONFIG)
        assert error.value.remedy.endswith(f"or omit {option}.")
        assert "DETECTOR" in error.value.remedy


def test_without_clip_a_text_has_to_be_the_name_of_a_label() -> None:
    with pytest.raises(BadSettings, match='"a bird" is no label of the labeling config') as error:
        check_request(FindText(("red", "a bird")), WITH_DETECTOR, CONFIG)
    assert "hint" in error.value.remedy
    one = parse_labeling_config(CONFIG_XML.replace('<Label value="green"/>', ""))
    assert check_request(FindText(("a bird",)), WITH_DETECTOR, one)


def test_a_labeling_config_without_a_name_to_search_for_is_refused() -> None:
    labels = '<BrushLabels name="b" toName="i"><Label value="Object"/></BrushLabels>'
    xml = f'<View><Image name="i" value="$i"/>{labels}</View>'
    with pytest.raises(BadSettings, match="No class of the labeling config for i names an object") as error:
        check_request(FROM_LABELS, WITH_BOTH, parse_labeling_config(xml))
    assert "hint" in error.value.remedy


def test_the_version_says_that_the_labels_were_searched() -> None:
    requests = (FROM_LABELS, FindText(()), FindText(("red",)))
    assert len({build_version("demo-1234", CONFIG, request, ProjectSettings()) for request in requests}) == 3


def test_a_search_that_asks_for_a_detector_is_not_done_by_clip() -> None:
    check_detector("none", WITH_CLIP)
    check_detector("llmdet_tiny", WITH_DETECTOR)
    with pytest.raises(BadSettings, match="DETECTOR is 'llmdet_tiny', but it could not be loaded") as error:
        check_detector("llmdet_tiny", WITH_CLIP)
    assert "`python -m scripts.download_models llmdet_tiny`" in error.value.remedy
