from __future__ import annotations

import pytest

from backend.errors import BadSettings
from backend.settings import Settings


def test_an_empty_environment_gives_the_demo_models_without_redis() -> None:
    settings = Settings.from_environment({})
    assert (settings.sam_model, settings.clip_model, settings.redis_url) == ("demo", "demo-clip", "")


def test_values_are_parsed_by_the_type_of_their_default() -> None:
    settings = Settings.from_environment(
        {"TOP_K": " 3 ", "AUTO_LABEL": "Yes", "IMAGE_TIMEOUT_SECONDS": "1.5", "IMAGE_ALLOWED_HOSTS": "A.org, b.org:80,"}
    )
    assert settings.top_k == 3
    assert settings.auto_label is True
    assert settings.image_timeout_seconds == 1.5
    assert settings.image_allowed_hosts == {"a.org", "b.org:80"}


def test_an_empty_variable_means_the_default() -> None:
    assert Settings.from_environment({"TOP_K": ""}).top_k == Settings().top_k


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("TOP_K", "many", "TOP_K is 'many', which is not of type int."),
        ("AUTO_LABEL", "maybe", "AUTO_LABEL is 'maybe', which is not of type bool."),
        ("TOP_K", "0", "TOP_K is '0', under its minimum of 1."),
    ],
)
def test_a_bad_value_is_named_with_its_variable(name: str, text: str, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({name: text})
    assert caught.value.message == says
    assert caught.value.remedy.startswith((f"Set {name} to", f"{name} means: "))
