"""Stored predictions of a project: importing them, asking which tasks have them, deleting surplus ones.

The requests are sent without the SDK: it would repeat the import after a lost answer, which stores every prediction
twice, and it copies each document before it encodes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from backend.label_studio.api.client import LabelStudioClient
from backend.label_studio.api.model_versions import (
    contains_version,
    fetch_model_versions,
    find_similar,
    has_exact_version,
)
from backend.label_studio.api.task_query import Json, condition, encode_query

IMPORT_TIMEOUT_SECONDS = 100.0
MAX_IDS = 500  # in one request: they are part of its URL, which servers limit to 8 kB
STORED_PAGE_SIZE = 100  # tasks with all their predictions


@dataclass(frozen=True)
class StoredPredictions:
    """The predictions of one version that a task has.

    Attributes:
        ids: Ascending.
        reviewed: Those that an annotation was made from.
    """

    task: int
    ids: tuple[int, ...]
    reviewed: frozenset[int] = frozenset()

    @property
    def surplus(self) -> tuple[int, ...]:
        """All but the first one and those that an annotation was made from."""
        return tuple(number for number in self.ids[1:] if number not in self.reviewed)


class PredictionClient(LabelStudioClient):
    """Client of one Label Studio that writes, counts and deletes predictions. Thread-safe.

    Every method raises `LabelStudioUnavailable` if Label Studio cannot answer now, `LabelStudioError` if it refuses.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_seconds: float = 60.0,
        import_timeout_seconds: float = IMPORT_TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(url, api_key, timeout_seconds=timeout_seconds)
        self._requests = self.requests
        self._import_timeout_seconds = import_timeout_seconds
        self._exact: dict[tuple[str, str], bool] = {}

    def check(self, project_id: str) -> None:
        """Ask whether the project can be reached, with one cheap request."""
        self._tasks(project_id, [], f"project {project_id}", include="id", page_size=1)

    def import_documents(self, project_id: str, documents: Sequence[bytes]) -> int:
        """Import predictions in one request, which is never repeated; return how many Label Studio created.

        Args:
            documents: JSON objects with "task", "result", "score" and "model_version".

        Raises:
            NoAnswer: The answer was lost. The predictions may be stored, now or later.
            LabelStudioUnavailable: Nothing was sent.
            LabelStudioError: Label Studio refused the request and stored none of them.
        """
        subject = f"{len(documents)} predictions for project {project_id}"
        body = b"[" + b",".join(documents) + b"]"
        path = f"/api/projects/{project_id}/import/predictions"
        reply = self._requests.post_once(path, subject, body, self._import_timeout_seconds)
        return int(reply.get("created") or 0)

    def tasks_with_version(self, project_id: str, task_ids: Collection[int], version: str) -> set[int]:
        """Return which of these tasks have a prediction of exactly this version; one request for 500 tasks."""
        stored = set()
        for ids in _portions(task_ids):
            subject = f"the predictions of {len(ids)} tasks"
            stored |= self._ids(project_id, [_among(ids), contains_version([version])], subject)
        return stored if not stored or self._is_exact(project_id, version) else self._exactly(stored, version)

    def existing_tasks(self, project_id: str, task_ids: Collection[int]) -> set[int]:
        """Return which of these tasks the project still has."""
        subject = f"the tasks of project {project_id}"
        return {task for ids in _portions(task_ids) for task in self._ids(project_id, [_among(ids)], subject)}

    def count_tasks(self, project_id: str, version: str = "") -> int:
        """Count the project's tasks; with a version, those that have a prediction whose version contains it."""
        filters = [contains_version([version])] if version else []
        subject = f"the number of tasks of project {project_id}"
        return int(self._tasks(project_id, filters, subject, include="id", page_size=1).get("total") or 0)

    def versions(self, project_id: str) -> dict[str, int]:
        """Return the number of predictions by their version."""
        return fetch_model_versions(self._requests, project_id)

    def iterate_stored(self, project_id: str, version: str, task_ids: Collection[int]) -> Iterator[StoredPredictions]:
        """Yield the predictions of exactly this version that these tasks have; whole predictions are transferred."""
        subject = f"the predictions of project {project_id}"
        for ids in _portions(task_ids, STORED_PAGE_SIZE):
            page = self._tasks(
                project_id,
                [_among(ids)],
                subject,
                include="id,predictions,annotations,parent_prediction",  # it reaches into the annotations
                page_size=len(ids),
                fields="all",
            )
            for task in page.get("tasks") or []:
                yield _read_stored(task, version)

    def tasks_with_several(self, project_id: str, version: str, after: int) -> list[int]:
        """Return up to 500 tasks by ascending id that have several predictions, at least one perhaps of this version.

        Args:
            after: Only tasks with a higher id.
        """
        several = condition("total_predictions", "greater", "Number", 1)
        filters = [contains_version([version]), several, condition("id", "greater", "Number", after)]
        return sorted(self._ids(project_id, filters, f"the tasks of project {project_id} with several predictions"))

    def tasks_with_drafts(self, project_id: str, task_ids: Collection[int]) -> set[int]:
        """Return which of these tasks somebody has begun to label and not submitted."""
        drafts = condition("draft_exists", "equal", "Boolean", True)
        subject = f"the drafts of project {project_id}"
        return {task for ids in _portions(task_ids) for task in self._ids(project_id, [_among(ids), drafts], subject)}

    def delete_prediction(self, prediction_id: int) -> bool:
        """Delete a prediction; return False if there is none, because someone else has deleted it."""
        subject = f"the deletion of prediction {prediction_id}"
        return self._requests.delete(f"/api/predictions/{prediction_id}/", subject)

    def _is_exact(self, project_id: str, version: str) -> bool:
        """Whether no other version contains this one, so that Label Studio's filter finds this one only."""
        key = project_id, version
        if key not in self._exact:
            self._exact[key] = not find_similar(version, self.versions(project_id))
        return self._exact[key]

    def _exactly(self, task_ids: Collection[int], version: str) -> set[int]:
        """Return the tasks that have exactly this version; one request a task."""
        return {task_id for task_id in task_ids if has_exact_version(self._requests, task_id, version)}

    def _ids(self, project_id: str, filters: Sequence[Json], subject: str, page_size: int = MAX_IDS) -> set[int]:
        page = self._tasks(project_id, filters, subject, include="id", page_size=page_size)
        return {int(task["id"]) for task in page.get("tasks") or []}

    def _tasks(
        self,
        project_id: str,
        filters: Sequence[Json],
        subject: str,
        *,
        include: str,
        page_size: int,
        fields: str = "task_only",
    ) -> Json:
        """Fetch the first page of the project's tasks that pass all filters, by ascending id."""
        params = {
            "project": project_id,
            "query": encode_query(filters),
            "include": include,
            "fields": fields,
            "page": 1,
            "page_size": page_size,
        }
        document: Json = self._requests.get("/api/tasks/", subject, params)
        return document


def _read_stored(task: Json, version: str) -> StoredPredictions:
    ids = [int(one["id"]) for one in task.get("predictions") or [] if one.get("model_version") == version]
    parents = [one.get("parent_prediction") for one in task.get("annotations") or []]
    return StoredPredictions(int(task["id"]), tuple(sorted(ids)), frozenset(int(one) for one in parents if one))


def _portions(task_ids: Collection[int], size: int = MAX_IDS) -> Iterator[list[int]]:
    ids = sorted(task_ids)
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _among(task_ids: list[int]) -> Json:
    return condition("id", "in_list", "Number", task_ids)
