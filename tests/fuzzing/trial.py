"""Trials: the application on fake models, the answer to one request, and what is wrong with that answer."""

from __future__ import annotations

import io
import logging
import re
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import Any

import numpy as np
import orjson
from requests.auth import _basic_auth_str

from backend.fetching import ImageFetcher
from backend.server import Credentials
from tests.fakes import FakeClassifier, Hall
from tests.fuzzing.damaged_requests import BODY_ROUTES, FuzzedRequest, generate_requests
from tests.fuzzing.valid_requests import FILES
from tests.server.fakes import Neighbours, ServerOnFakes

PLANNED = frozenset({200, 308, 400, 403, 404, 405, 408, 413, 422, 502})  # neither 500 nor 503: nothing is overloaded
_VERSION = re.compile(r"fake-1(-auto-[0-9a-f]{8})?")  # the latter of several tasks without a prompt
_RLE_LIST = re.compile(rb'"rle"\s*:\s*\[[^\]"\[{]*\]')  # numbers that the backend does not read unless it needs them
CREDENTIALS = Credentials("fuzzer", "a password", webhook_secret="a secret")  # hints without it are limited in rate
MAX_EXAMPLES = 3  # kept for each place


class _Files(dict[str, Any]):
    """The images; any other URI is refused by the real fetcher, which without settings reaches no host."""

    def __init__(self) -> None:
        super().__init__(FILES)
        self._fetcher = ImageFetcher("", "", frozenset(), max_bytes=10**6, timeout_seconds=0.1)

    def __missing__(self, uri: str) -> bytes:
        return self._fetcher.fetch(uri, None, "")


class _HashedClassifier(FakeClassifier):
    """A classifier whose directions follow from the names, because the fake's are used up after 256 of them."""

    def _directions(self, names: Any) -> np.ndarray:
        return np.eye(256, dtype=np.float32)[[zlib.crc32(name.encode()) % 256 for name in names]]


class UnplannedErrors(logging.Handler):
    """Collector of the exceptions that the backend logs with a traceback: a bug's 500, or a bug in the background."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.places: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.places.append(place_of(record.exc_info[1]))


def place_of(error: BaseException) -> str:
    """Return the exception's type and the innermost line of the backend: "TypeError at requests/tasks.py:84"."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "backend" in PurePath(f.filename).parts]
    if not frames:
        return f"{type(error).__name__} outside the backend"
    file, last = "/".join(PurePath(frames[-1].filename).parts[-2:]), frames[-1]
    return f"{type(error).__name__} at {file}:{last.lineno} in {last.name}"


