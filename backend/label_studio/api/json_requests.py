"""Requests to Label Studio's REST API without the SDK: each is sent once, with a deadline for the whole answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
import requests

from backend.errors import LabelStudioError, LabelStudioUnavailable, NoAnswer
from backend.fetching import (
    REDIRECT_REMEDY,
    TokenSource,
    enforce_deadline,
    find_wrong_address,
    ignore_netrc,
    never_connected,
    open_session,
)
from backend.label_studio.api.sdk_errors import NO_ANSWER_REMEDY, build_refusal, no_answer

JSON_TYPE = "application/json"


class AnswerTooLong(Exception):
    """Answer that is longer than was allowed; its body was not read."""


class JsonRequests:
    """Sender of requests to one Label Studio. Thread-safe; redirects are not followed.

    Nothing is repeated, except with a new token after status 401, which Label Studio answers before it does anything.

    Args:
        url: Label Studio's, without a slash at its end.
        tokens: Source of the `Authorization` header.
        timeout_seconds: Of a request that changes nothing.
    """

    def __init__(self, url: str, tokens: TokenSource, timeout_seconds: float) -> None:
        self._url, self._tokens, self._timeout_seconds = url, tokens, timeout_seconds
        self._session = open_session()

    def get(self, path: str, subject: str, params: Mapping[str, Any] | None = None) -> Any:
        """Return the parsed answer.

        Args:
            subject: What is requested, for the message, such as "the tasks of project 3".

        Raises:
            LabelStudioUnavailable: Label Studio cannot answer now.
            LabelStudioError: It refused, or the answer is not JSON.
        """
        response = self._send("GET", path, subject, self._timeout_seconds, params=params)
        self._check_status(response, subject)
        return self._parse(response, subject)

    def get_page(self, path: str, subject: str, params: Mapping[str, Any], max_bytes: int | None) -> tuple[Any, int]:
        """Return a parsed answer of many bytes, and how many they are. orjson parses it, in a third of the time.

        Args:
            max_bytes: None for no limit.

        Raises:
            AnswerTooLong: Label Studio announced more bytes, of which none was read.
            LabelStudioUnavailable, LabelStudioError: As `get`.
        """
        response = self._send("GET", path, subject, self._timeout_seconds, params=params, max_bytes=max_bytes)
        self._check_status(response, subject)
        content = response.content
        try:
            return orjson.loads(content), len(content)
        except orjson.JSONDecodeError:  # half a surrogate pair, which the standard library accepts
            return self._parse(response, subject), len(content)

    def get_part(self, path: str, subject: str, start: int, stop: int) -> tuple[int, bytes] | None:
        """Return how many bytes a file has, and those from `start` to `stop`; None if there is no such file.

        Label Studio (1.23.2) sends the part alone. Of a server that sends the whole file, the part is taken.

        Raises:
            LabelStudioUnavailable, LabelStudioError: As `get`.
        """
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        response = self._send("GET", path, subject, self._timeout_seconds, headers=headers)
        if response.status_code == requests.codes.not_found:
            return None
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return _total_bytes(response), b""
        self._check_status(response, subject)
        if response.status_code == requests.codes.partial_content:
            return _total_bytes(response), response.content
        return len(response.content), response.content[start:stop]

    def post_once(
        self, path: str, subject: str, body: bytes, timeout_seconds: float, content_type: str = JSON_TYPE
    ) -> Any:
        """Send a document whose effect must not be repeated; return the parsed answer.

        Raises:
            NoAnswer: The request may have been carried out, or may still be.
            LabelStudioUnavailable: It was not carried out: no connection, no token, or too many requests.
            LabelStudioError: It was refused.
        """
        response = self._send("POST", path, subject, timeout_seconds, body=body, content_type=content_type)
        try:
            self._check_status(response, subject)
            return self._parse(response, subject)
        except LabelStudioError as error:
            is_open = isinstance(error, LabelStudioUnavailable) or 200 <= response.status_code < 300
            if is_open and response.status_code != requests.codes.too_many_requests:
                lost = NoAnswer(error.message, remedy=error.remedy)
                lost.has_ended = response.status_code == requests.codes.server_error and _is_json(response)
                raise lost from error
            raise

    def patch(self, path: str, subject: str, document: Mapping[str, Any]) -> Any:
        """Change fields of something; return the parsed answer.

        Raises:
            LabelStudioUnavailable, LabelStudioError: As `get`.
        """
        response = self._send("PATCH", path, subject, self._timeout_seconds, body=json.dumps(document).encode())
        self._check_status(response, subject)
        return self._parse(response, subject)

    def delete(self, path: str, subject: str) -> bool:
        """Delete something; return False if it does not exist (any more).

        Raises:
            LabelStudioUnavailable, LabelStudioError: As `get`.
        """
        response = self._send("DELETE", path, subject, self._timeout_seconds)
        if response.status_code == requests.codes.not_found:
            return False
        self._check_status(response, subject)
        return True

    def _send(
        self,
        method: str,
        path: str,
        subject: str,
        timeout_seconds: float,
        *,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        max_bytes: int | None = None,
        content_type: str = JSON_TYPE,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> requests.Response:
        """Send a request, and once more if its token has just expired."""
        own = {"Content-Type": content_type, **headers}
        request = requests.Request(method, self._url + path, own, params=params, data=body)
        headers = self._tokens.headers()
        response = self._send_once(request, headers, subject, timeout_seconds, max_bytes)
        if response.status_code == requests.codes.unauthorized and self._tokens.can_renew:
            headers = self._tokens.headers(refused=headers["Authorization"])
            response = self._send_once(request, headers, subject, timeout_seconds, max_bytes)
        return response

    def _send_once(
        self,
        request: requests.Request,
        headers: Mapping[str, str],
        subject: str,
        timeout_seconds: float,
        max_bytes: int | None,
    ) -> requests.Response:
        try:
            with enforce_deadline(time.monotonic() + timeout_seconds):
                response = self._session.request(
                    str(request.method),
                    str(request.url),
                    params=request.params,
                    data=request.data or b"",
                    headers={**headers, **request.headers},
                    timeout=timeout_seconds,
                    allow_redirects=False,
                    auth=ignore_netrc,
                    stream=max_bytes is not None,
                )
                if max_bytes is not None:
                    _read_body(response, max_bytes)
                return response
        except requests.RequestException as error:
            if wrong := find_wrong_address(self._url, error):
                raise wrong from error
            is_open = request.method == "POST" and not never_connected(error)
            kind = NoAnswer if is_open else LabelStudioUnavailable
            raise kind(no_answer(self._url, subject, error), remedy=NO_ANSWER_REMEDY) from error

    def _check_status(self, response: requests.Response, subject: str) -> None:
        if not 200 <= response.status_code < 300:
            try:
                document: object = response.json()
            except ValueError:
                document = None
            raise build_refusal(self._url, subject, response.status_code, document)

    def _parse(self, response: requests.Response, subject: str) -> Any:
        try:
            return response.json()
        except ValueError as error:
            message = f"The answer of {self._url} to the request for {subject} is not Label Studio's."
            raise LabelStudioError(message, remedy=f"Check LABEL_STUDIO_URL. {REDIRECT_REMEDY}") from error


def _is_json(response: requests.Response) -> bool:
    """Whether Label Studio wrote the answer: proxies send HTML."""
    return response.headers.get("Content-Type", "").startswith(JSON_TYPE)


def _total_bytes(response: requests.Response) -> int:
    """Return how many bytes a file has of which a part was asked for: "bytes 0-99/1234", or "bytes */1234"."""
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() else len(response.content)


def _read_body(response: requests.Response, max_bytes: int) -> None:
    """Read the body, or raise `AnswerTooLong`."""
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        response.close()
        raise AnswerTooLong(announced)
    response.content  # noqa: B018 - reads and keeps it
