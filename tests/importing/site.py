"""A Label Studio in memory that takes annotations, too, and serves the pictures of its tasks."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from PIL import Image

from tests.bulk.fake_label_studio import FakeLabelStudio, reply
from tests.export.sets import CATEGORIES, SIZE
from tests.importing.projects import CONFIG
from tests.servers import Answer, Seen

Json = dict[str, Any]


@dataclass
class ImportSite(FakeLabelStudio):
    """Its state.

    Attributes:
        submitted: Annotations by task.
        refused: Tasks that take none, with the status that says so.
    """

    labels: tuple[str, ...] = CATEGORIES
    label_config: str = CONFIG
    submitted: dict[int, list[Json]] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)

    def respond(self, seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        parts = seen.path.partition("?")[0].strip("/").split("/")
        if parts[0] == "data":
            picture = io.BytesIO()
            Image.new("RGB", (SIZE.width, SIZE.height)).save(picture, "PNG")
            return 200, {"Content-Type": "image/png"}, picture.getvalue()
        if seen.method == "POST" and parts[1] == "tasks" and parts[3] == "annotations":
            return self._submit(int(parts[2]), json.loads(seen.body))
        return super().respond(seen, handler)

    def sent(self) -> list[str]:
        """The requests that changed something."""
        return [request for request in self.requests if not request.startswith("GET")]

    def _submit(self, task: int, annotation: Json) -> Answer:
        self.requests.append(f"POST tasks/{task}/annotations")
        if status := self.refused.get(task):
            return reply({"detail": "You do not have permission to perform this action."}, status)
        own = self.submitted.setdefault(task, [])
        own.append({**annotation, "id": 100 * task + len(own)})
        return reply(own[-1], 201)

    def _show(self, task: int, predictions: list[Json], query: Mapping[str, list[str]]) -> Json:
        shown = super()._show(task, predictions, query)
        if "result" in query["include"][0].split(","):
            shown["annotations"] = self.submitted.get(task, [])
        return shown
