"""Which webhooks are let in.

Label Studio calls /webhook without the connection's credentials. A webhook that proves nothing is therefore a hint: it
is limited in rate and size, and only the ids in it are used. A webhook is trusted with the secret header, which
`scripts.secure_webhook` sets, or with credentials, which *Start Training* sends.
"""

from __future__ import annotations

from flask import g, request

from backend.errors import BodyTooLarge, RateLimited, Unauthorized
from backend.runtime import TokenBucket, TokenBuckets
from backend.server.credentials import Credentials

SECRET_HEADER = "X-Webhook-Secret"
MAX_HINT_BYTES = 8 << 20
_PER_SECOND, _BURST = 20.0, 100  # of all hints
_PER_SECOND_OF_PROJECT, _BURST_OF_PROJECT = 10.0, 50
_MAX_PROJECTS = 1000
_REMEDY = "Set WEBHOOK_SECRET and run python -m scripts.secure_webhook: webhooks with the secret have no such limit."


class WebhookGate:
    """Decides on each webhook; to be asked within its request.

    Args:
        credentials: With the webhooks' secret, if there is one.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._all = TokenBucket(_PER_SECOND, _BURST)
        self._projects = TokenBuckets(_PER_SECOND_OF_PROJECT, _BURST_OF_PROJECT, _MAX_PROJECTS)

    def admit(self) -> bool:
        """Return whether the webhook has proven its origin; to be called before its body is read.

        Raises:
            Unauthorized: There is a secret, and the webhook lacks it.
            RateLimited, BodyTooLarge: A hint beyond the limits.
        """
        is_known = self._credentials.are_required and g.is_known_caller
        if is_known or self._credentials.accept_webhook(request.headers.get(SECRET_HEADER, "")):
            return True
        if self._credentials.webhook_secret:
            raise Unauthorized(
                f"The webhook lacks the right {SECRET_HEADER} header.",
                remedy="Run python -m scripts.secure_webhook with the WEBHOOK_SECRET of the backend.",
            )
        if not self._all.take():
            raise RateLimited(f"More than {_PER_SECOND:.0f} webhooks a second without a secret.", remedy=_REMEDY)
        size = request.content_length or 0
        if size > MAX_HINT_BYTES:
            message = f"A webhook without a secret has {size} bytes; the limit is {MAX_HINT_BYTES}."
            raise BodyTooLarge(message, remedy=_REMEDY)
        limit = request.max_content_length or MAX_HINT_BYTES
        request.max_content_length = min(limit, MAX_HINT_BYTES)  # a chunked body does not tell its length
        return False

    def admit_hint(self, project_id: str) -> None:
        """Raise RateLimited if a project has too many hints."""
        if not self._projects.take(project_id):
            limit = f"{_PER_SECOND_OF_PROJECT:.0f} webhooks a second without a secret"
            raise RateLimited(f"Project {project_id} has more than {limit}.", remedy=_REMEDY)
