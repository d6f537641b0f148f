"""Prediction of the tasks that an annotator opens after the current one.

Label Studio does not report them. Its own "next task" request (`/api/projects/ID/next`) locks the task for the token's
user and writes into that user's history, so other annotators would get other tasks; it is never used. Instead:

- The Data Manager's first tab is the one that opens. An annotator goes down its list, and "Label All Tasks" follows its
  order too. If the tab has no order and no filters, or lacks the current task, tasks are taken by ascending id, which
  is also the order of sequential sampling.
- Finished tasks are skipped, as in the labeling stream. If no unfinished task follows, annotators are reviewing, and
  finished tasks count.
- Random and uncertainty sampling cannot be predicted; such projects are treated like the others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from backend.label_studio.api.client import Tab
from backend.runtime import LeastRecentlyUsed

Json = dict[str, Any]
PAGE_SIZE = 100
MAX_PAGES = 10  # of a tab that are searched for the current task
TAB_TTL_SECONDS = 60.0
MAX_PROJECTS = 1000


class Tasks(Protocol):
    """The part of `client.LabelStudioClient` that is needed here."""

    def first_tab(self, project_id: str) -> Tab | None: ...
    def tab_page(self, tab: Tab, page: int, page_size: int) -> list[Json]: ...
    def tasks_after(self, project_id: str, task_id: int, max_tasks: int, *, unlabeled: bool) -> list[Json]: ...


class NextTasks:
    """Predictor of the next tasks; thread-safe. It remembers each project's tab and the page people have reached.

    Args:
        client: Label Studio's API.
    """

    def __init__(self, client: Tasks) -> None:
        self._client = client
        self._tabs = LeastRecentlyUsed[str, tuple[float, Tab | None]](MAX_PROJECTS)
        self._pages = LeastRecentlyUsed[int, int](MAX_PROJECTS)

    def after(self, project_id: str, task_id: int, max_tasks: int) -> list[Json]:
        """Return the tasks that probably follow, the next one first; each has at least "id" and "data".

        Raises:
            LabelStudioError: Label Studio refused, or could not be reached.
        """
        tab = self._tab(project_id)
        if tab is not None and (tab.is_ordered or tab.is_filtered):
            following = self._after_in_tab(tab, task_id, max_tasks)
            if following is not None:
                return following
        unlabeled = self._client.tasks_after(project_id, task_id, max_tasks, unlabeled=True)
        return unlabeled or self._client.tasks_after(project_id, task_id, max_tasks, unlabeled=False)

    def has_task(self, project_id: str, task_id: int) -> bool:
        """Return whether the project has this task; one request.

        Raises:
            LabelStudioError: As `after`; also for a project that does not exist.
        """
        found = self._client.tasks_after(project_id, task_id - 1, 1, unlabeled=False)
        return [document["id"] for document in found] == [task_id]

    def _tab(self, project_id: str) -> Tab | None:
        known = self._tabs.get(project_id)
        if known is None or time.monotonic() - known[0] > TAB_TTL_SECONDS:
            known = time.monotonic(), self._client.first_tab(project_id)
            self._tabs.put(project_id, known)
        return known[1]

    def _after_in_tab(self, tab: Tab, task_id: int, max_tasks: int) -> list[Json] | None:
        """Return the tasks that follow in the tab; None if its first pages do not contain the current task."""
        page, documents = self._find_page(tab, task_id)
        if page is None:
            return None
        place = [document["id"] for document in documents].index(task_id)
        following = documents[place + 1 :]
        while len(_unlabeled(following)) < max_tasks and len(documents) == PAGE_SIZE and page < MAX_PAGES:
            page += 1
            documents = self._client.tab_page(tab, page, PAGE_SIZE)
            following += documents
        return (_unlabeled(following) or following)[:max_tasks]

    def _find_page(self, tab: Tab, task_id: int) -> tuple[int | None, list[Json]]:
        """Return the number and the tasks of the page that holds the task, starting with the page seen last."""
        last = self._pages.get(tab.id) or 1
        for page in dict.fromkeys((last, *range(1, MAX_PAGES + 1))):
            documents = self._client.tab_page(tab, page, PAGE_SIZE)
            if any(document["id"] == task_id for document in documents):
                self._pages.put(tab.id, page)
                return page, documents
            if len(documents) < PAGE_SIZE and (page != last or last == 1):
                break  # the tab ends here; a short page that is tried first may still have unread pages before it
        return None, []


def _unlabeled(documents: Sequence[Json]) -> list[Json]:
    return [document for document in documents if not document.get("is_labeled")]
