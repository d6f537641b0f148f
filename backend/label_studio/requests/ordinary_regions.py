"""Which results of a context are prompts, and which are ordinary regions that leaked in.

After a smart click Label Studio sends every region of the same kind, label and image, those of the ordinary tools and
of earlier sessions, too (its editor, `getConnectedDynamicRegions`, asks whether the click was smart where it should ask
whether the region was). What the payload says about a region; the first row that fits decides:

| evidence                                                | it is                                                  |
|---------------------------------------------------------|--------------------------------------------------------|
| its id is in an annotation of the task                  | ordinary: it was submitted                             |
| its id is in a draft, as a key point without the mark   | ordinary                                               |
| `origin` is prediction or prediction-changed            | ordinary: a model's region, copied into the annotation |
| a rectangle with an id that this backend makes          | ordinary: an accepted answer, in the prompt's control  |
| a key point with the mark, which is `is_positive`       | a prompt: the editor writes it for smart ones alone    |
| a key point without it, beside others that have it      | ordinary                                               |
| its control has smart="false" and not smartOnly="true"  | ordinary                                               |
| anything else                                           | a prompt                                               |

So key points from Label Studio are always told apart. Rectangles bear no mark: an ordinary one that was drawn in this
session and not submitted is taken for a prompt, unless its control is `smartOnly="true"`, which has no ordinary tool.
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

MARK = "is_positive"


def drop_leaks(context: Sequence[Result], document: Mapping[str, Any], config: ImageConfig) -> list[Result]:
    """The prompts among the results of a context, in their order.

    Args:
        context: `context.result`; what is not an object stays, for the parser to refuse.
        document: The task; its annotations and drafts are only searched for the ids in `context`.
        config: Says which controls are smart.
    """
    old = submitted_ids(ids_of(context), document)
    old |= _found(ids_of(context), document.get("drafts"), _is_plain_keypoint)
    is_marked = any(isinstance(result, Mapping) and MARK in result for result in context)
    return [
        result
        for result in context
        if not isinstance(result, Mapping)
        or not (str(result.get("id")) in old or is_ordinary(result, config, others_are_marked=is_marked))
    ]


def is_ordinary(result: Result, config: ImageConfig, *, others_are_marked: bool) -> bool:
    """Whether a result says by itself that it is no prompt."""
    kind = kind_of_region(result)
    is_own = kind == RECTANGLE and is_own_id(result.get("id"))
    if is_own or str(result.get("origin", "")).startswith("prediction"):
        return True
    if kind == KEYPOINT and (MARK in result or others_are_marked):
        return MARK not in result
    control = config.control(str(result.get("from_name")))
    return control is not None and not control.smart


def submitted_ids(ids: set[str], document: Mapping[str, Any]) -> set[str]:
    """Those of the ids that are in an annotation of the task."""
    return _found(ids, document.get("annotations"), lambda _: True)


def _found(ids: set[str], documents: object, counts: Callable[[Result], bool]) -> set[str]:
    if not ids:
        return set()
    return {
        str(result.get("id"))
        for document in objects_of(documents)
        for result in results_of(document)
        if str(result.get("id")) in ids and counts(result)
    }


def _is_plain_keypoint(result: Result) -> bool:
    return kind_of_region(result) == KEYPOINT and MARK not in result
