"""The result that shows a message on the page."""

from __future__ import annotations

import numpy as np
import pytest

from backend.label_studio.config import MessageLine, parse_labeling_config
from backend.label_studio.results import (
    LabeledRegion,
    build_message,
    build_results,
    count_left_out,
    is_own_id,
    join_remedy,
    parse_image_choices,
    parse_regions,
)

PAGE = parse_labeling_config(
    """<View><Labels name="label" toName="img"><Label value="cat"/></Labels><Image name="img" value="$a"/>
    <KeyPoint name="point" toName="img"/><Brush name="brush" toName="img"/>
    <TextArea name="says" toName="img"/></View>"""
).images[0]
LINE = MessageLine("says", "img")


def test_every_message_has_the_same_id_which_no_region_has() -> None:
    first, second = build_message(LINE, "One."), build_message(LINE, "Two.")
    assert first["id"] == second["id"]
    assert not is_own_id(first["id"])
    assert first["value"] == {"text": ["One."]}


def test_nothing_to_say_is_an_empty_list_which_clears_the_line() -> None:
    assert build_message(LINE, "")["value"] == {"text": []}


@pytest.mark.parametrize("text", ["a\nb", "\u202ea", "x" * 1000])
def test_a_message_is_one_short_printable_line(text: str) -> None:
    (shown,) = build_message(LINE, text)["value"]["text"]
    assert shown.isprintable()
    assert len(shown) <= 120


def test_a_long_problem_is_cut_before_its_remedy() -> None:
    remedy = "Pick a label before you click."
    assert join_remedy("A prompt has no label.", remedy) == f"A prompt has no label. {remedy}"
    joined = join_remedy("p" * 500, remedy)
    assert joined.endswith(f"… {remedy}") and len(joined) == 120
    both = join_remedy("p" * 500, "r" * 500)
    assert both.startswith("p" * 39 + "… r") and len(both) == 120


@pytest.mark.parametrize("texts", [["red ring, 97 %."], []])
def test_a_saved_message_is_no_region_with_or_without_the_label_that_the_page_gives_it(texts: list[str]) -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 1:3] = True
    plain = build_results([LabeledRegion(mask, "cat", "a1", 0.5, notes=("edge unclear",))], PAGE)
    message = build_message(LINE, "x") | {"value": {"text": texts}}
    label = message | {"type": "labels", "from_name": "label", "value": {"text": texts, "labels": ["cat"]}}
    for said in ([message], [message, label]):
        for saved in ([*said, *plain], [*plain, *said]):
            (region,) = parse_regions(saved, PAGE)
            assert (region.region_id, region.label, region.notes) == ("a1", "cat", ("edge unclear",))
            assert np.array_equal(region.mask, mask)
            assert not count_left_out(saved, PAGE)
            assert parse_image_choices(saved, PAGE) == {}
