"""Texts that a person typed into a text area of the page, as Label Studio sends them.

A text area for the whole image (without perRegion) calls the backend each time a text is added to it or edited, with
Auto-Annotation on or with smartOnly="true" also without. The context then holds everything that was answered for the
whole image, and all texts of the area:

    {"type": "textarea", "from_name": "find", "to_name": "image", "id": …, "value": {"text": ["red car", "tree"]}}
    {"type": "choices", "from_name": "weather", "to_name": "image", "id": …, "value": {"choices": ["sunny"]}}

Nothing in it says which area or which text is the new one. What was saved of the area (the newest draft is some seconds
old; without a draft, an annotation) does, under the same id:

| the text area                                 | what is asked for                 |
|-----------------------------------------------|-----------------------------------|
| has texts that were not saved                 | the last of these                 |
| is as it was saved, and so are all others     | its last text                     |
| is as it was saved, and another one is not    | nothing: the other one was meant  |
| has lost a text and got none                  | nothing                           |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Any

from backend.errors import BadRequest, shorten
from backend.label_studio.requests.draft_prompts import newest_draft
from backend.label_studio.requests.prompts import SEND_REMEDY
from backend.label_studio.results import (
    KEYPOINT,
    RECTANGLE,
    Result,
    json_type_of,
    kind_of_region,
    objects_of,
    results_of,
    value_of,
)

TEXT_AREA = "textarea"


def holds_texts(context: Sequence[Result]) -> bool:
    """Whether a context comes from a text area and not from a smart tool, whose regions may bear texts of their own."""
    kinds = {kind_of_region(result) for result in context if isinstance(result, Mapping)}
    return TEXT_AREA in kinds and not kinds & {KEYPOINT, RECTANGLE}


def parse_texts(context: Sequence[Result], document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The text that is asked for in each text area, as pairs of the area's name and the text; see the table above.

    Args:
        context: `context.result`.
        document: The task, with its drafts and annotations.

    Raises:
        BadRequest: A text area without a list of texts.
    """
    areas = _text_areas(context)
    known = _known_texts(document, {str(area.get("id")) for area in areas})
    asked, changed = [], False
    for area in areas:
        texts, before = _texts(area), known.get(str(area.get("id")), [])
        added = Counter(texts) - Counter(before)
        changed |= Counter(texts) != Counter(before)
        asked.append((str(area.get("from_name")), _last(texts, added), bool(added)))
    return tuple((name, text) for name, text, is_new in asked if text is not None and (is_new or not changed))


def _known_texts(document: Mapping[str, Any], ids: set[str]) -> dict[str, list[str]]:
    """The texts that are saved under these ids, in the newest draft or, without one, in annotations."""
    draft = newest_draft(document)
    saved = [draft] if draft is not None else objects_of(document.get("annotations"))
    areas = [area for one in saved for area in _text_areas(results_of(one)) if str(area.get("id")) in ids]
    return {str(area.get("id")): _texts(area) for area in areas}


def _last(texts: Sequence[str], added: Container[str]) -> str | None:
    """The last of the added texts, else the last; None where there is none."""
    return next((text for text in reversed(texts) if text in added), texts[-1] if texts else None)


def _text_areas(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if isinstance(result, Mapping) and result.get("type") == TEXT_AREA]


def _texts(result: Result) -> list[str]:
    texts = value_of(result).get("text")
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return texts
    name = shorten(result.get("from_name"))
    message = f'The text area "{name}" has "text" {json_type_of(texts)}, not a list of texts.'
    raise BadRequest(message, remedy=SEND_REMEDY)
