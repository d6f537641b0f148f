"""A project of any number of tasks with four masks each, made while it is read: as an export file and as an API.

The masks are those of the set "5k", again and again; the ids of tasks, annotations and regions are all different.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from scripts.measuring.exporting import annotated_task
from scripts.measuring.mask_sets import load_masks
from scripts.measuring.place import run_server

REGIONS_PER_TASK = 4
_NUMBER = 987_654_321  # stands for the task's number in the text of a task


@dataclass(frozen=True)
class GeneratedProject:
    """Tasks 1 to `tasks`, as JSON text."""

    tasks: int

    @cached_property
    def _template(self) -> tuple[str, ...]:
        task = annotated_task(_NUMBER, load_masks("5k")[:REGIONS_PER_TASK])
        for result in task["annotations"][0]["result"]:
            result["id"] += f"-{_NUMBER}"
        return tuple(json.dumps(task, separators=(",", ":")).split(str(_NUMBER)))

    def text(self, number: int) -> str:
        """Return the JSON of a task."""
        return str(number).join(self._template)

    def write(self, path: Path) -> int:
        """Write all tasks as an export file; return its bytes."""
        with path.open("w", encoding="ascii") as file:
            file.write("[")
            for number in range(1, self.tasks + 1):
                file.write((", " if number > 1 else "") + self.text(number))
            file.write("]")
        return path.stat().st_size

    def page(self, after: int, size: int) -> bytes:
        """Return the answer to a request for the tasks after one."""
        numbers = range(after + 1, min(after + size, self.tasks) + 1)
        return f'{{"total": {self.tasks - after}, "tasks": [{", ".join(map(self.text, numbers))}]}}'.encode()

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve `GET /api/tasks/` as Label Studio does; yield the address."""
        project = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                conditions = json.loads(query["query"][0])["filters"]["items"]
                (after,) = (one["value"] for one in conditions if one["filter"] == "filter:tasks:id")
                body = project.page(int(after), int(query["page_size"][0]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with run_server(Handler) as url:
            yield url