@dataclass
class Report:
    """What a run has found.

    Attributes:
        statuses: Number of answers by route and status.
        problems: Number of wrong answers by what is wrong, with the place of an unplanned exception.
        examples: The first requests with each problem.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[FuzzedRequest]] = field(default_factory=dict)

    def add_problem(self, problem: str, request: FuzzedRequest) -> None:
        self.problems[problem] += 1
        if len(examples := self.examples.setdefault(problem, [])) < MAX_EXAMPLES:
            examples.append(request)

    def count(self, route: str, status: int | None = None) -> int:
        """Number of requests for a route, or of those with a status."""
        return sum(n for (at, code), n in self.statuses.items() if at == route and status in (None, code))

    def share_answered(self, routes: tuple[str, ...]) -> float:
        """Share of the requests for these routes that were answered with 200."""
        return sum(self.count(route, 200) for route in routes) / max(sum(map(self.count, routes)), 1)

    def table(self) -> str:
        """The counts by route and status."""
        codes = sorted({status for _, status in self.statuses})
        rows = [["route", *map(str, codes), "all"]]
        for route in sorted({route for route, _ in self.statuses}):
            rows.append([route, *(str(self.count(route, code)) for code in codes), str(self.count(route))])
        return "\n".join("".join(f"{cell:>10}" for cell in row) for row in rows)


def run_trials(count: int, seed: int) -> Report:
    """Send `count` requests to an application on fake models and judge every answer."""
    server, errors, report, logger = build_application(), UnplannedErrors(), Report(), logging.getLogger("backend")
    before = logger.propagate, logger.level
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    logger.addHandler(errors)
    try:
        for request in islice(generate_requests(seed), count):
            status, reason, body = send(server.app, request)
            report.statuses[request.route, status] += 1
            places, errors.places = errors.places, []
            for problem in places or judge(request, status, reason, body):
                report.add_problem(problem, request)
    finally:
        logger.removeHandler(errors)
        logger.propagate = before[0]
        logger.setLevel(before[1])
        server.hall.predictor.executor.close()
    return report


def build_application() -> ServerOnFakes:
    """Build the application on fake models, with the images of the valid requests."""
    hall = Hall(classifier=_HashedClassifier(looks=("cat", "white", "dog")), files=_Files())
    return ServerOnFakes(hall, following=Neighbours(), credentials=CREDENTIALS)


def send(app: Any, request: FuzzedRequest) -> tuple[int, str, bytes]:
    """Return status, reason phrase and body of the answer, by WSGI."""
    environ = {
        "REQUEST_METHOD": request.method, "SCRIPT_NAME": "", "PATH_INFO": request.path, "QUERY_STRING": request.query,
        "SERVER_NAME": "localhost", "SERVER_PORT": "9090", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost:9090",
        "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_AUTHORIZATION": _basic_auth_str("fuzzer", "a password"), "HTTP_X_WEBHOOK_SECRET": "a secret",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(), "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        **request.headers,
    }  # fmt: skip
    started: list[str] = []
    answer = app(environ, lambda status, headers, exc_info=None: started.append(status))
    try:
        body = b"".join(answer)
    finally:
        answer.close()
    code, _, reason = started[0].partition(" ")
    return int(code), reason, body


def judge(request: FuzzedRequest, status: int, reason: str, body: bytes) -> list[str]:
    """Return what is wrong with an answer."""
    is_refused = status == 401 and "HTTP_AUTHORIZATION" in request.headers  # the right credentials were replaced
    if status not in PLANNED and not is_refused:
        return [f"{request.route}: status {status}"]
    if not reason.isascii() or not reason.isprintable():
        return [f"{request.route}: reason phrase {reason!r}"]
    if b"Traceback" in body or b'File "' in body:
        return [f"{request.route}: a traceback in the answer"]
    if status >= 400:
        is_said = _is_error_reply(body) or (request.method == "HEAD" and not body)
        return [] if is_said else [f"{request.route}: status {status} without error, remedy or request_id"]
    if status == 200 and request.route in BODY_ROUTES and request.method == "POST":
        return _judge_document(request, body)
    return []


def _is_error_reply(body: bytes) -> bool:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(reply, dict) and all(
        isinstance(reply.get(key), str) and reply[key] for key in ("error", "remedy", "request_id")
    )


def _judge_document(request: FuzzedRequest, body: bytes) -> list[str]:
    """Return what is wrong with the document of an answered POST."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [f"{request.route}: the answer is not JSON"]
    if request.route != "/predict":
        return [] if reply in ({"model_version": "fake-1"}, {"status": "ok"}) else [f"{request.route}: {reply}"]
    results, tasks = reply.get("results"), orjson.loads(_RLE_LIST.sub(b'"rle":[]', request.body))["tasks"]
    if not isinstance(results, list) or len(results) != len(tasks):
        return ["/predict: not one entry for each task"]
    if not all(entry == [] or _is_prediction(entry) for entry in results):
        return ["/predict: an entry is not a prediction"]
    return []


def _is_prediction(entry: Any) -> bool:
    """Whether an entry is a prediction with results whose values have no null, which is how NaN would be written.

    A refusal that the page shows in words has no model version; it is only that message.
    """
    if not isinstance(entry, dict) or not entry.get("result"):
        return False
    is_refusal = entry.get("model_version") == "" and [result.get("type") for result in entry["result"]] == ["textarea"]
    if not is_refusal and not _VERSION.fullmatch(str(entry.get("model_version"))):
        return False
    return all(
        isinstance(result["id"], str) and isinstance(result["from_name"], str) and not _has_null(result["value"])
        for result in entry["result"]
    )


def _has_null(value: Any) -> bool:
    return b"null" in orjson.dumps({key: part for key, part in value.items() if not _is_of_names(part)})


def _is_of_names(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, list) and all(isinstance(name, str) for name in part))
