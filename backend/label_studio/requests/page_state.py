"""What a request shows of the page it comes from: which prompts are on it, and what Label Studio has saved of it.

Label Studio tells the backend neither who clicks nor whether the last answer was accepted. These few facts decide what
can be said about it all the same: the ids of the prompts, which change when an answer is accepted or rejected, and the
newest draft, which belongs to the annotator who clicked (see `draft_prompts`) and names that user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.label_studio.requests.draft_prompts import newest_draft, saved_at
from backend.label_studio.results import KEYPOINT, RECTANGLE, Result, ids_of, kind_of_region, objects_of, results_of

MAX_KEY_CHARACTERS = 100


@dataclass(frozen=True)
class PageState:
    """State of the page at the time of a request.

    Attributes:
        project_key: The project as Label Studio sends it, "3.1795206950": its id and the time of its creation; "" if
            it is unknown.
        prompt_ids: Ids of the points and boxes in the context; none for a text prompt.
        user: Digest of the user whose draft the newest one is; "" without a draft.
        draft: Digest of the newest draft's id and time; "" without one.
        draft_ids: Ids of all results in the newest draft.
        annotations: Digest of the ids and times of the task's annotations; "" without any.
    """

    project_key: str = ""
    prompt_ids: frozenset[str] = frozenset()
    user: str = ""
    draft: str = ""
    draft_ids: frozenset[str] = frozenset()
    annotations: str = ""


def read_page(context: Sequence[Result], document: Mapping[str, Any], project_key: str = "") -> PageState:
    """Read the state of the page from a request.

    Args:
        context: `context.result`.
        document: The task, with its drafts and annotations.
        project_key: See `PageState`.
    """
    draft = newest_draft(document)
    prompts = [result for result in objects_of(list(context)) if kind_of_region(result) in (KEYPOINT, RECTANGLE)]
    user = None if draft is None else draft.get("user")
    versions = [saved_at(annotation) for annotation in objects_of(document.get("annotations"))]
    return PageState(
        project_key=project_key if len(project_key) <= MAX_KEY_CHARACTERS else "",
        prompt_ids=frozenset(ids_of(prompts)),
        user=_digest(user) if isinstance(user, (str, int)) and user != "" else "",
        draft="" if draft is None else _digest(saved_at(draft)),
        draft_ids=frozenset(ids_of(results_of(draft))),
        annotations=_digest(sorted(versions)) if versions else "",
    )


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()
