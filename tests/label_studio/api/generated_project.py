"""A Label Studio whose project is made up on request, so that it can have 100,000 tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers import Answer, Seen

Json = dict[str, Any]


def answer(document: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@dataclass
class GeneratedProject:
    """Project 1 with the tasks 1 to `size`; answers like Label Studio 1.23.2.

    Attributes:
        versions: Model versions of the predictions, by task.
        annotated: Tasks with an annotation.
        gone: Tasks that were deleted.
        tabs: Ids of a tab's tasks in its order, by the tab's id.
        max_page_size: The largest page that the server allows.
        queries: The parsed queries of the listings, in their order.
        faults: Answers that the next requests get instead.
    """

    size: int
    versions: Mapping[int, Sequence[str]] = field(default_factory=dict)
    annotated: Sequence[int] = ()
    gone: set[int] = field(default_factory=set)
    tabs: Mapping[int, Sequence[int]] = field(default_factory=dict)
    max_page_size: int = 1_000_000
    queries: list[Json] = field(default_factory=list)
    faults: list[Answer | None] = field(default_factory=list)

    def respond(self, seen: Seen, handler: object) -> Answer | None:
        if self.faults:
            return self.faults.pop(0)
        url = urlsplit(seen.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        if parts == ["api", "tasks"]:
            return self._tasks(query)
        if parts == ["api", "projects", "1", "model-versions"]:
            names = [name for names in self.versions.values() for name in names]
            return answer({name: names.count(name) for name in names})
        if parts == ["api", "predictions"]:
            return answer([{"model_version": name} for name in self.versions.get(int(query["task"]), ())])
        if parts == ["api", "dm", "views"]:
            tabs = self.tabs if query["project"] == "1" else ()
            return answer([{"id": tab, "project": 1, "data": {"title": f"Tab {tab}"}} for tab in tabs])
        return answer({"detail": "Not found."}, 404)

    def _tasks(self, query: Mapping[str, str]) -> Answer:
        conditions: list[Json] = []
        chosen: Sequence[int] = range(1, self.size + 1)
        if "view" in query:
            chosen = self.tabs[int(query["view"])]
        elif query["project"] != "1":
            return answer({"detail": "No Project matches the given query."}, 404)
        else:
            asked = json.loads(query["query"])
            self.queries.append(asked)
            conditions = asked["filters"]["items"]
            chosen = asked.get("selectedItems", {}).get("included") or self._after(conditions)
        has_all_alike = isinstance(chosen, range) and not (self.versions or self.annotated or self.gone)
        matching: Sequence[int] = chosen
        if not has_all_alike:  # then every task after the last one matches
            matching = [number for number in chosen if all(self._matches(number, one) for one in conditions)]
        size = min(int(query["page_size"]), self.max_page_size)
        start = (int(query["page"]) - 1) * size
        fields = query["include"].split(",")
        tasks = [self._task(number, fields) for number in matching[start : start + size]]
        return answer({"tasks": tasks, "total": len(matching)})

    def _after(self, conditions: Sequence[Json]) -> range:
        """The ids after the last one, so that a page of a large project is made up quickly."""
        first = max((one["value"] for one in conditions if one["filter"].endswith(":id")), default=0)
        return range(int(first) + 1, self.size + 1)

    def _matches(self, number: int, condition: Json) -> bool:
        column, value = condition["filter"].removeprefix("filter:tasks:"), condition["value"]
        names = [name.lower() for name in self.versions.get(number, ())]
        if number in self.gone or not 1 <= number <= self.size:
            return False
        if column == "id":
            return number > int(value)
        if column == "total_annotations":
            return (number in self.annotated) == bool(value)
        if column == "total_predictions":
            return len(names) == value
        assert column == "predictions_model_versions" and isinstance(value, list)
        contains = any(part.lower() in name for part in value for name in names)
        return contains == (condition["operator"] == "contains")

    def _task(self, number: int, fields: Sequence[str]) -> Json:
        whole = {
            "id": number,
            "data": {"image": f"/data/upload/1/picture-{number:06}.png"},
            "total_predictions": len(self.versions.get(number, ())),
        }
        return {name: value for name, value in whole.items() if name in fields}
