"""Translation of the SDK's and the network's errors into `LabelStudioError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import LabelStudioError
from backend.fetching import REDIRECT_REMEDY, REDIRECT_STATUSES, TOKEN_REMEDY

MAX_DETAIL = 200  # characters; Label Studio repeats whole predictions in its refusals


@contextmanager
def translate_errors(url: str, subject: str) -> Iterator[None]:
    """Raise `LabelStudioError` in place of the SDK's and httpx's errors.

    Args:
        url: Label Studio's.
        subject: What is requested, for the message, such as "the tasks of project 3".

    Raises:
        LabelStudioError: Label Studio refused, or could not be reached.
    """
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except ApiError as error:
        raise _refusal(url, subject, error.status_code, error.body) from error
    except httpx.HTTPError as error:
        message = f"Label Studio at {url} did not answer the request for {subject}: {type(error).__name__}."
        remedy = "Check that it is running and that LABEL_STUDIO_URL is correct."
        raise LabelStudioError(message, remedy=remedy) from error
    except ValueError as error:  # of the SDK's token exchange, which reads every response as JSON
        message = f"The answer of {url} to the request for {subject} is not Label Studio's."
        raise LabelStudioError(message, remedy=f"Check LABEL_STUDIO_URL. {REDIRECT_REMEDY}") from error


def _refusal(url: str, subject: str, status: int | None, body: object) -> LabelStudioError:
    detail = _detail(body)
    reason = f": {detail}" if detail else ""
    message = f"Label Studio at {url} refused {subject} (HTTP {status}{reason})."
    remedies = {
        401: TOKEN_REMEDY,
        403: "Use the token of a user who has access to this project.",
        404: "Check the id: it is the number in the URL of the project's page, /projects/ID.",
        **dict.fromkeys(REDIRECT_STATUSES, REDIRECT_REMEDY),
    }
    return LabelStudioError(message, remedy=remedies.get(status or 0, "Check Label Studio's log."))


def _detail(body: object) -> str:
    """Return Label Studio's own error text. A long one loses its start, where it repeats the refused document."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("validation_errors")
    texts = [str(text) for messages in errors.values() for text in messages] if isinstance(errors, dict) else []
    detail = " ".join(texts) or str(body.get("detail") or "")
    return detail if len(detail) <= MAX_DETAIL else f"…{detail[-MAX_DETAIL:]}"
