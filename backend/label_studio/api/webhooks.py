"""Webhooks of a project, and the ML backends that they call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.label_studio.api.client import LabelStudioClient


@dataclass(frozen=True)
class Webhook:
    """A webhook of a project.

    Attributes:
        headers: Sent with each call, beside the usual ones; they may hold secrets.
        actions: That it is called for, where it is not called for all.
    """

    id: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    actions: Sequence[Any]


class WebhookClient(LabelStudioClient):
    """Client of one Label Studio that reads and changes webhooks."""

    def backend_urls(self, project_id: int) -> list[str]:
        """Fetch the URLs of the ML backends that are connected to the project.

        Raises:
            LabelStudioError: As `project`.
        """
        with self._translate_errors(f"the ML backends of project {project_id}"):
            backends = self._sdk().ml.list(project=project_id, request_options=self._options())
        return [str(backend.url) for backend in backends]

    def webhooks(self, project_id: int) -> list[Webhook]:
        """Fetch the webhooks of the project.

        Raises:
            LabelStudioError: As `project`; or the token's user may not read them.
        """
        with self._translate_errors(f"the webhooks of project {project_id}"):
            webhooks = self._sdk().webhooks.list(project=str(project_id), request_options=self._options())
        return [Webhook(int(hook.id or 0), hook.url, hook.headers or {}, hook.actions or ()) for hook in webhooks]

    def set_headers(self, webhook: Webhook, headers: Mapping[str, str]) -> None:
        """Replace the headers of a webhook; the rest of it stays as it is.

        Raises:
            LabelStudioError: As `webhooks`.
        """
        with self._translate_errors(f"new headers for webhook {webhook.id}"):
            self._sdk().webhooks.update(
                webhook.id,
                headers=dict(headers),
                actions=list(webhook.actions),  # Label Studio deletes them if they are left out
                request_options=self._options(),
            )
