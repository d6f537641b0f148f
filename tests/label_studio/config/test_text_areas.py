"""The text areas that settings name."""

from __future__ import annotations

import pytest

from backend.errors import BadConfig
from backend.label_studio.config import (
    MessageLine,
    check_messages,
    check_text_prompt,
    find_message_line,
    parse_labeling_config,
)
from tests.fakes import CONFIG

AREAS = '<TextArea name="says" toName="img"/><TextArea name="note" toName="img" perRegion="true"/>'
PAGE = parse_labeling_config(CONFIG.replace("</View>", f"{AREAS}</View>"))
TWO = parse_labeling_config(
    """<View><Image name="left" value="$a"/><Image name="right" value="$b"/>
    <BrushLabels name="bl" toName="left"><Label value="cat"/></BrushLabels>
    <BrushLabels name="br" toName="right"><Label value="cat"/></BrushLabels>
    <TextArea name="one" toName="right"/><TextArea name="both" toName="left,right"/></View>"""
)


@pytest.mark.parametrize("name", ["note", "nothing"])
def test_messages_must_name_a_text_area_for_the_image(name: str) -> None:
    with pytest.raises(BadConfig) as refused:
        check_messages(PAGE, name)
    problem = f'The setting messages is "{name}", but no TextArea without perRegion has that name'
    assert refused.value.message == f"{problem} (available: says)."
    assert refused.value.remedy.startswith(f'Add <TextArea name="{name}" toName="img"/>, or use another name.')


def test_the_text_prompt_cannot_be_the_message_line() -> None:
    check_text_prompt(PAGE, "says")
    check_messages(PAGE, "says", None)
    with pytest.raises(BadConfig, match='The settings messages and text_prompt both name the TextArea "says"'):
        check_messages(PAGE, "says", "says")
    check_messages(PAGE, None, None)


@pytest.mark.parametrize(
    ("name", "clicked", "holder"),
    [
        ("one", "left", "right"),
        ("one", "right", "right"),
        ("both", "left", "left"),
        ("both", "right", "right"),
        ("both", "elsewhere", "left"),
    ],
)
def test_the_line_belongs_to_the_image_that_was_clicked_if_it_can(name: str, clicked: str, holder: str) -> None:
    assert find_message_line(TWO, name, frozenset([clicked])) == MessageLine(name, holder)


def test_without_the_setting_or_its_area_there_is_no_line() -> None:
    assert find_message_line(TWO, None, frozenset()) is None
    assert find_message_line(TWO, "none", frozenset(["left"])) is None


def test_the_line_may_belong_to_an_object_of_its_own() -> None:
    own = """<Text name="backend" value="Backend"/><TextArea name="says" toName="backend"/>
        <TextArea name="note" toName="backend" perRegion="true"/>"""
    page = parse_labeling_config(CONFIG.replace("</View>", f"{own}</View>"))
    check_messages(page, "says")
    assert find_message_line(page, "says", frozenset({"img"})) == MessageLine("says", "backend")
    with pytest.raises(BadConfig):
        check_messages(page, "note")
    with pytest.raises(BadConfig, match="text_prompt"):  # what is typed there is not about an image
        check_text_prompt(page, "says")
