"""Annotations of tasks: creating them, one request each, without the SDK, which would repeat a request."""

from __future__ import annotations

import json
from collections.abc import Sequence

from backend.label_studio.api.client import LabelStudioClient
from backend.label_studio.api.task_query import Json

CREATE_TIMEOUT_SECONDS = 100.0


class AnnotationClient(LabelStudioClient):
    """Client of one Label Studio that creates annotations in the name of the token's user."""

    def create(self, task_id: int, results: Sequence[Json]) -> int:
        """Submit an annotation with one request, which is never repeated; return its id.

        Raises:
            NoAnswer: The answer was lost. The annotation may be stored, now or later.
            LabelStudioUnavailable: Nothing was sent.
            LabelStudioError: Label Studio refused it.
        """
        body = json.dumps({"result": list(results)}, separators=(",", ":"), allow_nan=False).encode()
        subject = f"an annotation of task {task_id}"
        reply = self.requests.post_once(f"/api/tasks/{task_id}/annotations/", subject, body, CREATE_TIMEOUT_SECONDS)
        return int(reply["id"])
