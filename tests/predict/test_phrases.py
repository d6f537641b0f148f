"""What is searched for typed texts and for the classes of a labeling config, and what its masks are called."""

from __future__ import annotations

import time

import pytest

from backend.errors import BadPrompt
from backend.label_studio.config import ImageConfig, parse_labeling_config
from backend.label_studio.requests import FindText
from backend.predict.phrases import list_phrases


def config_of(labels: str, choices: str = "") -> ImageConfig:
    control = f'<Choices name="kind" toName="i" perRegion="true">{choices}</Choices>' if choices else ""
    xml = (
        f'<View><Image name="i" value="$image"/><BrushLabels name="b" toName="i">{labels}</BrushLabels>{control}</View>'
    )
    (image,) = parse_labeling_config(xml).images
    return image


ANIMALS = config_of(
    '<Label value="animals" hint="dog,cat"/><Label value="vehicles" hint="car"/><Label value="AUTO"/>',
    '<Choice value="dog" hint="dog,puppy"/><Choice value="bus"/><Choice value="damaged"/>',
)


def searched(config: ImageConfig) -> list[tuple[str, str | None, dict[str, str]]]:
    return [(one.text, one.label, dict(one.choices)) for one in list_phrases(FindText((), from_labels=True), config)]


def typed(text: str, config: ImageConfig) -> tuple[str | None, dict[str, str]]:
    (phrase,) = list_phrases(FindText((text,)), config)
    return phrase.label, dict(phrase.choices)


def test_labels_are_searched_by_name_and_hint_with_the_classes_that_share_a_name_with_them() -> None:
    assert searched(ANIMALS) == [
        ("animals", "animals", {}),
        ("dog", "animals", {"kind": "dog"}),
        ("cat", "animals", {}),
        ("vehicles", "vehicles", {}),
        ("car", "vehicles", {}),
        ("puppy", "animals", {"kind": "dog"}),  # by the dog that both have; "bus" and "damaged" are no label's
    ]


def test_under_a_single_label_its_classes_are_searched() -> None:
    config = config_of('<Label value="Thing"/>', '<Choice value="red ring" hint="ring,donut"/><Choice value="bus"/>')
    assert searched(config) == [
        ("red ring", None, {"kind": "red ring"}),
        ("ring", None, {"kind": "red ring"}),
        ("donut", None, {"kind": "red ring"}),
        ("bus", None, {"kind": "bus"}),
    ]
    assert searched(config_of('<Label value="bus"/>')) == [("bus", "bus", {})]


def test_names_that_name_no_object_and_codes_with_a_hint_are_not_searched() -> None:
    config = config_of('<Label value="Object"/><Label value="cls_17" hint="bolt"/><Label value="m8"/>')
    assert searched(config) == [("bolt", "cls_17", {}), ("m8", "m8", {})]
    assert searched(config_of('<Label value="Thing"/>')) == []


def test_an_alias_is_searched_by_its_value() -> None:
    assert searched(config_of('<Label value="delivery van" alias="v1"/><Label value="bus"/>')) == [
        ("delivery van", "v1", {}),
        ("bus", "bus", {}),
    ]


def test_a_typed_text_has_the_label_and_the_class_that_it_is_the_name_of() -> None:
    assert typed("the dogs", ANIMALS) == ("animals", {"kind": "dog"})
    assert typed("a car", ANIMALS) == ("vehicles", {})
    assert typed("puppy", ANIMALS) == (None, {"kind": "dog"})
    assert typed("the red car", ANIMALS) == (None, {})
    with pytest.raises(BadPrompt, match="names no object"):
        typed("the thing", ANIMALS)


def test_many_classes_are_listed_in_linear_time() -> None:
    def seconds(count: int) -> float:
        letters = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(count)]
        config = config_of("".join(f'<Label value="{name}x" hint="{name}y"/>' for name in letters))
        start = time.process_time()
        assert len(searched(config)) == 2 * count
        return time.process_time() - start

    small = min(seconds(500) for _ in range(3))
    assert seconds(4000) < 40 * small  # 8 times as many
