"""New tasks of a project: from data, or from pictures that are uploaded; without the SDK, which would repeat a request.

A picture goes to `POST /api/projects/P/import` as a file of a form. Label Studio stores it under its name behind eight
random digits and makes a task of it, whose only data is the picture's address: {"image": "/data/upload/P/HEX-NAME"}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from backend.label_studio.api.client import LabelStudioClient

CREATE_TIMEOUT_SECONDS = 300.0  # megabytes of pictures, over any line
OCTETS = "application/octet-stream"


class NewTaskClient(LabelStudioClient):
    """Client of one Label Studio that creates tasks.

    Both methods send one request, which is never repeated, and return the ids of the tasks: none where Label Studio
    imports later (Enterprise), and says only that it will.

    Raises:
        NoAnswer: The answer was lost. The tasks may be there, now or later.
        LabelStudioUnavailable: Nothing was sent.
        LabelStudioError: Label Studio refused all of them.
    """

    def create(self, project_id: str, data: Sequence[Mapping[str, str]]) -> list[int]:
        """Create a task for each document."""
        body = json.dumps([{"data": dict(one)} for one in data], separators=(",", ":")).encode()
        return self._import(project_id, f"{len(data)} tasks for project {project_id}", body, "application/json")

    def upload(self, project_id: str, pictures: Sequence[tuple[str, bytes]]) -> list[int]:
        """Create a task for each picture.

        Args:
            pictures: Name and content; a name that Label Studio would change is stored as another one.
        """
        # it keeps only the last of several files in fields of the same name
        fields = {f"file{n}": (name, content, OCTETS) for n, (name, content) in enumerate(pictures)}
        form: Any = requests.Request("POST", self.url, files=fields).prepare()
        subject = f"{len(pictures)} pictures for project {project_id}"
        return self._import(project_id, subject, form.body, form.headers["Content-Type"])

    def _import(self, project_id: str, subject: str, body: bytes, content_type: str) -> list[int]:
        path = f"/api/projects/{project_id}/import?return_task_ids=true"
        reply: Any = self.requests.post_once(path, subject, body, CREATE_TIMEOUT_SECONDS, content_type)
        ids = reply.get("task_ids") if isinstance(reply, dict) else None
        return [int(number) for number in ids or ()]
