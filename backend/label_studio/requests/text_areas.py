"""Parser of texts that an annotator typed into a text area of the page.

A text area for the whole image (without perRegion) calls the backend each time a text is added or edited, if
Auto-Annotation is on or the area has smartOnly="true". The context then holds all results for the whole image,
including all texts of the area:

    {"type": "textarea", "from_name": "find", "to_name": "image", "id": …, "value": {"text": ["red car", "tree"]}}
    {"type": "choices", "from_name": "weather", "to_name": "image", "id": …, "value": {"choices": ["sunny"]}}

It does not tell which area or which text is new. This follows from comparing each area with the saved one that has the
same id, in the newest draft, which is some seconds old, or in an annotation if there is no draft:

| the text area                              | the text to answer                     |
|--------------------------------------------|----------------------------------------|
| has texts that are not saved               | the last of them                       |
| equals the saved one, and so do all others | its last text                          |
| equals the saved one, but another does not | none: the other area has the new text  |
| lost a text and got none                   | none                                   |
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


def drop_messages(context: Sequence[Any], name: str | None) -> Sequence[Any]:
    """Return the context without what this backend said in the text area of that name; unchanged for None."""
    if name is None:
        return context
    return [result for result in context if not _is_text_of(result, name)]


def shows_message(context: Sequence[Any], document: object, name: str) -> bool:
    """Whether the page shows a text in the area that this backend answers in, as far as context and draft tell.

    Args:
        document: The task; its newest draft is some seconds old.
    """
    draft = newest_draft(document) if isinstance(document, Mapping) else None
    return any(_is_text_of(result, name) and value_of(result).get("text") for result in (*context, *results_of(draft)))


def comes_from_text_area(context: Sequence[Result]) -> bool:
    """Whether a context comes from a text area and not from a smart tool, whose regions can have texts as well."""
    kinds = {kind_of_region(result) for result in context if isinstance(result, Mapping)}
    return TEXT_AREA in kinds and not kinds & {KEYPOINT, RECTANGLE}


def parse_texts(context: Sequence[Result], document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the name of each text area with a text to answer, and that text; see the table above.

    Args:
        context: `context.result`.
        document: The task, with its drafts and annotations.

    Raises:
        BadRequest: A text area without a list of texts.
    """
    areas = _text_areas(context)
    saved_texts = _saved_texts(document, {str(area.get("id")) for area in areas})
    candidates, changed = [], False
    for area in areas:
        texts, saved = _texts(area), saved_texts.get(str(area.get("id")), Counter())
        counts = Counter(texts)
        added = {text for text, count in counts.items() if count > saved[text]}
        changed |= counts != saved
        candidates.append((str(area.get("from_name")), _last(texts, added), bool(added)))
    return tuple((name, text) for name, text, is_new in candidates if text is not None and (is_new or not changed))


def _saved_texts(document: Mapping[str, Any], ids: set[str]) -> dict[str, Counter[str]]:
    """Count the texts saved under these ids: in the newest draft, or in annotations if there is no draft."""
    draft = newest_draft(document)
    sources = [draft] if draft is not None else objects_of(document.get("annotations"))
    areas = [area for source in sources for area in _text_areas(results_of(source)) if str(area.get("id")) in ids]
    texts = {str(area.get("id")): _texts(area) for area in areas}
    return {area_id: Counter(saved) for area_id, saved in texts.items()}


def _last(texts: Sequence[str], added: Container[str]) -> str | None:
    """Return the last of the added texts, or the last text if none was added; None if there are no texts."""
    return next((text for text in reversed(texts) if text in added), texts[-1] if texts else None)


def _is_text_of(result: object, name: str) -> bool:
    return isinstance(result, Mapping) and result.get("type") == TEXT_AREA and result.get("from_name") == name


def _text_areas(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if isinstance(result, Mapping) and result.get("type") == TEXT_AREA]


def _texts(result: Result) -> list[str]:
    texts = value_of(result).get("text")
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return texts
    name, kind = shorten(result.get("from_name")), json_type_of(texts)
    actual = f"{kind} with other values" if isinstance(texts, list) else kind
    message = f'"text" of the text area "{name}" must be a list of strings, but is {actual}.'
    raise BadRequest(message, remedy=SEND_REMEDY)
