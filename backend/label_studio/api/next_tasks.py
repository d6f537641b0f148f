"""Which tasks a person will probably open after the present one.

Label Studio does not say. Its own "next task" request (`/api/projects/ID/next`) locks the task for the user of the
token and writes into their history, so that people would be sent elsewhere: it is never asked. Instead:

- The Data Manager's first tab is the one that opens. A person goes down its list, and "Label All Tasks" takes its
  order too. Where it neither orders nor filters, and where the present task is not in it, ids are the order, which is
  also that of sequential sampling.
- Finished tasks are passed over, as the labeling stream does; where nobody has left any to do, people look through
  finished ones, and those count.
- Random and uncertainty sampling cannot be foreseen; such projects are treated like the others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from backend.label_studio.api.client import Tab
from backend.runtime import LeastRecentlyUsed

Json = dict[str, Any]
PAGE_SIZE = 100
MOST_PAGES = 10  # of a tab that are looked through for the present task
TAB_SECONDS = 60.0  # for so long a tab is taken to be what it was
MOST_PROJECTS = 1000


class Tasks(Protocol):
    """What is needed of `client.LabelStudioClient`."""

    def first_tab(self, project_id: str) -> Tab | None: ...
    def tab_page(self, tab: Tab, page: int, page_size: int) -> list[Json]: ...
    def tasks_after(self, project_id: str, task_id: int, most: int, *, unlabeled: bool) -> list[Json]: ...


class NextTasks:
    """Finds the tasks that come next; safe for threads. It remembers each project's tab and how far people got in it.

    Args:
        client: Asks Label Studio.
    """

    def __init__(self, client: Tasks) -> None:
        self._client = client
        self._tabs = LeastRecentlyUsed[str, tuple[float, Tab | None]](MOST_PROJECTS)
        self._pages = LeastRecentlyUsed[int, int](MOST_PROJECTS)

    def after(self, project_id: str, task_id: int, most: int) -> list[Json]:
        """At most so many tasks, the next one first; each with at least "id" and "data".

        Raises:
            LabelStudioError: Label Studio cannot be asked, or refuses.
        """
        tab = self._tab(project_id)
        if tab is not None and (tab.is_ordered or tab.is_filtered):
            following = self._after_in_tab(tab, task_id, most)
            if following is not None:
                return following
        unlabeled = self._client.tasks_after(project_id, task_id, most, unlabeled=True)
        return unlabeled or self._client.tasks_after(project_id, task_id, most, unlabeled=False)

    def _tab(self, project_id: str) -> Tab | None:
        known = self._tabs.get(project_id)
        if known is None or time.monotonic() - known[0] > TAB_SECONDS:
            known = time.monotonic(), self._client.first_tab(project_id)
            self._tabs.put(project_id, known)
        return known[1]

    def _after_in_tab(self, tab: Tab, task_id: int, most: int) -> list[Json] | None:
        """None: the task is not in the tab, as far as it is looked through."""
        page, documents = self._page_of(tab, task_id)
        if page is None:
            return None
        place = [document["id"] for document in documents].index(task_id)
        following = documents[place + 1 :]
        while len(_unlabeled(following)) < most and len(documents) == PAGE_SIZE and page < MOST_PAGES:
            page += 1
            documents = self._client.tab_page(tab, page, PAGE_SIZE)
            following += documents
        return (_unlabeled(following) or following)[:most]

    def _page_of(self, tab: Tab, task_id: int) -> tuple[int | None, list[Json]]:
        """The page that holds the task and what is on it; the page where somebody was last is looked at first."""
        last = self._pages.get(tab.id) or 1
        for page in dict.fromkeys((last, *range(1, MOST_PAGES + 1))):
            documents = self._client.tab_page(tab, page, PAGE_SIZE)
            if any(document["id"] == task_id for document in documents):
                self._pages.put(tab.id, page)
                return page, documents
            if len(documents) < PAGE_SIZE and (page != last or last == 1):
                break  # the last page; the one looked at first may be it although others have not been looked at
        return None, []


def _unlabeled(documents: Sequence[Json]) -> list[Json]:
    return [document for document in documents if not document.get("is_labeled")]
