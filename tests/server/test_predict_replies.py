"""What tasks are answered with: opened ones, batches and prompts."""

from __future__ import annotations

import threading
import time

import pytest

from backend.errors import ImageUnavailable
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import ClassifyImage, parse_task
from backend.runtime import Deadline
from backend.values import Priority
from tests.fakes import CONFIG_WITH_IMAGE_CHOICES, FakeClassifier, Hall, keypoint, predict_body
from tests.server.fakes import ServerOnFakes, server_with_neighbours


def test_opening_a_task_is_answered_with_an_empty_list_and_warms_the_image(server: ServerOnFakes) -> None:
    assert server.predict(predict_body("a.png")).json == {"results": [[]]}
    for _ in range(200):
        if server.hall.segmenter.encoded:
            break
        time.sleep(0.02)
    assert len(server.hall.segmenter.encoded) == 1
    server.predict(predict_body("a.png", keypoint(50, 50)))
    assert len(server.hall.segmenter.encoded) == 1


def test_opening_a_task_gives_the_class_of_the_image_where_the_config_asks(server: ServerOnFakes) -> None:
    body = predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES)
    (prediction,) = server.predict(body).json["results"]
    assert [r["value"] for r in prediction["result"]] == [{"choices": ["indoor"]}]


def test_an_opened_task_with_predicted_masks_gets_no_image_class_that_would_hide_them(server: ServerOnFakes) -> None:
    """Label Studio stores the answer, and shows people the newest prediction of a task."""
    body = predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES)
    mask = {"id": "m", "type": "brushlabels", "from_name": "brush", "to_name": "img", "value": {"rle": [0]}}
    whole = {"id": "w", "type": "choices", "from_name": "place", "to_name": "img", "value": {"choices": ["indoor"]}}
    plain = body["tasks"][0]
    body["tasks"] = [plain | {"predictions": [{"id": 1, "result": [whole]}, {"id": 2, "result": [mask, whole]}]}]
    assert server.predict(body).json["results"] == [[]]


def test_a_text_area_that_is_not_the_text_prompt_is_answered_with_an_empty_list(server: ServerOnFakes) -> None:
    text = {"value": {"text": ["a street"]}, "id": "t", "from_name": "note", "to_name": "img", "type": "textarea"}
    reply = server.predict(predict_body("a.png", text))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})


def test_cleared_prompts_are_answered_with_an_empty_list(server: ServerOnFakes) -> None:
    body = predict_body("a.png")
    body["params"]["context"] = {"result": []}
    assert server.predict(body).json == {"results": [[]]}


@pytest.mark.parametrize("prompts", [(), (keypoint(50, 50),)], ids=["opened", "clicked"])
def test_the_first_click_on_the_next_task_encodes_nothing(prompts) -> None:
    server, neighbours = server_with_neighbours()
    assert server.predict(predict_body("a.png", *prompts, task_id=7)).status_code == 200
    server.wait_for_encodings(2)
    assert server.predict(predict_body("b.png", keypoint(50, 50), task_id=8)).json["results"][0]["result"]
    assert len(server.hall.segmenter.encoded) == 2
    assert neighbours.asked[0] == ("3", 7, 1)


def test_a_batch_starts_no_prefetch() -> None:
    server, neighbours = server_with_neighbours()
    body = predict_body("a.png")
    body["tasks"].append({"id": 8, "data": {"photo": "b.png"}})
    assert len(server.predict(body).json["results"]) == 2
    assert neighbours.asked == []


def test_a_page_does_not_wait_for_a_slow_image(monkeypatch) -> None:
    monkeypatch.setattr("backend.server.predict_replies.OPENING_SECONDS", 0.2)
    hall = Hall(classifier=FakeClassifier())
    fetch, waits = hall.fetcher.fetch, []

    def fetch_slowly(*arguments, wait_seconds=None, **options):
        waits.append(wait_seconds)
        if wait_seconds is not None:
            time.sleep(wait_seconds)
            raise ImageUnavailable("a.png did not come within 0.2 s.", remedy="Try again.")
        return fetch(*arguments, **options)

    hall.fetcher.fetch = fetch_slowly
    server = ServerOnFakes(hall)
    reply = server.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})
    assert max(wait for wait in waits if wait is not None) <= 0.2
    server.wait_for_encodings(1)


def test_a_page_does_not_wait_for_busy_models(server: ServerOnFakes, monkeypatch) -> None:
    monkeypatch.setattr("backend.server.predict_replies.OPENING_SECONDS", 0.2)
    go = threading.Event()
    busy = [server.hall.predictor.executor.submit(Priority.CLICK, lambda: go.wait(20)) for _ in range(2)]
    started = time.monotonic()
    reply = server.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})
    assert time.monotonic() - started < 5
    go.set()
    assert all(future.result(20) for future in busy)


def test_a_page_opens_while_the_queue_is_full(server: ServerOnFakes) -> None:
    go, busy = threading.Event(), threading.Barrier(3)
    executor = server.hall.predictor.executor

    def block() -> None:
        busy.wait(20)
        go.wait(20)

    for _ in range(2):  # a thread each
        executor.submit(Priority.BULK, block)
    busy.wait(20)
    for _ in range(64):
        executor.submit(Priority.BULK, lambda: None)
    reply = server.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})
    go.set()


CONFIG_WITH_TWO_IMAGES = CONFIG_WITH_IMAGE_CHOICES.replace(
    "</View>",
    """<Image name="two" value="$other"/><Choices name="at" toName="two"><Choice value="in"/><Choice value="out"/>
</Choices></View>""",
)


def test_all_images_of_a_task_share_one_deadline() -> None:
    hall, waits = Hall(classifier=FakeClassifier()), []
    fetch = hall.fetcher.fetch

    def fetch_slowly(*arguments, wait_seconds=None, **options):
        waits.append(wait_seconds)
        time.sleep(0.1)
        return fetch(*arguments, **options)

    hall.fetcher.fetch = fetch_slowly
    config = parse_labeling_config(CONFIG_WITH_TWO_IMAGES)
    task = parse_task({"id": 1, "data": {"photo": "a.png", "other": "a.png"}}, config, project_id="3")
    hall.predictor.predict(task, config, ClassifyImage(), deadline=Deadline.after(5.0))
    assert len(waits) == 2
    assert waits[1] <= waits[0] - 0.1 < 5.0


def test_a_missing_image_of_an_opened_task_is_an_error() -> None:
    hall = Hall(classifier=FakeClassifier(), files={"a.png": ImageUnavailable("a.png is gone.", remedy="Upload it.")})
    reply = ServerOnFakes(hall).predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json["error"]) == (502, "a.png is gone.")
