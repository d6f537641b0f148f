from __future__ import annotations

import json
import re
from typing import Any

import pytest

from backend.errors import BadProjectSettings
from backend.projects import ProjectSettings
from backend.projects.project_settings import parse_extra_params, parse_project_settings
from tests.paths import DOCS

TEMPLATES_REMEDY = "Set templates to at most 32 strings with one {} each, such as 'a photo of a {}.'."


def test_json_values_are_parsed() -> None:
    settings = parse_project_settings(
        {
            "answer": "polygon",
            "auto_label": True,
            "clip_threshold": 0.25,
            "choices_threshold": 1,
            "templates": ["a photo of a {}.", "{}"],
            "polygon_tolerance": 2,
            "clean_masks": False,
            "prefetch": 4,
            "text_prompt": "query",
        }
    )
    assert settings == ProjectSettings("polygon", True, 0.25, 1.0, ("a photo of a {}.", "{}"), 2.0, False, 4, "query")


def test_strings_are_parsed_like_json_values() -> None:
    texts = {"auto_label": "TRUE", "clip_threshold": " 0.25 ", "templates": "a {}| the {} ", "prefetch": "4"}
    assert parse_project_settings(texts | {"polygon_parts": " ALL ", "max_points": "30"}) == ProjectSettings(
        auto_label=True,
        clip_threshold=0.25,
        templates=("a {}", "the {}"),
        prefetch=4,
        polygon_parts="all",
        max_points=30,
    )


def test_a_setting_that_is_missing_or_null_has_its_default() -> None:
    read = parse_project_settings({"prefetch": None, "polygon_tolerance": None, "clip_threshold": 0.1})
    assert read == ProjectSettings(clip_threshold=0.1)
    assert (read.prefetch, read.polygon_tolerance, read.clean_masks) == (None, 1.0, True)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("clip_threshold", 1.7, "clip_threshold is 1.7. Set clip_threshold to a number from 0 to 1."),
        ("clip_threshold", True, "clip_threshold is true. Set clip_threshold to a number from 0 to 1."),
        ("clip_threshold", float("nan"), "clip_threshold is NaN. Set clip_threshold to a number from 0 to 1."),
        ("choices_threshold", -0.1, "choices_threshold is -0.1. Set choices_threshold to a number from 0 to 1."),
        ("polygon_tolerance", "wide", 'polygon_tolerance is "wide". Set polygon_tolerance to a number from 0 to 100.'),
        ("polygon_parts", "some", 'polygon_parts is "some". Set polygon_parts to main or all.'),
        ("max_points", 3, "max_points is 3. Set max_points to a whole number from 4 to 10000."),
        ("prefetch", 2.5, "prefetch is 2.5. Set prefetch to a whole number from 0 to 100."),
        ("prefetch", 10**400, f"prefetch is 1{'0' * 58}…. Set prefetch to a whole number from 0 to 100."),
        ("auto_label", "maybe", 'auto_label is "maybe". Set auto_label to true or false.'),
        ("clean_masks", 1, "clean_masks is 1. Set clean_masks to true or false."),
        ("answer", "mesh", 'answer is "mesh". Set answer to one of brush, bitmask, polygon, rectangle, ellipse.'),
        ("text_prompt", " ", 'text_prompt is " ". Set text_prompt to the name of a TextArea in the labeling config.'),
        (
            "templates",
            ["a photo"],
            f'templates is ["a photo"]. {TEMPLATES_REMEDY}',
        ),
        (
            "templates",
            "{} {0}",
            f'templates is "{{}} {{0}}". {TEMPLATES_REMEDY}',
        ),
    ],
)
def test_an_invalid_value_is_named_with_the_allowed_ones(key: str, value: Any, message: str) -> None:
    with pytest.raises(BadProjectSettings) as caught:
        parse_project_settings({key: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("autolabel", "Unknown project setting 'autolabel'. Did you mean auto_label?"),
        ("clipThreshold", "Unknown project setting 'clipThreshold'. Did you mean clip_threshold"),
        ("xyz", "Unknown project setting 'xyz'. The settings are answer, auto_label, clip_threshold,"),
    ],
)
def test_the_error_for_an_unknown_key_suggests_similar_keys(key: str, message: str) -> None:
    with pytest.raises(BadProjectSettings) as caught:
        parse_project_settings({key: 1})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("empty", [None, "", "  ", {}, "{}", "null"])
def test_empty_extra_params_have_no_settings(empty: Any) -> None:
    assert parse_extra_params(empty) == {}


@pytest.mark.parametrize("extra_params", [{"prefetch": 3}, '{"prefetch": 3}'])
def test_extra_params_are_an_object_or_a_string(extra_params: Any) -> None:
    assert parse_extra_params(extra_params) == {"prefetch": 3}


@pytest.mark.parametrize(
    ("extra_params", "message"),
    [
        ("auto_label=1", "The extra params are not valid JSON: 'auto_label=1'."),
        ("[1]", "The extra params must be a JSON object, but are a JSON list."),
        (7, "The extra params must be a JSON object, but are a JSON int."),
        (
            '{"templates": ' + "[" * 950 + "]" * 950 + "}",
            """The extra params are nested more than 100 levels deep: '{"templates": """ + "[" * 45 + "…'.",
        ),
        (r'{"text_prompt": "\ud800"}', r"""The extra params are not valid JSON: '{"text_prompt": "\\ud800"}'."""),
        ("[" * 100_000, "The extra params are not valid JSON: '" + "[" * 59 + "…'."),
    ],
)
def test_extra_params_other_than_objects_are_rejected(extra_params: Any, message: str) -> None:
    with pytest.raises(BadProjectSettings) as caught:
        parse_extra_params(extra_params)
    assert caught.value.message == message
    assert caught.value.remedy == 'Write a JSON object such as {"auto_label": true}.'


def test_changed_has_the_settings_that_differ_from_the_default() -> None:
    changed = ProjectSettings(templates=("a {}",), prefetch=0).changed()
    assert changed == {"templates": ["a {}"], "prefetch": 0}
    assert parse_project_settings(changed) == ProjectSettings(templates=("a {}",), prefetch=0)


def test_the_documentation_has_every_setting_with_its_default() -> None:
    text = (DOCS / "project_settings.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| `")]
    assert table == [
        f"| `{name}` | `{default}` | {about} |" for name, default, about in ProjectSettings.documentation()
    ]


def test_the_examples_of_the_documentation_are_valid_settings() -> None:
    text = (DOCS / "project_settings.md").read_text(encoding="utf-8")
    in_config = re.search(r"<!-- backend: (.*?) -->", text)
    in_form = re.search(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert parse_project_settings(json.loads(in_config[1])) == ProjectSettings(auto_label=True, polygon_tolerance=2)
    templates = ("an aerial photo of a {}.", "a {} seen from above.")
    assert parse_project_settings(parse_extra_params(in_form[1])) == ProjectSettings(
        auto_label=True, templates=templates
    )
