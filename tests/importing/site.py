"""A Label Studio in memory that takes annotations, too, and serves the pictures of its tasks."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote

from PIL import Image

from tests.bulk.fake_label_studio import PROJECT, FakeLabelStudio, reply
from tests.export.sets import CATEGORIES, SIZE
from tests.importing.projects import CONFIG
from tests.servers import Answer, Seen

Json = dict[str, Any]


def read_form(seen: Seen) -> dict[str, bytes]:
    """The files of a form, by name."""
    boundary = b"--" + seen.headers["content-type"].partition("boundary=")[2].encode()
    parts = [part.partition(b"\r\n\r\n") for part in seen.body.split(boundary)[1:-1]]
    return {re.findall(rb'filename="(.*)"', head)[0].decode(): content[:-2] for head, _, content in parts}


def stored_name(name: str) -> str:
    """Django's get_valid_filename."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _serve(content: bytes, wanted: str) -> Answer:
    """Answer as django-ranged-fileresponse 0.1.2 does: of a part beyond the end it sends the whole file."""
    headers = {"Content-Type": "image/png"}
    if not (found := re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)):
        return 200, headers, content
    start, stop = int(found[1]), min(int(found[2]) + 1, len(content))
    if start >= len(content):
        return 416, headers, content
    return 206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}, content[start:stop]


@dataclass
class ImportSite(FakeLabelStudio):
    """Its state.

    Attributes:
        submitted: Annotations by task.
        refused: Tasks that take none, with the status that says so.
        max_upload_bytes: Of all pictures in one request.
        import_status: That an import of tasks is refused with, if not 0.
        uploads: Names and contents of uploaded pictures.
        files: Their contents by address, or the status that such a request is refused with.
    """

    labels: tuple[str, ...] = CATEGORIES
    label_config: str = CONFIG
    submitted: dict[int, list[Json]] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    max_upload_bytes: int = 250 << 20
    import_status: int = 0
    uploads: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes | int] = field(default_factory=dict)

    def respond(self, seen: Seen, handler: BaseHTTPRequestHandler) -> Answer | None:
        parts = seen.path.partition("?")[0].strip("/").split("/")
        if parts[0] == "data":
            picture = io.BytesIO()
            Image.new("RGB", (SIZE.width, SIZE.height)).save(picture, "PNG")
            content = self.files.get(seen.path, picture.getvalue())
            return (content, {}, b"") if isinstance(content, int) else _serve(content, seen.headers.get("range", ""))
        if seen.method == "POST" and parts[1] == "tasks" and parts[3] == "annotations":
            return self._submit(int(parts[2]), json.loads(seen.body))
        if seen.method == "POST" and parts[1:] == ["projects", PROJECT, "import"]:
            return self._create(seen)
        return super().respond(seen, handler)

    def sent(self) -> list[str]:
        """The requests that changed something."""
        return [request for request in self.requests if not request.startswith("GET")]

    def _create(self, seen: Seen) -> Answer:
        """Make all of the tasks or none, as 1.23.2 does."""
        self.requests.append("POST import")
        if self.is_down:
            return 503, {"Content-Type": "text/html"}, b"<h1>Service Unavailable</h1>"
        if self.import_status:
            return reply({"detail": "You do not have permission to perform this action."}, self.import_status)
        if seen.headers["content-type"] == "application/json":
            data = [one["data"] for one in json.loads(seen.body)]
        else:
            files = read_form(seen)
            if sum(map(len, files.values())) >= self.max_upload_bytes:
                return reply({"detail": "You cannot access body after reading from request's data stream"}, 500)
            if bad := [name for name in files if "refused" in name]:
                return reply({"validation_errors": {"non_field_errors": [f"{bad[0]} is not supported"]}}, 400)
            self.uploads |= files
            digits = (f"{len(self.tasks) + n:08x}" for n in range(len(files)))
            stored = [f"{number}-{stored_name(name)}" for number, name in zip(digits, files, strict=True)]
            data = [{"image": f"/data/upload/{PROJECT}/{quote(name)}"} for name in stored]
            self.files |= dict(zip((one["image"] for one in data), files.values(), strict=True))
        first = max(self.tasks, default=0) + 1
        self.tasks |= dict(enumerate(data, first))
        return reply({"task_count": len(data), "task_ids": list(range(first, first + len(data)))}, 201)

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
