"""The log line of each request, its id and its problem."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable

import numpy as np
import pytest

from backend.label_studio.requests import parse_predict_body, parse_predict_request
from backend.logs.formatters import JsonFormatter, TextFormatter
from backend.logs.request_id import RequestIdFilter
from backend.server.log_text import PROMPT_KINDS, prompt_kind, request_in_words
from backend.values import Candidate, ImageEmbedding, Pixels
from tests.fakes import CONFIG, keypoint, predict_body, rectangle
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


def test_a_prediction_as_json_has_what_it_was_about_and_where_its_time_went(server: ServerOnFakes, caplog) -> None:
    caplog.handler.addFilter(RequestIdFilter())
    with caplog.at_level(logging.INFO, logger="backend.server"):
        first = server.predict(predict_body("a.png", keypoint(50, 50)))
        server.predict(predict_body("a.png", keypoint(20, 50)))
    records = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    about = {"route": "predict", "status": 200, "project": "3", "task": 7, "prompt": "points"}
    assert [about | record for record in records] == records
    assert records[0]["request_id"] == first.headers["X-Request-ID"]
    assert [record["cache"] for record in records] == ["computed", "memory"]
    assert list(records[0]["stages"]) == ["queue", "fetch", "cache", "decode", "encode", "sam", "clip", "write"]
    assert list(records[1]["stages"]) == ["queue", "fetch", "cache", "sam", "clip", "write"]
    for record in records:
        assert 0 < sum(record["stages"].values()) <= record["milliseconds"] + 0.5  # each is rounded


def slowed(encode: Callable[[Pixels], ImageEmbedding]) -> Callable[[Pixels], ImageEmbedding]:
    def encode_slowly(pixels: Pixels) -> ImageEmbedding:
        time.sleep(0.2)
        return encode(pixels)

    return encode_slowly


def test_stages_are_the_time_that_each_part_takes(caplog) -> None:
    server = ServerOnFakes()
    server.hall.segmenter.encode = slowed(server.hall.segmenter.encode)
    with caplog.at_level(logging.INFO, logger="backend.server"):
        server.predict(predict_body("a.png", keypoint(50, 50)))
    (record,) = caplog.records
    fields = record.fields()
    assert 200 <= fields["stages"]["encode"] < fields["milliseconds"]
    assert sum(fields["stages"].values()) - fields["stages"]["encode"] <= fields["milliseconds"] - 200 + 0.5
    in_words = re.search(r" ms \(.*encode (\d+)", record.getMessage())
    assert in_words is not None and abs(int(in_words[1]) - fields["stages"]["encode"]) <= 1


def test_what_the_model_threads_log_for_a_request_carries_its_id(server: ServerOnFakes, monkeypatch, caplog) -> None:
    caplog.handler.addFilter(RequestIdFilter())
    monkeypatch.setattr(
        server.hall.segmenter, "decode", lambda *_, **__: [Candidate(np.zeros((30, 40), bool), 0.1, None)]
    )
    with caplog.at_level(logging.INFO):
        reply = server.predict(predict_body("a.png", keypoint(50, 50)))
    (record,) = [record for record in caplog.records if "no object" in record.getMessage()]
    assert record.threadName.startswith("model-")
    assert record.request_id == reply.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/a%0Ab%1B", "/static/a%0Ab%1B"])
def test_a_path_is_logged_as_one_line(server: ServerOnFakes, caplog, path: str) -> None:
    server.client.get(path)
    assert caplog.records
    assert [record for record in caplog.records if not record.getMessage().isprintable()] == []


def test_the_id_of_a_proxy_is_kept_in_the_reply_the_error_and_the_log(server: ServerOnFakes, caplog) -> None:
    caplog.handler.addFilter(RequestIdFilter())
    reply = server.client.get("/nothing", headers={"X-Request-ID": "4f0c-7.a_B"})
    assert reply.headers["X-Request-ID"] == reply.json["request_id"] == "4f0c-7.a_B"
    assert {record.request_id for record in caplog.records} == {"4f0c-7.a_B"}


@pytest.mark.parametrize("given", ["x" * 65, "a b", "a\x1b[2K", "<b>"])
def test_an_id_that_is_no_plain_short_word_is_replaced(server: ServerOnFakes, given: str) -> None:
    assert re.fullmatch(
        "[0-9a-f]{12}", server.client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    )


def test_the_id_of_a_request_ends_with_it(server: ServerOnFakes, caplog) -> None:
    caplog.handler.addFilter(RequestIdFilter())
    with caplog.at_level(logging.DEBUG):
        server.client.get("/health", headers={"X-Request-ID": "mine"})
        logging.getLogger("later").info("On the same thread")
    assert [record.request_id for record in caplog.records] == ["mine", ""]


@pytest.mark.parametrize(
    ("prompts", "kind"),
    [
        ([], "image class"),
        ([keypoint(50, 50)], "points"),
        ([rectangle(10, 10, 50, 50)], "boxes"),
    ],
)
def test_the_kind_of_prompt_is_one_of_a_few_words(
    server: ServerOnFakes, caplog, prompts: list[dict], kind: str
) -> None:
    with caplog.at_level(logging.INFO, logger="backend.server"):
        server.predict(predict_body("a.png", *prompts))
    assert [record.fields()["prompt"] for record in caplog.records if hasattr(record, "fields")] == [kind]
    assert kind in PROMPT_KINDS


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("the red car", "text", 'text "the red car"'),
        ("everything", "command", "everything"),
        ("like this", "command", "like this"),
        ("tighter", "command", "tighter"),
        ("looser", "command", "looser"),
        ("?", "command", "help"),
    ],
)
def test_a_command_is_logged_as_one(text: str, kind: str, shown: str) -> None:
    area = {"value": {"text": [text]}, "id": "t", "from_name": "find", "to_name": "img", "type": "textarea"}
    config = CONFIG.replace("<View>", '<View><!-- backend: {"text_prompt": "find"} -->', 1)
    body = predict_body("a.png", area, config=config.replace("</View>", '<TextArea name="find" toName="img"/></View>'))
    parsed = parse_predict_request(parse_predict_body(body), "find")
    assert (prompt_kind(parsed.request), request_in_words(parsed)) == (kind, f"project 3, task 7, {shown}")
    assert kind in PROMPT_KINDS
