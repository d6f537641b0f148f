"""Which keys a task's data needs, as Label Studio finds them in a labeling config."""

from __future__ import annotations

import pytest

from backend.label_studio.config import data_keys


@pytest.mark.parametrize(
    ("tags", "keys"),
    [
        ('<Image name="i" value="$image"/>', ["image"]),
        ('<Image name="i" value="$photo"/><Image name="j" value="$photo"/>', ["photo"]),
        ('<Image name="i" value="$image"/><Text name="t" value="$caption"/>', ["image", "caption"]),
        ('<Image name="i" value="$image"/><Header value="$title"/>', ["image"]),
        ('<Image name="i" value="$image"/><Text name="t" value="By $author, $year"/>', ["image", "author"]),
        (
            '<!-- $x --><Image name="i" value="$image"/><Labels name="l" toName="i"><Label value="$5"/></Labels>',
            ["image"],
        ),
    ],
)
def test_the_keys_of_named_tags_count(tags: str, keys: list[str]) -> None:
    assert data_keys(f"<View>{tags}</View>") == keys
