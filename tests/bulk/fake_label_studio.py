"""A Label Studio with one project, in memory, that answers over HTTP what a bulk run asks. It behaves as 1.23.2 does:

an import is stored as a whole or refused as a whole for an unknown task, and leaves out predictions with an unknown
label without a word (`created` is short); the filter for versions finds substrings, in capitals or not; with SQLite a
page of 1000 uploaded pictures is too large.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers import Answer, LocalServer, Seen

Json = dict[str, Any]
PROJECT = "3"
LABELS = ("red", "green")
MAX_PAGE_SIZE = 1000


def reply(document: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@dataclass
class FakeLabelStudio:
    """Its state; `serve` answers a request.

    Attributes:
        tasks: Their data by id.
        annotations: By task: the prediction that each was made from, or None.
        drafts: Tasks that somebody is labeling.
        commit_seconds: How long an import takes before it is stored.
        at_request: Called with each request, such as "GET tasks", before it is answered.
        requests: All of them.
    """

    tasks: dict[int, Json] = field(default_factory=dict)
    predictions: dict[int, Json] = field(default_factory=dict)
    annotations: dict[int, list[int | None]] = field(default_factory=dict)
    drafts: set[int] = field(default_factory=set)
    labels: tuple[str, ...] = LABELS
    label_config: str = "<View/>"
    shown_version: str = ""
    is_deleted: bool = False
    is_down: bool = False
    accepted_tokens: set[str] | None = None
    commit_seconds: Callable[[], float] = lambda: 0.0
    at_request: Callable[[str], object] = lambda name: None
    requests: list[str] = field(default_factory=list)
    imports: list[list[int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def with_tasks(cls, count: int) -> FakeLabelStudio:
        return cls({number: {"image": f"{number}.png"} for number in range(1, count + 1)})

    def store(self, task: int, version: str) -> int:
        """Store a prediction as if somebody else had imported it; returns its id."""
        return self._store({"task": task, "model_version": version, "result": []})

    def stored(self, version: str) -> dict[int, list[int]]:
        """The ids of the predictions of this version, by task; [] for a task without one."""
        with self.lock:
            return {
                task: [
                    number
                    for number, one in self.predictions.items()
                    if one["task"] == task and one["model_version"] == version
                ]
                for task in self.tasks
            }

    def counts(self, version: str) -> set[int]:
        """The numbers of predictions of this version that tasks have."""
        return {len(ids) for ids in self.stored(version).values()}

    def serve(self, server: LocalServer) -> None:
        server.respond = self.respond

    def respond(self, seen: Seen, _: BaseHTTPRequestHandler) -> Answer | None:
        parts = urlsplit(seen.path)
        path, query = parts.path.strip("/").split("/")[1:], parse_qs(parts.query)
        self.requests.append(f"{seen.method} {'/'.join(path)}")
        self.at_request(self.requests[-1])
        if self.is_down:
            return 503, {"Content-Type": "text/html"}, b"<h1>Service Unavailable</h1>"
        if path == ["token", "refresh"]:
            return reply({"access": self.fresh_token()})
        if self.accepted_tokens is not None and seen.headers.get("authorization") not in self.accepted_tokens:
            return reply({"detail": "Given token not valid for any token type"}, 401)
        if self.is_deleted and path[0] in ("projects", "tasks"):
            return reply({"detail": "No Project matches the given query."}, 404)
        match seen.method, path:
            case (("GET" | "PATCH"), ["projects", _number]):
                self.shown_version = json.loads(seen.body or b"{}").get("model_version", self.shown_version)
                shown = {"label_config": self.label_config, "model_version": self.shown_version}
                return reply({"id": int(PROJECT), "title": "Birds", **shown})
            case "GET", ["projects", _number, "model-versions"]:
                return reply(self._versions())
            case "POST", ["projects", _number, "import", "predictions"]:
                return self._import(json.loads(seen.body))
            case "GET", ["tasks"] if int(query["page_size"][0]) >= MAX_PAGE_SIZE:
                return reply({"detail": f"Expression tree is too large (maximum depth {MAX_PAGE_SIZE})"}, 500)
            case "GET", ["tasks"]:
                return reply(self._list(query))
            case "GET", ["dm", "views"]:
                return reply([{"id": 4, "project": int(PROJECT), "data": {"title": "Default"}}])
            case "GET", ["ml"]:
                return reply([])
            case "GET", ["predictions"]:
                wanted = int(query["task"][0])
                return reply([one for one in self._all() if one["task"] == wanted])
            case "DELETE", ["predictions", number]:
                with self.lock:
                    return (204, {}, b"") if self.predictions.pop(int(number), None) else reply({}, 404)
        return reply({"detail": "Not found."}, 404)

    def fresh_token(self) -> str:
        return ""

    def _all(self) -> list[Json]:
        with self.lock:
            return list(self.predictions.values())

    def _versions(self) -> dict[str, int]:
        versions = [str(one["model_version"]) for one in self._all()]
        return {version: versions.count(version) for version in set(versions)}

    def _import(self, documents: list[Json]) -> Answer:
        time.sleep(self.commit_seconds())
        unknown = [one["task"] for one in documents if one["task"] not in self.tasks]
        if unknown:
            return reply({"detail": "Validation error", "validation_errors": {"task": [f"no task {unknown[0]}"]}}, 400)
        self.imports.append([one["task"] for one in documents])
        valid = [one for one in documents if all(label in self.labels for label in _labels(one))]
        for one in valid:
            self._store(one)
        return reply({"created": len(valid)}, 201)

    def _store(self, document: Json) -> int:
        with self.lock:
            number = next(self._ids)
            self.predictions[number] = {**document, "id": number}
        return number

    def _list(self, query: Mapping[str, list[str]]) -> Json:
        asked = json.loads(query["query"][0])
        conditions, chosen = asked["filters"]["items"], asked.get("selectedItems", {}).get("included")
        page, size = int(query["page"][0]), int(query["page_size"][0])
        by_task: dict[int, list[Json]] = {task: [] for task in self.tasks}
        for one in self._all():
            by_task.setdefault(one["task"], []).append(one)
        found = [
            task
            for task in sorted(self.tasks if chosen is None else self.tasks.keys() & set(chosen))
            if all(self._holds(each, task, by_task[task]) for each in conditions)
        ]
        shown = found[(page - 1) * size : page * size]
        return {"tasks": [self._show(task, by_task[task], query) for task in shown], "total": len(found)}

    def _holds(self, condition: Json, task: int, predictions: list[Json]) -> bool:
        if condition["filter"] == "filter:tasks:draft_exists":
            return (task in self.drafts) == condition["value"]
        if condition["filter"] == "filter:tasks:total_annotations" and condition["operator"] == "greater":
            return len(self.annotations.get(task, [])) > condition["value"]
        return _holds(condition, task, predictions)

    def _show(self, task: int, predictions: list[Json], query: Mapping[str, list[str]]) -> Json:
        everything: Json = {"id": task, "data": self.tasks[task], "total_predictions": len(predictions)}
        included = query["include"][0].split(",")
        if query["fields"] == ["all"]:
            annotations = [
                {"id": n, "result": [], "parent_prediction": parent}
                for n, parent in enumerate(self.annotations.get(task, []), 1)
            ]
            shown = [{key: one[key] for key in included if key in one} for one in annotations]  # it reaches into them
            everything |= {"predictions": predictions, "annotations": shown}
        return {key: everything[key] for key in included if key in everything}


def _labels(document: Json) -> list[str]:
    return [label for result in document["result"] for label in result["value"].get("brushlabels", ())]


def _holds(condition: Json, task: int, predictions: list[Json]) -> bool:
    column, value = condition["filter"].removeprefix("filter:tasks:"), condition["value"]
    versions = [str(one["model_version"]) for one in predictions]
    match column, condition["operator"]:
        case "id", "in_list":
            return task in value
        case "id", "greater":
            return task > value
        case "total_predictions", "greater":
            return len(predictions) > value
        case "predictions_model_versions", "contains":
            return any(part.casefold() in version.casefold() for part in value for version in versions)
        case "predictions_model_versions", "not_contains":
            return not any(part.casefold() in version.casefold() for part in value for version in versions)
    raise AssertionError(f"The fake knows no {condition}")
