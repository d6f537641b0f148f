"""One request at a time, each over a connection of its own, and everything that came of it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from scripts.comparing_answers.exchanges import NO_ANSWER, Answer, Exchange, Json
from scripts.comparing_answers.picture_server import LOOPBACK

ANSWER_SECONDS = 120.0
TRIES_AGAIN = 3
JSON_TYPE = "application/json"


class Enough(Exception):
    """As many requests as were wanted have been made."""


class Warms(Protocol):
    """What is needed of `backend.Backend`."""

    port: int

    def becomes_idle(self, pictures: int) -> bool: ...


class Conversation:
    """What is said to one backend, in order. The same story makes the same requests, as long as the answers are alike.

    Args:
        backend: Ready.
        most: After so many requests `Enough` is raised.
        url: Of the picture server.
    """

    def __init__(self, backend: Warms, most: int, url: str) -> None:
        self.exchanges: list[Exchange] = []
        self.url = url
        self._backend, self._most = backend, most
        self._encoded: set[str] = set()
        self._ids = self._tasks = 0

    def new_id(self) -> str:
        """Of a region that is drawn on the page: ten characters, as Label Studio makes them."""
        self._ids += 1
        return f"page{self._ids:06d}"

    def new_task(self) -> int:
        self._tasks += 1
        return self._tasks

    def saw(self, pictures: Collection[str]) -> None:
        """These pictures were answered with masks, so they are encoded."""
        self._encoded |= set(pictures)

    def post(self, kind: str, path: str, document: Json, *, opened: Collection[str] | None = None) -> Answer:
        """POST a JSON document; see `ask`."""
        body = json.dumps(document, separators=(",", ":")).encode()
        return self.ask(kind, "POST", path, body, sent=document, opened=opened)

    def ask(
        self,
        kind: str,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        sent: Json = None,
        opened: Collection[str] | None = None,
        half: bool = False,
    ) -> Answer:
        """Send a request and remember what was answered.

        Args:
            body: An iterable is sent in chunks, without a length.
            headers: Instead of the content type of JSON; a length is added to them unless they have one.
            sent: The document in the body.
            opened: The pictures of a page that this opens, for whose warming is waited; None: no page. A page that got
                nothing is opened again: from a busy machine it does not get the class of its picture.
            half: The client closes its end after the body, which may be shorter than it says.

        Raises:
            Enough: This one is too many.
        """
        if len(self.exchanges) >= self._most:
            raise Enough
        named = ({"Content-Type": JSON_TYPE} if body is not None else {}) if headers is None else headers
        answer = self._send(method, path, body, named, half=half)
        warmed = None if opened is None else self._wait(opened)
        for _ in range(TRIES_AGAIN if opened and isinstance(body, bytes) else 0):
            if answer.status != http.client.OK or _says_something(answer):
                break
            answer = self._send(method, path, body, named, half=half)
        self.exchanges.append(Exchange(len(self.exchanges) + 1, kind, f"{method} {path}", sent, answer, warmed))
        return answer

    def _wait(self, opened: Collection[str]) -> bool:
        self._encoded |= set(opened)
        return self._backend.becomes_idle(len(self._encoded))

    def _send(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str], half: bool
    ) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self._backend.port, timeout=ANSWER_SECONDS)
        try:
            _write(connection, method, path, body, headers)
            if half and connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_WR)
            return _read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            return Answer(NO_ANSWER, f"No answer: {type(error).__name__}")
        finally:
            connection.close()


def _write(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None,
    headers: Mapping[str, str],
) -> None:
    connection.putrequest(method, path, skip_accept_encoding=True)
    own = {name.lower() for name in headers}
    for name, value in headers.items():
        connection.putheader(name, value)
    is_chunked = body is not None and not isinstance(body, bytes)
    if is_chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    elif isinstance(body, bytes) and "content-length" not in own:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body, encode_chunked=is_chunked)


def _says_something(answer: Answer) -> bool:
    return isinstance(answer.body, dict) and any(answer.body.get("results") or [])


def _read(response: http.client.HTTPResponse) -> Answer:
    data, content_type = response.read(), response.getheader("Content-Type", "")
    body: Json = data.decode(errors="replace")
    if content_type.startswith(JSON_TYPE):
        try:
            body = json.loads(data)
        except ValueError:
            body = f"no JSON: {body}"
    return Answer(response.status, body, response.reason, content_type)
