from __future__ import annotations

import pytest

from backend.errors import BadConfig, BadProjectSettings
from backend.label_studio.config import read_config_settings


def test_a_comment_that_starts_with_backend_is_read_wherever_it_stands() -> None:
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
def test_anything_else_is_no_setting(xml: str) -> None:
    assert read_config_settings(xml) == {}


@pytest.mark.parametrize(
    ("comment", "says"),
    [
        ("backend: auto_label", "The comment backend: in the labeling config is 'auto_label', which is not JSON."),
        ("backend: [1]", "The comment backend: in the labeling config is '[1]', not a JSON object."),
    ],
)
def test_a_comment_that_is_no_json_object_is_refused(comment: str, says: str) -> None:
    with pytest.raises(BadProjectSettings) as caught:
        read_config_settings(f"<View><!-- {comment} --></View>")
    assert caught.value.message == says
    assert caught.value.remedy.startswith('Write <!-- backend: {"auto_label": true} -->')


def test_broken_and_unsafe_xml_is_refused() -> None:
    for xml in ("<View><!-- backend: {} -->", '<!DOCTYPE a [<!ENTITY b "c">]><View><!-- backend: {} --></View>'):
        with pytest.raises(BadConfig, match="is not XML that can be read"):
            read_config_settings(xml)
