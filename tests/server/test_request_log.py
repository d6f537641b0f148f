"""The log line of each request, its id and its problem."""

from __future__ import annotations

import logging
import re

import pytest

from backend.logs.formatters import TextFormatter
from backend.logs.request_id import RequestIdFilter
from tests.fakes import keypoint, predict_body
from tests.server.fakes import ServerOnFakes


def test_client_input_is_logged_as_one_short_line(server: ServerOnFakes, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        server.client.post("/webhook", json={"action": "a\nforged line " + "x" * 5000})
    (line,) = [record.getMessage() for record in caplog.records if "webhook" in record.getMessage()]
    assert r"a\nforged line" in line
    assert len(line) < 1000


def test_a_prediction_is_logged_with_its_request_id_and_its_answer(server: ServerOnFakes, caplog) -> None:
    caplog.handler.addFilter(RequestIdFilter())
    with caplog.at_level(logging.INFO, logger="backend.server"):
        reply = server.predict(predict_body("a.png", keypoint(50, 50)))
    (record,) = caplog.records
    (line,) = TextFormatter().format(record).splitlines()
    name = rf"backend\.server\.request_log \[{reply.headers['X-Request-ID']}\]"
    assert re.search(rf"INFO {name}: project 3, task 7, 1 point: 1 mask: 200 in \d+ ms( \([a-z0-9, ]+\))?$", line)


@pytest.mark.parametrize(("path", "levels"), [("/health", ["DEBUG"]), ("/nothing", ["WARNING", "INFO"])])
def test_other_requests_are_logged_for_debugging_unless_they_failed(
    server: ServerOnFakes, caplog, path: str, levels: list[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="backend.server"):
        server.client.get(path)
    assert [record.levelname for record in caplog.records] == levels


def test_each_request_has_an_id_of_its_own(server: ServerOnFakes) -> None:
    ids = {server.client.get("/health").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
