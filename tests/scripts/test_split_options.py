"""Options of splits: what is refused, and what they build."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from backend.errors import BadSettings
from scripts.exporting.splits import add_split_options, build_split_stream, parse_fractions, split_names
from tests.export.test_split_images import image


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_split_options(parser)
    return parser.parse_args(options)


def test_fractions_are_named_in_the_usual_order_whatever_order_they_are_given_in() -> None:
    fractions = parse_fractions("test=0.1, train=0.8,val=0.1")
    assert list(fractions.items()) == [("train", 0.8), ("val", 0.1), ("test", 0.1)]
    assert str(fractions) == "train=0.8,val=0.1,test=0.1"
    assert parse_fractions(str(fractions)) == fractions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train=0.8,val=0.1", "the fractions must be 1 together, but are 0.9"),
        ("train=0.8,dev=0.2", 'unknown split "dev"; the splits are train, val, test'),
        ("", 'unknown split ""; the splits are train, val, test'),
        ("train=0.5,train=0.5", "train is given twice"),
        ("train=a", 'the fraction of train is "a"; give for instance 0.8'),
        ("train", "the fraction of train is missing; give for instance 0.8"),
        ("train=1,val=0", "the fraction of val must be above 0 and at most 1, but is 0"),
        ("train=nan", "the fraction of train must be above 0 and at most 1, but is nan"),
        ("train=1.5,val=-0.5", "the fraction of train must be above 0 and at most 1, but is 1.5"),
    ],
)
def test_other_fractions_are_refused(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--split", text)
    assert said in capsys.readouterr().err


def test_the_options_split_the_stream(tmp_path: Path) -> None:
    arguments = parse("--split", "train=0.5,test=0.5", "--seed", "3", "--group-by", "video")
    assert split_names(arguments) == ("train", "test")
    images = [image(number, video=number // 10) for number in range(20)]
    split = [one.split for one in build_split_stream(arguments)(iter(images), tmp_path)]
    assert sorted([split[:10], split[10:]]) == [["test"] * 10, ["train"] * 10]


def test_without_split_the_stream_stays_as_it_is(tmp_path: Path) -> None:
    images = [image(1)]
    assert list(build_split_stream(parse())(iter(images), tmp_path)) == images
    assert split_names(parse()) == ()


@pytest.mark.parametrize("option", ["--seed", "--group-by"])
def test_an_option_that_would_have_no_effect_is_refused(option: str) -> None:
    with pytest.raises(BadSettings, match=f"{option} has no effect without --split"):
        build_split_stream(parse(option, "1"))
