"""Tasks with their annotations, streamed by ascending id, in pages that fit into memory whatever a task holds.

Label Studio sends whole task documents by default: a page of 1000 tasks without annotations, but with large
predictions, has 523 MB. `include` leaves out what an export does not need; it also chooses among the fields of
annotations, so all that are read of them are listed here. How many bytes a task takes is unknown before it has come, so
the first page is small and each further one has as many tasks as the one before suggests; an answer that is announced
with more than `MAX_PAGE_BYTES` is refused before it is read, and asked for again with fewer tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from backend.errors import LabelStudioError, LabelStudioUnavailable, shorten
from backend.label_studio.api.client import LabelStudioClient
from backend.label_studio.api.json_requests import AnswerTooLong
from backend.label_studio.api.task_listing import MAX_IDS, AnswerOf
from backend.label_studio.api.task_query import Json, condition, encode_query

FIELDS = ("id", "project", "data", "annotations")
ANNOTATION_FIELDS = (
    "result",
    "was_cancelled",
    "ground_truth",
    "completed_by",
    "created_username",
    "created_at",
    "updated_at",
    "lead_time",
    "parent_prediction",
)
MAX_PAGE_BYTES = 16 << 20
USUAL_PAGE_BYTES = 6 << 20  # so that a page of tasks twice as large as the ones before is still read
FIRST_PAGE_SIZE = 10
MAX_PAGE_SIZE = 500


class AnnotatedTasks:
    """Reader of the annotated tasks of one Label Studio.

    Args:
        client: Its connection.
        answer_of: Makes a request and returns its answer; it may wait out an outage and make the request again.
    """

    def __init__(self, client: LabelStudioClient, answer_of: AnswerOf = lambda request: request()) -> None:
        self._requests, self._answer_of = client.requests, answer_of
        self._page_size = FIRST_PAGE_SIZE

    def iterate(self, project_id: int | str, task_ids: Sequence[int] | None = None) -> Iterator[Json]:
        """Yield tasks by ascending id, each once, with `FIELDS`; predictions and drafts are never read.

        A page is requested when the one before it is consumed. URIs in `data` are as they were imported.

        Args:
            task_ids: Only these; None for all.

        Raises:
            LabelStudioUnavailable: Label Studio cannot answer (any more).
            LabelStudioError: No such project, or an invalid token.
        """
        last, count = 0, 0
        try:
            for task in self._in_portions(project_id, task_ids):
                yield task
                last, count = task["id"], count + 1
        except LabelStudioUnavailable as error:
            if not count:
                raise
            message = f"Label Studio was gone in mid-export, after {count} tasks, the last of them {last}."
            remedy = "Run the same command again when it is back."
            raise LabelStudioUnavailable(f"{message} {error.message}", remedy=remedy) from error

    def _in_portions(self, project_id: int | str, task_ids: Sequence[int] | None) -> Iterator[Json]:
        if task_ids is None:
            yield from self._after_each_other(project_id, None)
            return
        ids = sorted(set(task_ids))
        for start in range(0, len(ids), MAX_IDS):  # an empty selection would mean all tasks
            yield from self._after_each_other(project_id, ids[start : start + MAX_IDS])

    def _after_each_other(self, project_id: int | str, task_ids: list[int] | None) -> Iterator[Json]:
        last = 0
        while True:
            page = self._page(project_id, last, task_ids)
            for task in page["tasks"]:
                if task["id"] > last:
                    last = task["id"]
                    yield task
            if not page["tasks"] or len(page["tasks"]) >= page["total"]:  # a server may allow smaller pages only
                return

    def _page(self, project_id: int | str, last: int, task_ids: list[int] | None) -> Json:
        while True:
            try:
                page, size = self._answer_of(lambda: self._request(project_id, last, task_ids))
            except AnswerTooLong:
                self._page_size = max(self._page_size // 4, 1)
            else:
                self._adapt(len(page["tasks"]), size)
                return page

    def _adapt(self, tasks: int, size: int) -> None:
        """Choose the size of the next page from the number of tasks and bytes of this one."""
        fitting = USUAL_PAGE_BYTES * max(tasks, 1) // max(size, 1)
        self._page_size = max(1, min(fitting, 2 * self._page_size, MAX_PAGE_SIZE))

    def _request(self, project_id: int | str, last: int, task_ids: list[int] | None) -> tuple[Json, int]:
        parameters = {
            "project": project_id,
            "fields": "all",
            "include": ",".join((*FIELDS, *ANNOTATION_FIELDS)),
            "page": 1,
            "page_size": self._page_size,
            "resolve_uri": "false",
            "query": encode_query([condition("id", "greater", "Number", last)], task_ids),
        }
        subject = f"the tasks of project {project_id} after task {last}"
        limit = MAX_PAGE_BYTES if self._page_size > 1 else None
        document, size = self._requests.get_page("/api/tasks/", subject, parameters, limit)
        if not _is_page(document):
            message = f"Label Studio lists {subject} as {shorten(document)}."
            raise LabelStudioError(message, remedy="Check LABEL_STUDIO_URL, and the version of Label Studio.")
        return document, size


def _is_page(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("tasks"), list):
        return False
    tasks = document["tasks"]
    return isinstance(document.get("total"), int) and all(
        isinstance(task, dict) and type(task.get("id")) is int for task in tasks
    )
