"""The SDK's Label Studio client as this project needs it: projects, tasks page by page, predictions in one request.

The SDK is imported when a client is made, not with this module: it takes a second, and a click never needs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backend.errors import LabelStudioError
from backend.fetching import TOKEN_REMEDY, TokenSource

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

PAGE_SIZE = 100
LONGEST_DETAIL = 200  # Label Studio repeats whole predictions in what it refuses


@dataclass(frozen=True)
class ProjectInfo:
    """What the scripts need to know of a project."""

    id: int
    title: str
    label_config: str


@dataclass(frozen=True)
class Tab:
    """A tab of the Data Manager ("view" in the API): whether it has an order of its own, and whether it filters."""

    id: int
    is_ordered: bool
    is_filtered: bool


class LabelStudioClient:
    """Label Studio's API behind one token.

    Args:
        url: As this process reaches Label Studio.
        api_key: A personal access token or a legacy token.

    Raises:
        LabelStudioError: No address or no token.
    """

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = 60.0) -> None:
        if not url.startswith(("http://", "https://")):
            message = f'"{url}" is not the address of Label Studio.'
            raise LabelStudioError(message, remedy="Give --url or LABEL_STUDIO_URL, as http://localhost:8080.")
        if not api_key.strip():
            raise LabelStudioError("There is no token for Label Studio.", remedy=TOKEN_REMEDY)
        self.url = url.rstrip("/")
        self._tokens = TokenSource(self.url, api_key, timeout_seconds=timeout_seconds)
        self._api_key = api_key.strip()
        self._timeout_seconds = timeout_seconds
        self._sdk_client: LabelStudio | None = None

    def authorization(self) -> dict[str, str]:
        """The header that lets a plain HTTP request in; a personal access token's holds for about five minutes.

        Raises:
            LabelStudioError: The token was refused, or Label Studio cannot be reached.
        """
        return self._tokens.headers()

    def project(self, project_id: int | str) -> ProjectInfo:
        """A project's title and labeling config.

        Raises:
            LabelStudioError: No such project, a wrong token, or Label Studio cannot be reached.
        """
        with self._speaking(f"project {project_id}"):
            found = self._sdk().projects.get(id=_project_number(project_id))
        return ProjectInfo(_project_number(project_id), str(found.title or ""), str(found.label_config or ""))

    def extra_params(self, project_id: int | str) -> list[Any]:
        """The extra params of each ML backend of the project, as they were saved; [] where none is connected.

        Label Studio first asks each backend how it is, as when a page is opened.

        Raises:
            LabelStudioError: As `project`; or this token may not read them.
        """
        with self._speaking(f"the ML backends of project {project_id}"):
            backends = self._sdk().ml.list(project=_project_number(project_id), request_options=self._options())
        return [backend.extra_params for backend in backends]

    def iterate_tasks(self, project_id: int | str, *, fields: str = "all") -> Iterator[dict[str, Any]]:
        """All tasks of a project in the order of their ids, with `data`, `annotations`, `drafts` and `predictions`.

        The data's URIs come as they were imported ("s3://…" unresolved). Tasks that are created while this runs may be
        missed; none comes twice.

        Args:
            fields: "task_only" leaves annotations, drafts and predictions out, which may be most of what is sent.

        Raises:
            LabelStudioError: As `project`.
        """
        number, seen, page = _project_number(project_id), set[int](), 1
        while True:
            with self._speaking(f"the tasks of project {project_id}"):
                documents = self._page(page, PAGE_SIZE, project=number, fields=fields)
            for document in documents:
                if document["id"] not in seen:
                    seen.add(document["id"])
                    yield document
            if len(documents) < PAGE_SIZE:
                return
            page += 1

    def first_tab(self, project_id: int | str) -> Tab | None:
        """The Data Manager's first tab, which is the one that opens; None where nobody has opened it yet.

        Raises:
            LabelStudioError: As `project`.
        """
        with self._speaking(f"the Data Manager's tabs of project {project_id}"):
            views = self._sdk().views.list(project=_project_number(project_id), request_options=self._options())
        if not views:
            return None
        data: Any = views[0].data or {}
        filters = data.get("filters") or {}
        return Tab(int(views[0].id), bool(data.get("ordering")), bool(filters.get("items")))

    def tab_page(self, tab: Tab, page: int, page_size: int) -> list[dict[str, Any]]:
        """One page of a tab's tasks in its order, without annotations; past the last page, none.

        Raises:
            LabelStudioError: As `project`.
        """
        with self._speaking(f"the tasks of tab {tab.id}"):
            return self._page(page, page_size, view=tab.id, fields="task_only")

    def tasks_after(self, project_id: int | str, task_id: int, most: int, *, unlabeled: bool) -> list[dict[str, Any]]:
        """The first tasks with a higher id, in the order of their ids, without annotations.

        Args:
            unlabeled: Only those that nobody has finished.

        Raises:
            LabelStudioError: As `project`.
        """
        items: list[dict[str, Any]] = [
            {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": task_id}
        ]
        if unlabeled:
            items += [{"filter": "filter:tasks:completed_at", "operator": "empty", "type": "Datetime", "value": True}]
        query = json.dumps({"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:id"]})
        with self._speaking(f"the next tasks of project {project_id}"):
            return self._page(1, most, project=_project_number(project_id), query=query, fields="task_only")

    def create_predictions(self, project_id: int | str, predictions: Sequence[dict[str, Any]]) -> int:
        """Import predictions, each with "task", "result", "score" and "model_version"; return how many were made.

        Raises:
            LabelStudioError: As `project`; or Label Studio made fewer than it was given, which only its count tells
                (those that it made stay).
        """
        if not predictions:
            return 0
        with self._speaking(f"predictions for project {project_id}"):
            documents: list[Any] = list(predictions)
            reply = self._sdk().projects.import_predictions(
                _project_number(project_id), request=documents, request_options=self._options()
            )
        created = int(reply.created or 0)
        if created != len(predictions):
            message = f"Label Studio made {created} of {len(predictions)} predictions for project {project_id}."
            remedy = "Check that the labeling config still has the controls and labels that were answered."
            raise LabelStudioError(message, remedy=remedy)
        return created

    def tasks_with_version(self, task_ids: Iterable[int], model_version: str) -> set[int]:
        """Those of the tasks that have a prediction of this version; one request for each task.

        Raises:
            LabelStudioError: As `project`. A task that does not exist has none.
        """
        found = set()
        for task_id in task_ids:
            with self._speaking(f"the predictions of task {task_id}"):
                predictions = self._sdk().predictions.list(task=task_id, request_options=self._options())
            if any(prediction.model_version == model_version for prediction in predictions):
                found.add(task_id)
        return found

    def _page(self, page: int, page_size: int, **which: Any) -> list[dict[str, Any]]:
        """One page of tasks as Label Studio spells them; past the last page, none."""
        from label_studio_sdk.core.api_error import ApiError

        try:
            pager: Any = self._sdk().tasks.list(
                page=page, page_size=page_size, resolve_uri=False, request_options=self._options(), **which
            )
        except ApiError as error:
            if error.status_code == 404 and page > 1:
                return []
            raise
        return [task.dict() for task in pager.items or []]

    def _sdk(self) -> LabelStudio:
        if self._sdk_client is None:
            from label_studio_sdk import LabelStudio

            self._sdk_client = LabelStudio(base_url=self.url, api_key=self._api_key, timeout=self._timeout_seconds)
        return self._sdk_client

    def _options(self) -> Any:
        return {"timeout_in_seconds": self._timeout_seconds, "max_retries": 2}

    @contextmanager
    def _speaking(self, what: str) -> Iterator[None]:
        """Turn the SDK's and the network's errors into ours."""
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield
        except ApiError as error:
            raise self._refused(what, error.status_code, error.body) from error
        except httpx.HTTPError as error:
            message = f"Label Studio at {self.url} cannot be asked for {what}: {type(error).__name__}."
            raise LabelStudioError(message, remedy="Check that it runs and that LABEL_STUDIO_URL is right.") from error

    def _refused(self, what: str, status: int | None, body: object) -> LabelStudioError:
        detail = _detail(body)
        said = f": {detail}" if detail else ""
        message = f"Label Studio at {self.url} refused {what} (HTTP {status}{said})."
        remedies = {
            401: TOKEN_REMEDY,
            403: "Use the token of a user who may see this project.",
            404: "Check the id: it is the number in the address of the project's page, /projects/ID.",
        }
        return LabelStudioError(message, remedy=remedies.get(status or 0, "Look into Label Studio's log."))


def _detail(body: object) -> str:
    """What Label Studio says is wrong. Of a long text the end: it repeats the refused document before its verdict."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("validation_errors")
    texts = [str(text) for found in errors.values() for text in found] if isinstance(errors, dict) else []
    said = " ".join(texts) or str(body.get("detail") or "")
    return said if len(said) <= LONGEST_DETAIL else f"…{said[-LONGEST_DETAIL:]}"


def _project_number(project_id: int | str) -> int:
    try:
        return int(project_id)
    except ValueError as error:
        message = f'"{project_id}" is not the id of a project.'
        raise LabelStudioError(message, remedy="It is the number in the address of its page, /projects/ID.") from error
