"""The options of classes and kept masks: what they set, what is refused, and that they are part of the version."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from backend.engine import ImageLabeler
from backend.errors import BadSettings
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from backend.predict import build_version
from backend.projects import ProjectSettings
from backend.values import Lexicon, Nesting, ProposalOptions
from scripts import preannotate
from scripts.preannotating.class_options import (
    add_class_options,
    check_class_options,
    check_classes_are_known,
    choose_options,
)
from scripts.preannotating.masks import override
from tests.fakes import FakeClassifier, FakeSegmenter
from tests.scripts.fakes import PROPOSAL

CARS = parse_labeling_config(
    """<View><Image name="img" value="$photo"/><BrushLabels name="b" toName="img"><Label value="car"/>
    <Label value="bus"/></BrushLabels><Choices name="k" toName="img" perRegion="true"><Choice value="red"/>
    <Choice value="other"/></Choices></View>"""
)
ONE_LABEL = parse_labeling_config(
    '<View><Image name="img" value="$photo"/><BrushLabels name="b" toName="img"><Label value="car"/></BrushLabels>'
    "</View>"
)
NO_LABEL = parse_labeling_config('<View><Image name="img" value="$photo"/><Brush name="b" toName="img"/></View>')


def options_of(*given: str) -> ProposalOptions:
    parser = argparse.ArgumentParser()
    add_class_options(parser)
    return choose_options(PROPOSAL, parser.parse_args(given))


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ([], {}),
        (["--class-threshold", "0.4"], {"score_threshold": 0.4}),
        (
            ["--class-threshold", "car=0.6", "--class-threshold", "0.4", "--class-threshold", "a = b=0.2"],
            {"score_threshold": 0.4, "class_thresholds": (("a = b", 0.2), ("car", 0.6))},
        ),
        (
            ["--background", "wall, sky,", "--background", "blue floor,wall"],
            {"background_words": ("wall", "sky", "blue floor")},
        ),
        (
            ["--background", "wall", "--background-label", "other"],
            {"background_words": ("wall",), "background_label": "other"},
        ),
        (["--min-area", "400"], {"min_area": 400}),
        (["--min-area", "0.25%"], {"min_area_share": 0.0025}),
        (["--max-area", "50%"], {"max_area_share": 0.5}),
        (["--keep", "wholes"], {"nesting": Nesting.WHOLES}),
        (["--keep", "best"], {"nesting": Nesting.BEST}),
        (["--keep", "parts", "--containment-thresh", "0.8"], {"nesting": Nesting.PARTS, "containment_thresh": 0.8}),
    ],
)
def test_each_option_sets_what_it_names_and_nothing_else(given: list[str], changed: dict[str, object]) -> None:
    assert options_of(*given) == replace(PROPOSAL, **changed)
    command = preannotate.build_parser().parse_args(["--project", "3", "--max-masks", "4", *given])
    chosen = choose_options(override(PROPOSAL, command), command)
    assert chosen == replace(PROPOSAL, max_masks=4, **changed)


@pytest.mark.parametrize(
    "given",
    [
        ["--class-threshold", "car=0.6"],
        ["--background", "wall"],
        ["--background", "wall", "--background-label", "other"],
        ["--min-area", "400"],
        ["--min-area", "0.25%"],
        ["--max-area", "50%"],
        ["--keep", "wholes"],
        ["--containment-thresh", "0.8"],
    ],
)
def test_each_option_makes_another_version(given: list[str]) -> None:
    def version(options: ProposalOptions) -> str:
        return build_version("demo-1", CARS, SegmentAll(options), ProjectSettings())

    assert version(options_of(*given)) != version(PROPOSAL) == version(options_of())


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--class-threshold", "car"], "argument --class-threshold: "),
        (["--class-threshold", "car=1.5"], "argument --class-threshold: must be between 0 and 1, got 1.5"),
        (["--class-threshold", "=0.5"], "argument --class-threshold: expected X or NAME=X, got =0.5"),
        (["--background", " , "], "argument --background: expected words that are separated by commas"),
        (["--min-area", "-3"], "argument --min-area: expected pixels, such as 400, or a share"),
        (["--min-area", "3.5"], "argument --min-area: expected pixels, such as 400, or a share"),
        (["--min-area", "101%"], "argument --min-area: expected a share of the image, such as 50%, got 101%"),
        (["--max-area", "0.5"], "argument --max-area: expected a share of the image, such as 50%, got 0.5"),
        (["--keep", "all"], "argument --keep: must be one of both, wholes, parts, best, got all"),
    ],
)
def test_values_that_make_no_sense_are_refused(
    given: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options_of(*given)
    assert complaint in capsys.readouterr().err


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadSettings, match="--class-threshold is given twice for the class 'car'"):
        options_of("--class-threshold", "car=0.5", "--class-threshold", "car=0.6")
    with pytest.raises(BadSettings, match="--class-threshold is given twice for all classes"):
        options_of("--class-threshold", "0.5", "--class-threshold", "0.6")
    with pytest.raises(BadSettings, match="--background-label is given without --background"):
        options_of("--background-label", "other")


@pytest.mark.parametrize(
    ("given", "searches", "message", "remedy"),
    [
        (
            ["--class-threshold", "caar=0.5"],
            False,
            "--class-threshold names 'caar', which is no class",
            "Did you mean car?",
        ),
        (["--class-threshold", "zebra=0.5"], False, "names 'zebra'", "It has: red, other, car, bus."),
        (["--background", "Car"], False, "The background word 'Car' is a class", "Leave it out of --background"),
        (
            ["--background", "sky", "--background-label", "none"],
            False,
            "--background-label names 'none'",
            "It has: red",
        ),
        (["--class-threshold", "0.5"], True, "A search for a text drops no masks", "or --text"),
    ],
)
def test_options_that_do_not_fit_the_labeling_config_are_refused(
    given: list[str], searches: bool, message: str, remedy: str
) -> None:
    with pytest.raises(BadSettings) as caught:
        check_class_options(options_of(*given), CARS, searches=searches)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_options_that_fit_the_labeling_config_are_taken() -> None:
    given = ["--class-threshold", "car=0.5", "--background", "wall,sky", "--background-label", "other"]
    check_class_options(options_of(*given), CARS)
    check_class_options(options_of("--keep", "wholes", "--min-area", "4"), NO_LABEL, searches=True)


def test_a_threshold_needs_classes_that_compete() -> None:
    with pytest.raises(BadSettings, match="a single class, which every mask has with probability 1"):
        check_class_options(options_of("--class-threshold", "0.5"), ONE_LABEL)
    check_class_options(options_of("--class-threshold", "0.5", "--background", "wall"), ONE_LABEL)
    with pytest.raises(BadSettings, match="no class that CLIP could find"):
        check_class_options(options_of("--background", "wall"), NO_LABEL)


def test_classes_need_a_clip_that_reads_the_words() -> None:
    options = options_of("--background", "wall")
    with pytest.raises(BadSettings, match="No CLIP model is loaded, so no mask can be dropped for its class"):
        check_classes_are_known(options, ImageLabeler(FakeSegmenter(), None))
    lexicon = Lexicon(frozenset({"car", "bus"}), "The demo knows cars and buses.", "the car")
    with pytest.raises(BadSettings, match=r"cars and buses\. They cannot read the words of --background"):
        check_classes_are_known(options, ImageLabeler(FakeSegmenter(), FakeClassifier(lexicon=lexicon)))
