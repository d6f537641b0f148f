"""Stories of settings that a project makes for itself, in its labeling config or in the extra params."""

from __future__ import annotations

import json

from scripts.comparing_answers.clicking import Story
from scripts.comparing_answers.conversation import Conversation
from scripts.comparing_answers.interfaces import ALL_SHAPES, BRUSH, ELLIPSE, POLYGON, Interface
from scripts.comparing_answers.opening import setup
from scripts.comparing_answers.page import Page
from scripts.comparing_answers.pictures import Picture

IN_CONFIG: tuple[tuple[Interface, dict[str, object]], ...] = (
    (ALL_SHAPES, {"answer": "polygon", "polygon_tolerance": 4}),
    (ALL_SHAPES, {"answer": "ellipse"}),
    (ALL_SHAPES, {"answer": "bitmask", "clean_masks": False}),
    (BRUSH, {"auto_label": True, "clip_threshold": 0.35}),
    (BRUSH, {"templates": ["a drawing of a {}.", "{}"], "clip_threshold": "0.2"}),
    (ELLIPSE, {"choices_threshold": 0.02}),
)


def settle_in_config(talk: Conversation, picture: Picture, turn: int) -> None:
    """Each setting is seen in the answer to a click."""
    for place, (interface, settings) in enumerate(IN_CONFIG):
        own = interface.with_settings(json.dumps(settings), 30 + place + 100 * turn)
        thing = picture.things[place % len(picture.things)]
        Page(talk, own, picture).click(f"setting, {next(iter(settings))}", thing.inside, thing.colour)


def settle_in_extra_params(talk: Conversation, picture: Picture, turn: int) -> None:
    """Extra params as an object and as a text count over the config, until they are taken back."""
    own = POLYGON.with_settings('{"polygon_tolerance": 8}', 40 + 100 * turn)
    thing = picture.things[1]
    for extra_params in ({"polygon_tolerance": 0.5}, '{"auto_label": true}', None):
        setup(talk, "setup", own, extra_params)
        Page(talk, own, picture).click("setting, extra params", thing.inside, picture.things[3].colour)


STORIES: tuple[Story, ...] = (settle_in_config, settle_in_extra_params)
