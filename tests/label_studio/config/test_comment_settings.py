from __future__ import annotations

import pytest

from backend.errors import BadConfig, BadProjectSettings
from backend.label_studio.config import read_config_settings


def test_a_comment_that_starts_with_backend_is_read_anywhere_in_the_document() -> None:
    xml = """<!-- backend: {"prefetch": 1, "auto_label": true} -->
    <View><!--Backend:{"prefetch": 2}--><Image name="i" value="$i"/><!-- the backend: {"prefetch": 3} --></View>"""
    assert read_config_settings(xml) == {"prefetch": 2, "auto_label": True}


@pytest.mark.parametrize(
    "xml",
    [
        "<View><Image name='i' value='$backend'/></View>",
        '<View><!-- {"data": {"backend": 1}} --></View>',
        "<View note='&lt;!-- backend: {} --&gt;'/>",
    ],
)
def test_other_text_is_not_read_as_settings(xml: str) -> None:
    assert read_config_settings(xml) == {}


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("backend: auto_label", "The backend: comment in the labeling config is not valid JSON: 'auto_label'."),
        ("backend: [1]", "The backend: comment in the labeling config is not a JSON object: '[1]'."),
    ],
)
def test_a_comment_without_a_json_object_is_rejected(comment: str, message: str) -> None:
    with pytest.raises(BadProjectSettings) as caught:
        read_config_settings(f"<View><!-- {comment} --></View>")
    assert caught.value.message == message
    assert caught.value.remedy.startswith('Write <!-- backend: {"auto_label": true} -->')


def test_malformed_and_unsafe_xml_is_rejected() -> None:
    for xml in ("<View><!-- backend: {} -->", '<!DOCTYPE a [<!ENTITY b "c">]><View><!-- backend: {} --></View>'):
        with pytest.raises(BadConfig, match="cannot be parsed as XML"):
            read_config_settings(xml)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"templates": ' + "[" * 100 + "]" * 100 + "}", "nested more than 100 levels deep"),
        ('{"templates": ' + "[" * 950 + "]" * 950 + "}", "nested more than 100 levels deep"),
        (r'{"text_prompt": "\ud800"}', "not valid JSON"),  # half of a surrogate pair
    ],
)
def test_settings_that_cannot_be_shown_are_rejected(text: str, problem: str) -> None:
    with pytest.raises(BadProjectSettings) as caught:
        read_config_settings(f"<View><!-- backend: {text} --></View>")
    assert caught.value.message.startswith(f"The backend: comment in the labeling config is {problem}: ")
