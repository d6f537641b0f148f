"""Translation of the SDK's and the network's errors into `LabelStudioError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backend.errors import LabelStudioError, LabelStudioUnavailable
from backend.fetching import REDIRECT_REMEDY, REDIRECT_STATUSES, TOKEN_REMEDY

UNAVAILABLE_STATUSES = frozenset({408, 429})  # besides those from 500 on
NO_ANSWER_REMEDY = "Check that it is running and that LABEL_STUDIO_URL is correct."
MAX_DETAIL = 200  # characters; Label Studio repeats whole predictions in its refusals


@contextmanager
def translate_errors(url: str, subject: str) -> Iterator[None]:
    """Raise `LabelStudioError` in place of the SDK's and httpx's errors.

    Args:
        url: Label Studio's.
        subject: What is requested, for the message, such as "the tasks of project 3".

    Raises:
        LabelStudioUnavailable: Label Studio could not be reached, or could not answer.
        LabelStudioError: Label Studio refused.
    """
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except ApiError as error:
        raise build_refusal(url, subject, error.status_code or 0, error.body) from error
    except httpx.HTTPError as error:
        raise LabelStudioUnavailable(no_answer(url, subject, error), remedy=NO_ANSWER_REMEDY) from error
    except ValueError as error:  # of the SDK's token exchange, which reads every response as JSON
        message = f"The answer of {url} to the request for {subject} is not Label Studio's."
        raise LabelStudioError(message, remedy=f"Check LABEL_STUDIO_URL. {REDIRECT_REMEDY}") from error


def no_answer(url: str, subject: str, error: Exception) -> str:
    """Build the message of a request that failed on the network."""
    return f"Label Studio at {url} did not answer the request for {subject}: {type(error).__name__}."


def build_refusal(url: str, subject: str, status: int, body: object) -> LabelStudioError:
    """Build the error of an unexpected response: `LabelStudioUnavailable` if it may pass.

    Args:
        body: The parsed document, or anything else.
    """
    detail = _detail(body)
    reason = f": {detail}" if detail else ""
    if status >= 500 or status in UNAVAILABLE_STATUSES:
        message = f"Label Studio at {url} could not answer the request for {subject} (HTTP {status}{reason})."
        return LabelStudioUnavailable(message, remedy="Check Label Studio's log.")
    message = f"Label Studio at {url} refused {subject} (HTTP {status}{reason})."
    remedies = {
        401: TOKEN_REMEDY,
        403: "Use the token of a user who has access to this project.",
        404: "Check the id: it is the number in the URL of the project's page, /projects/ID.",
        413: "Send less at once, or raise the limit of the proxy before Label Studio (nginx: client_max_body_size).",
        **dict.fromkeys(REDIRECT_STATUSES, REDIRECT_REMEDY),
    }
    return LabelStudioError(message, remedy=remedies.get(status, "Check Label Studio's log."))


def _detail(body: object) -> str:
    """Return Label Studio's own error text. A long one loses its start, where it repeats the refused document."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("validation_errors")
    texts = [str(text) for messages in errors.values() for text in messages] if isinstance(errors, dict) else []
    detail = " ".join(texts) or str(body.get("detail") or "")
    return detail if len(detail) <= MAX_DETAIL else f"…{detail[-MAX_DETAIL:]}"
