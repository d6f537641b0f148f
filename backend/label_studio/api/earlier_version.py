"""Deleting the predictions of an earlier model version where the new one has taken their place.

A prediction stays if an annotation was made from it (`parent_prediction`), if its task lacks the new version, or if its
task has a draft: who has a task open and submits it, names the prediction they started from, and Label Studio 1.23.2
refuses the annotation (HTTP 400, "Invalid pk") if it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.label_studio.api.client import LabelStudioClient
from backend.label_studio.api.task_listing import AnswerOf, TaskFilter, TaskListing

Json = Mapping[str, Any]


@dataclass
class Removal:
    """What became of the predictions of the earlier version.

    Attributes:
        deleted: Predictions that were deleted.
        reviewed: Predictions that were kept, because an annotation was made from them.
        drafted: Tasks whose predictions were kept, because somebody has begun to label them.
        waiting: Tasks whose predictions were kept, because they lack the new version.
    """

    deleted: int = 0
    reviewed: int = 0
    drafted: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        kept = [
            f"{count} {reason}"
            for count, reason in (
                (self.reviewed, "that annotations were made from"),
                (self.drafted, "in tasks with a draft"),
                (self.waiting, "in tasks without a new prediction"),
            )
            if count
        ]
        return f"deleted {self.deleted}" + (f", kept {', '.join(kept)}" if kept else "")


def delete_earlier_version(
    client: LabelStudioClient,
    project_id: int | str,
    old: str,
    new: str,
    *,
    answer_of: AnswerOf = lambda request: request(),
    show: Callable[[Iterable[Json]], Iterable[Json]] = lambda tasks: tasks,
) -> Removal:
    """Delete the predictions of the version `old` in tasks that have a prediction of the version `new`.

    Both names are compared exactly. It can be interrupted and repeated.

    Args:
        answer_of: See `TaskListing`.
        show: Passes the tasks on and shows the progress.

    Raises:
        LabelStudioUnavailable: Label Studio cannot answer now.
        LabelStudioError: It refused.
    """
    listing, requests, removal = TaskListing(client, answer_of), client.requests, Removal()
    both = TaskFilter(with_versions=(old, new))
    idle = TaskFilter(with_versions=(old, new), without_drafts=True)
    removal.drafted = listing.count(project_id, both) - listing.count(project_id, idle)
    removal.waiting = listing.count(project_id, TaskFilter(with_versions=(old,), without_version=new))
    for task in show(listing.iterate_whole(project_id, idle)):
        deletable, reviewed = _sort_out(task, old, new)
        for prediction in deletable:
            subject = f"the deletion of prediction {prediction}"
            answer_of(partial(requests.delete, f"/api/predictions/{prediction}/", subject))
        removal.deleted += len(deletable)
        removal.reviewed += len(reviewed)
    return removal


def _sort_out(task: Json, old: str, new: str) -> tuple[list[int], list[int]]:
    """Return the predictions of the old version that can be deleted, and those that annotations were made from."""
    predictions = task["predictions"]
    if not any(prediction["model_version"] == new for prediction in predictions):
        return [], []
    ids = [int(prediction["id"]) for prediction in predictions if prediction["model_version"] == old]
    parents = {annotation["parent_prediction"] for annotation in task["annotations"]}
    return [number for number in ids if number not in parents], [number for number in ids if number in parents]
