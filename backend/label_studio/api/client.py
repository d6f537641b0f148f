"""Client of Label Studio's REST API on top of the SDK: projects, tasks page by page.

The SDK is imported with the first request, not with this module: importing it takes a second, and a click does not need
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.errors import LabelStudioError
from backend.fetching import TOKEN_REMEDY, TokenSource
from backend.label_studio.api.json_requests import JsonRequests
from backend.label_studio.api.sdk_errors import translate_errors
from backend.label_studio.api.task_query import condition, encode_query

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

PAGE_SIZE = 100


@dataclass(frozen=True)
class ProjectInfo:
    """A project's id, title and labeling config."""

    id: int
    title: str
    label_config: str


@dataclass(frozen=True)
class Tab:
    """A tab of the Data Manager ("view" in the API), and whether it has an order of its own or filters."""

    id: int
    is_ordered: bool
    is_filtered: bool


class LabelStudioClient:
    """Client of one Label Studio with one token.

    Args:
        url: Label Studio's URL as seen from this process.
        api_key: A personal access token or a legacy token.

    Raises:
        LabelStudioError: The URL is not an http(s) URL, or the token is empty.

    Redirects are not followed, so no token reaches any other address than `url`.
    """

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = 60.0) -> None:
        if not url.startswith(("http://", "https://")):
            remedy = "Set --url or LABEL_STUDIO_URL, for example to http://localhost:8080."
            raise LabelStudioError(f'"{url}" is not the URL of Label Studio.', remedy=remedy)
        if not api_key.strip():
            raise LabelStudioError("There is no API token for Label Studio.", remedy=TOKEN_REMEDY)
        self.url = url.rstrip("/")
        self._tokens = TokenSource(self.url, api_key, timeout_seconds=timeout_seconds)
        self._api_key = api_key.strip()
        self._timeout_seconds = timeout_seconds
        self._sdk_client: LabelStudio | None = None

    def authorization(self) -> dict[str, str]:
        """Return the Authorization header of a plain HTTP request.

        With a personal access token it is valid for about five minutes.

        Raises:
            LabelStudioError: The token was refused, or Label Studio cannot be reached.
        """
        return self._tokens.headers()

    @property
    def requests(self) -> JsonRequests:
        """Requests with this client's token that the SDK would parse slowly or repeat."""
        return JsonRequests(self.url, self._tokens, self._timeout_seconds)

    def project(self, project_id: int | str) -> ProjectInfo:
        """Fetch a project's title and labeling config.

        Raises:
            LabelStudioError: No such project, an invalid token, or Label Studio cannot be reached.
        """
        number = _parse_project_id(project_id)
        project = self.requests.get(f"/api/projects/{number}/", f"project {project_id}")
        if not isinstance(project, dict):
            message = f"The answer of {self.url} to the request for project {project_id} is not Label Studio's."
            raise LabelStudioError(message, remedy="Check LABEL_STUDIO_URL.")
        return ProjectInfo(number, str(project.get("title") or ""), str(project.get("label_config") or ""))

    def extra_params(self, project_id: int | str) -> list[Any]:
        """Fetch the extra params of each ML backend that is connected to the project, as they were saved.

        Label Studio first checks each backend's health, as it does when a page is opened.

        Raises:
            LabelStudioError: As `project`; or the token's user may not read them.
        """
        number = _parse_project_id(project_id)
        with self._translate_errors(f"the ML backends of project {project_id}"):
            backends = self._sdk().ml.list(project=number, request_options=self._options())
        return [backend.extra_params for backend in backends]

    def iterate_tasks(self, project_id: int | str, *, fields: str = "all") -> Iterator[dict[str, Any]]:
        """Yield all tasks of a project by ascending id, with `data`, `annotations`, `drafts` and `predictions`.

        URIs in `data` are as they were imported ("s3://…" is not resolved). Tasks that are created during the iteration
        may be missed; none is yielded twice.

        Args:
            fields: "task_only" leaves out annotations, drafts and predictions, often the largest part of the response.

        Raises:
            LabelStudioError: As `project`.
        """
        number, seen, page = _parse_project_id(project_id), set[int](), 1
        while True:
            with self._translate_errors(f"the tasks of project {project_id}"):
                documents = self._page(page, PAGE_SIZE, project=number, fields=fields)
            for document in documents:
                if document["id"] not in seen:
                    seen.add(document["id"])
                    yield document
            if len(documents) < PAGE_SIZE:
                return
            page += 1

    def first_tab(self, project_id: int | str) -> Tab | None:
        """Fetch the Data Manager's first tab, the one that opens; None if the Data Manager was never opened.

        Raises:
            LabelStudioError: As `project`.
        """
        number = _parse_project_id(project_id)
        with self._translate_errors(f"the Data Manager's tabs of project {project_id}"):
            views = self._sdk().views.list(project=number, request_options=self._options())
        if not views:
            return None
        data: Any = views[0].data or {}
        filters = data.get("filters") or {}
        return Tab(int(views[0].id), bool(data.get("ordering")), bool(filters.get("items")))

    def tab_page(self, tab: Tab, page: int, page_size: int) -> list[dict[str, Any]]:
        """Fetch one page of a tab's tasks in the tab's order, without annotations; [] past the last page.

        Raises:
            LabelStudioError: As `project`.
        """
        with self._translate_errors(f"the tasks of tab {tab.id}"):
            return self._page(page, page_size, view=tab.id, fields="task_only")

    def tasks_after(
        self, project_id: int | str, task_id: int, max_tasks: int, *, unlabeled: bool
    ) -> list[dict[str, Any]]:
        """Fetch the tasks that follow by ascending id, without annotations.

        Args:
            unlabeled: Only tasks that are not finished.

        Raises:
            LabelStudioError: As `project`.
        """
        number = _parse_project_id(project_id)
        conditions = [condition("id", "greater", "Number", task_id)]
        if unlabeled:
            conditions.append(condition("completed_at", "empty", "Datetime", True))
        query = encode_query(conditions)
        with self._translate_errors(f"the next tasks of project {project_id}"):
            return self._page(1, max_tasks, project=number, query=query, fields="task_only")

    def _page(self, page: int, page_size: int, **filters: Any) -> list[dict[str, Any]]:
        """Fetch one page of task documents; [] past the last page."""
        from label_studio_sdk.core.api_error import ApiError

        try:
            pager: Any = self._sdk().tasks.list(
                page=page, page_size=page_size, resolve_uri=False, request_options=self._options(), **filters
            )
        except ApiError as error:
            if error.status_code == 404 and page > 1:
                return []
            raise
        return [task.dict() for task in pager.items or []]

    def _sdk(self) -> LabelStudio:
        if self._sdk_client is None:
            from label_studio_sdk import LabelStudio

            self._sdk_client = LabelStudio(
                base_url=self.url,
                api_key=self._api_key,
                timeout=self._timeout_seconds,
                follow_redirects=False,  # the SDK sends a personal access token in a body, which httpx repeats anywhere
            )
        return self._sdk_client

    def _options(self) -> Any:
        return {"timeout_in_seconds": self._timeout_seconds, "max_retries": 2}

    def _translate_errors(self, subject: str) -> AbstractContextManager[None]:
        return translate_errors(self.url, subject)


def _parse_project_id(project_id: int | str) -> int:
    """Return the id as a number; raise LabelStudioError if it is not one."""
    try:
        return int(project_id)
    except ValueError as error:
        message = f'"{project_id}" is not a project id.'
        remedy = "The id is the number in the URL of the project's page, /projects/ID."
        raise LabelStudioError(message, remedy=remedy) from error
