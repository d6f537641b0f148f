"""Labels from a command line or a file: one, none, ten thousand, repeated, and such that CLIP does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.engine import ImageLabeler
from backend.errors import BadPrompt, BadSettings
from backend.folders import (
    Vocabulary,
    build_vocabulary,
    check_vocabulary,
    read_labels_file,
    require_labels,
    split_labels,
)
from backend.folders.image_outputs import build_label_config
from backend.label_studio.config import parse_labeling_config
from backend.models.registry import DEMO_LEXICON
from tests.fakes import FakeClassifier, FakeSegmenter

MAX = 20_000


def test_labels_are_split_at_commas_without_blank_ones() -> None:
    assert split_labels(" car, delivery  van ,,bus,") == ["car", "delivery van", "bus"]


def test_a_labels_file_has_a_label_a_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcar\r\n\n# vehicles\n  delivery van \nbus, red\n".encode())
    assert read_labels_file(path) == ["car", "delivery van", "bus, red"]


def test_a_labels_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"none.txt cannot be read: No such file.* Check --labels-file"):
        read_labels_file(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"voil\xe0")
    with pytest.raises(BadSettings, match=r"latin.txt is not UTF-8 text. Save it as UTF-8 text"):
        read_labels_file(tmp_path / "latin.txt")


def test_repeated_labels_count_once_and_are_remarked() -> None:
    vocabulary, remarks = build_vocabulary(["car", "bus", "car"], [], [], MAX)
    assert vocabulary.names == ("car", "bus")
    assert remarks == ["Repeated labels count once: 'car'."]


def test_a_single_label_is_remarked() -> None:
    vocabulary, remarks = build_vocabulary(["car"], [], [], MAX)
    assert vocabulary.names == ("car",)
    assert remarks == ["With one label every segment is 'car'; further ones, or --text, let CLIP tell them apart."]


def test_no_label_at_all_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"There are no labels. Give labels with --labels car,bus or --labels-file"):
        require_labels(build_vocabulary([], [], [], MAX)[0])
    require_labels(build_vocabulary([], ["the red car"], [], MAX)[0])


def test_ten_thousand_labels_are_fine_and_more_than_the_limit_are_not() -> None:
    labels = [f"class {number}" for number in range(10_000)]
    assert len(build_vocabulary(labels, [], [], MAX)[0].names) == 10_000
    with pytest.raises(BadSettings, match=r"There are 10000 labels; the limit is 9999.* raise MAX_CLASSES"):
        build_vocabulary(labels, [], [], 9999)


def test_only_labels_can_be_kept() -> None:
    assert build_vocabulary(["car", "bus", "sky"], [], ["bus", "car"], MAX)[0].names == ("car", "bus")
    with pytest.raises(BadSettings, match=r"'buss' is to be kept, but is not among the labels: .*bus.* --keep"):
        build_vocabulary(["car", "bus"], [], ["buss"], MAX)


def test_labels_with_control_characters_and_texts_that_name_nothing_are_refused() -> None:
    with pytest.raises(BadSettings, match=r"has an unprintable character. Type the label again"):
        build_vocabulary(["ca\x07r"], [], [], MAX)
    with pytest.raises(BadPrompt, match=r'The text "the" names no object'):
        build_vocabulary([], ["the"], [], MAX)


def test_the_label_that_stands_for_any_other_is_refused() -> None:
    with pytest.raises(BadSettings, match=r'"AUTO" cannot be a label: .* Write it differently'):
        build_vocabulary(["car", "AUTO"], [], [], MAX)
    assert parse_labeling_config(build_label_config(["AUTO", "car"])).images[0].answer_classes[0].name == "car"


def labeler(classifier: FakeClassifier | None) -> ImageLabeler:
    return ImageLabeler(FakeSegmenter(), classifier)


def vocabulary(*labels: str, texts: tuple[str, ...] = ()) -> Vocabulary:
    return build_vocabulary(labels, texts, [], MAX)[0]


def test_labels_that_the_demos_clip_does_not_know_are_named() -> None:
    demo = labeler(FakeClassifier(lexicon=DEMO_LEXICON))
    check_vocabulary(vocabulary("red ring", "blue star"), (), demo)
    with pytest.raises(BadSettings) as caught:
        check_vocabulary(vocabulary("red ring", "car", "bus"), (), demo)
    assert str(caught.value) == (
        "The demo models know coloured shapes only. They do not know car, bus. Set SAM_MODEL and CLIP_MODEL to models "
        "for photographs (see the README), or give labels that they know."
    )


def test_texts_that_the_demos_clip_cannot_read_are_refused_before_the_first_image() -> None:
    demo = labeler(FakeClassifier(lexicon=DEMO_LEXICON))
    check_vocabulary(vocabulary(texts=("the red ring",)), (), demo)
    with pytest.raises(BadPrompt, match=r'coloured shapes only. They cannot read "car". Try "the red ring".'):
        check_vocabulary(vocabulary(texts=("the red car",)), (), demo)


def test_without_clip_only_a_single_label_can_be_given() -> None:
    check_vocabulary(vocabulary("car"), (), labeler(None))
    with pytest.raises(BadSettings, match=r"No CLIP model is loaded, which 2 labels would need. Set CLIP_MODEL"):
        check_vocabulary(vocabulary("car", "bus"), (), labeler(None))
    with pytest.raises(BadSettings, match=r"which the text 'the car' would need"):
        check_vocabulary(vocabulary(texts=("the car",)), (), labeler(None))


def test_background_words_need_labels_that_they_are_not() -> None:
    clip = labeler(FakeClassifier())
    check_vocabulary(vocabulary("car"), ("sky",), clip)
    with pytest.raises(
        BadSettings, match=r"'sky' is a label and a background word. Leave it out of --background-words"
    ):
        check_vocabulary(vocabulary("car", "sky"), ("sky",), clip)
    with pytest.raises(BadSettings, match=r"compete with labels only, not with texts. Leave out --background-words"):
        check_vocabulary(vocabulary(texts=("the car",)), ("sky",), clip)
    with pytest.raises(BadSettings, match=r"They do not know sky. "):
        check_vocabulary(vocabulary("red ring"), ("sky",), labeler(FakeClassifier(lexicon=DEMO_LEXICON)))
