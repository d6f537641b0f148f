"""Commands for the whole image, typed into the text prompt in place of what to look for.

| typed                                                     | request                                             |
|-----------------------------------------------------------|-----------------------------------------------------|
| everything, all, all objects                              | `FindEverything`                                    |
| like this, like these, more like this, more like these    | `FindLike`                                          |
| tighter, smaller                                          | `ResizeLast(grows=False)`                           |
| looser, larger                                            | `ResizeLast(grows=True)`                            |
| help, ?                                                   | `ShowHelp`                                          |
| a class of the project, whatever it is called             | `FindText`                                          |
| any other text                                            | `FindText`                                          |

Upper case, spaces and a full stop do not matter. None of these words names an object, so none is lost as a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.label_studio.config import ImageConfig
from backend.label_studio.requests.accepted_regions import find_accepted, find_own, has_prompts
from backend.label_studio.requests.request import FindEverything, FindLike, FindText, ResizeLast, ShowHelp, TypedRequest
from backend.label_studio.results import Result

EVERYTHING = {"everything", "all", "all objects"}
LIKE_THIS = {"like this", "like these", "more like this", "more like these"}
TIGHTER = {"tighter", "smaller"}
LOOSER = {"looser", "larger"}
HELP = {"help", "?"}


def parse_typed(
    text: str, document: Mapping[str, Any], config: ImageConfig, context: Sequence[Result] = ()
) -> TypedRequest:
    """Return the request that a typed text stands for; see the table above.

    Args:
        text: As it was typed.
        document: The task, with its drafts and annotations.
        config: Of the image that the text prompt belongs to.
        context: Results of the request for the whole image, the text among them.
    """
    words = _fold(text)
    is_class = words in {_fold(name) for name in _class_names(config)}
    if words in LIKE_THIS and not is_class:
        return FindLike(find_accepted(document, config))
    if words in HELP and not is_class:
        return ShowHelp()
    own = find_own(document, config, context)
    if words in EVERYTHING and not is_class:
        return FindEverything(own)
    if words in TIGHTER | LOOSER and not is_class:
        return ResizeLast(words in LOOSER, own, has_prompts(document, config))
    return FindText((text,), accepted=own)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".! ")


def _class_names(config: ImageConfig) -> list[str]:
    classes = [*config.answer_classes, *(label for control in config.region_choices for label in control.labels)]
    return [name for one in classes for name in (one.name, *one.synonyms)]
