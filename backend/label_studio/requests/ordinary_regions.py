"""Filter that separates the prompts of a context from ordinary regions.

After a smart click Label Studio sends every region of the same kind, label and image, including regions drawn with
ordinary tools or in earlier sessions (its editor, `getConnectedDynamicRegions`, checks whether the click was smart when
it should check whether the region was). The first row that matches decides:

| evidence                                                  | the region is                                          |
|-----------------------------------------------------------|--------------------------------------------------------|
| its id is in an annotation of the task                    | ordinary: it was submitted                             |
| its id is in a draft, as a keypoint without `is_positive` | ordinary                                               |
| `origin` is prediction or prediction-changed              | ordinary: a model's region, copied into the annotation |
| a rectangle with an id that this backend makes            | ordinary: an accepted answer, in the prompt's control  |
| a keypoint with `is_positive`                             | a prompt: the editor writes it for smart ones only     |
| a keypoint without it, next to others that have it        | ordinary                                               |
| its control has smart="false" and not smartOnly="true"    | ordinary                                               |
| anything else                                             | a prompt                                               |

Keypoints from Label Studio are therefore always classified correctly. Rectangles have no such field: an ordinary one
that was drawn in this session and not submitted is taken for a prompt, unless its control has `smartOnly="true"` and
thus no ordinary tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backend.label_studio.config import ImageConfig
from backend.label_studio.results import (
    KEYPOINT,
    RECTANGLE,
    Result,
    ids_of,
    is_own_id,
    kind_of_region,
    objects_of,
    results_of,
)

SMART_KEY = "is_positive"  # only smart keypoints have it


def drop_ordinary_regions(context: Sequence[Result], document: Mapping[str, Any], config: ImageConfig) -> list[Result]:
    """Return the prompts among the results of a context, in their order.

    Args:
        context: `context.result`. Elements that are not objects are kept, so that the parser rejects them.
        document: The task; its annotations and drafts are only searched for the ids in `context`.
        config: Tells which controls are smart.
    """
    ordinary_ids = submitted_ids(ids_of(context), document)
    ordinary_ids |= _ids_in(document.get("drafts"), ids_of(context), _is_plain_keypoint)
    has_smart_keys = any(isinstance(result, Mapping) and SMART_KEY in result for result in context)
    return [
        result
        for result in context
        if not isinstance(result, Mapping)
        or not (
            str(result.get("id")) in ordinary_ids or is_ordinary(result, config, others_have_smart_key=has_smart_keys)
        )
    ]


def is_ordinary(result: Result, config: ImageConfig, *, others_have_smart_key: bool) -> bool:
    """Whether the result's own fields show that it is not a prompt."""
    kind = kind_of_region(result)
    is_own = kind == RECTANGLE and is_own_id(result.get("id"))
    if is_own or str(result.get("origin", "")).startswith("prediction"):
        return True
    if kind == KEYPOINT and (SMART_KEY in result or others_have_smart_key):
        return SMART_KEY not in result
    control = config.control(str(result.get("from_name")))
    return control is not None and not control.smart


def submitted_ids(ids: set[str], document: Mapping[str, Any]) -> set[str]:
    """Return those of the ids that are in an annotation of the task."""
    return _ids_in(document.get("annotations"), ids, lambda _: True)


def _ids_in(documents: object, ids: set[str], matches: Callable[[Result], bool]) -> set[str]:
    """Return those of the ids that a matching result in the documents has."""
    if not ids:
        return set()
    return {
        str(result.get("id"))
        for document in objects_of(documents)
        for result in results_of(document)
        if str(result.get("id")) in ids and matches(result)
    }


def _is_plain_keypoint(result: Result) -> bool:
    return kind_of_region(result) == KEYPOINT and SMART_KEY not in result
