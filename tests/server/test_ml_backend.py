"""The routes of Label Studio's ML backend protocol."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from backend.errors import CheckpointError
from backend.label_studio.config import ConfigLimits
from backend.label_studio.requests import RequestLimits
from tests.fakes import CONFIG, FakeClassifier, Hall, keypoint, png, predict_body
from tests.paths import PAYLOADS
from tests.server.fakes import ServerOnFakes, server_with_neighbours, setup_body


def test_a_click_is_answered_with_a_mask_and_a_class(server: ServerOnFakes) -> None:
    reply = server.predict(predict_body("a.png", keypoint(50, 50)))
    assert reply.status_code == 200
    (prediction,) = reply.json["results"]
    assert [r["type"] for r in prediction["result"]] == ["brushlabels", "choices"]
    assert prediction["model_version"] == "fake-1"


def test_drafts_and_annotations_in_the_body_do_not_change_the_answer(server: ServerOnFakes) -> None:
    plain = predict_body("a.png", keypoint(50, 50))
    full = orjson.loads(orjson.dumps(plain))
    full["tasks"][0]["annotations"] = [{"result": [{"type": "brushlabels", "value": {"rle": [1, 2]}}]}] * 3
    first, second = (server.predict(body).json["results"][0]["result"][0]["value"] for body in (plain, full))
    assert first == second


def test_predictions_over_the_limit_are_refused_while_health_still_answers() -> None:
    hall = Hall(classifier=FakeClassifier())
    go, fetch, fetching = threading.Event(), hall.fetcher.fetch, threading.Semaphore(0)

    def wait_and_fetch(*arguments, **options):
        fetching.release()
        go.wait(30)
        return fetch(*arguments, **options)

    hall.fetcher.fetch = wait_and_fetch
    server = ServerOnFakes(hall)
    body = predict_body("a.png", keypoint(50, 50))
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(lambda: server.app.test_client().post("/predict", json=body)) for _ in range(2)]
        assert all(fetching.acquire(timeout=30) for _ in waiting)
        assert server.client.get("/health").status_code == 200
        refused = server.predict(body)
        assert (refused.status_code, refused.json["error"], refused.headers["Retry-After"]) == (
            503,
            "2 predictions are running or waiting, which is the limit.",
            "1",
        )
        text = server.client.get("/metrics").text
        assert "backend_predictions_in_progress 2.0" in text
        assert "backend_predictions_limit 2.0" in text
        assert "backend_predictions_refused_total 1.0" in text
        go.set()
        assert [future.result().status_code for future in waiting] == [200, 200]
    assert "backend_predictions_in_progress 0.0" in server.client.get("/metrics").text
    assert server.predict(body).status_code == 200


def test_setup_gives_the_model_version_and_refuses_a_config_without_a_brush(server: ServerOnFakes) -> None:
    client = server.client
    assert client.post("/setup", json={"project": "3.1", "schema": CONFIG}).json == {"model_version": "fake-1"}
    reply = client.post("/setup", json={"project": "4.1", "schema": "<View/>"})
    assert (reply.status_code, "no Image tag" in reply.json["error"]) == (422, True)


def test_several_images_in_one_tag_are_refused_by_that_name_when_saving_and_when_predicting(
    server: ServerOnFakes,
) -> None:
    config = CONFIG.replace('value="$photo"', 'valueList="$images"')
    assert config != CONFIG
    body = predict_body("a.png", keypoint(50, 50)) | {"label_config": config}
    body["tasks"][0]["data"] = {"images": ["a.png", "b.png"]}
    for reply in (server.client.post("/setup", json={"project": "4.1", "schema": config}), server.predict(body)):
        assert (reply.status_code, 'has valueList="$images"' in reply.json["error"]) == (422, True)
        assert "one task per image" in reply.json["remedy"]


def test_setups_after_a_failed_load_do_not_pile_up_tracebacks_on_its_error() -> None:
    def fail():
        raise CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")

    server, depths = ServerOnFakes(build=fail), []
    server.wait_for_error()
    for _ in range(5):
        assert server.client.post("/setup", json=setup_body()).status_code == 500
        depths.append(len(list(traceback.walk_tb(server.loader.error.__traceback__))))
    assert len(set(depths)) == 1


def test_each_project_is_answered_by_its_own_settings() -> None:
    hall = Hall(classifier=FakeClassifier())
    server = ServerOnFakes(hall)

    def types(project: str) -> list[str]:
        (prediction,) = server.predict(predict_body("a.png", keypoint(50, 50)) | {"project": project}).json["results"]
        return [result["type"] for result in prediction["result"]]

    server.client.post("/setup", json=setup_body(clip_threshold=0.9, templates=["the {}"]))
    assert types("3.1") == ["brushlabels"]
    assert hall.classifier.templates == [("the {}",)]
    assert types("4.1") == ["brushlabels", "choices"]
    assert hall.classifier.templates[1:] == [()]
    server.client.post("/setup", json=setup_body())
    assert types("3.1") == ["brushlabels", "choices"]


def test_a_comment_in_the_labeling_config_is_a_setting(server: ServerOnFakes) -> None:
    body = predict_body("a.png", keypoint(50, 50))
    body["label_config"] = CONFIG.replace("<View>", '<View><!-- backend: {"clip_threshold": 0.9} -->', 1)
    (prediction,) = server.predict(body).json["results"]
    assert [result["type"] for result in prediction["result"]] == ["brushlabels"]


def test_auto_label_of_the_project_lets_clip_pick_the_label(server: ServerOnFakes) -> None:
    body = predict_body("a.png", keypoint(50, 50, "dog"))
    labels = []
    for auto_label in (False, True):
        server.client.post("/setup", json=setup_body(auto_label=auto_label) | {"project": body["project"]})
        (prediction,) = server.predict(body).json["results"]
        labels += prediction["result"][0]["value"]["brushlabels"]
    assert labels == ["dog", "cat"]


def test_the_recorded_setup_is_answered(server: ServerOnFakes) -> None:
    recorded = json.loads((PAYLOADS / "setup.json").read_text())
    reply = server.client.open(recorded["path"], method=recorded["method"], json=recorded["json"])
    assert reply.status_code == 200


def test_a_recorded_batch_gets_one_answer_for_each_of_its_tasks() -> None:
    recorded = json.loads((PAYLOADS / "batch_predict_3_tasks.json").read_text())["json"]
    hall = Hall(classifier=FakeClassifier(), files={recorded["tasks"][0]["data"]["image"]: png(40, 30)})
    results = ServerOnFakes(hall).predict(recorded).json["results"]
    assert [r["result"][-1]["value"] for r in results] == [{"choices": ["Indoor"]}] * 3
    assert [r["result"][0]["type"] for r in results] == ["brushlabels"] * 3


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("webhook_*.json")), ids=lambda path: path.stem)
def test_recorded_webhooks_are_answered(server: ServerOnFakes, path: Path) -> None:
    recorded = json.loads(path.read_text())
    assert server.client.post("/webhook", json=recorded["json"]).status_code == 200


def test_a_submitted_annotation_starts_the_prefetch_of_the_next_task() -> None:
    server, neighbours = server_with_neighbours()
    recorded = json.loads((PAYLOADS / "webhook_annotation_created.json").read_text())["json"]
    recorded["project"]["label_config"] = CONFIG
    assert server.client.post("/webhook", json=recorded).status_code == 200
    server.wait_for_encodings(1)
    assert neighbours.asked == [("3", 70, 1)]


@pytest.mark.parametrize("body", [{"action": "ANNOTATION_CREATED"}, {"action": "ANNOTATION_CREATED", "project": 3}])
def test_a_webhook_without_a_task_is_answered_and_starts_no_prefetch(body: dict) -> None:
    server, neighbours = server_with_neighbours()
    assert server.client.post("/webhook", json=body).status_code == 200
    assert neighbours.asked == []


def test_a_disconnected_client_gets_no_prediction(server: ServerOnFakes) -> None:
    ours, theirs = socket.socketpair()
    body = predict_body("a.png", keypoint(50, 50))
    with ours:
        assert server.client.post("/predict", json=body, environ_overrides={"gunicorn.socket": ours}).status_code == 200
        theirs.close()
        reply = server.client.post("/predict", json=body, environ_overrides={"gunicorn.socket": ours})
    assert (reply.status_code, reply.json["error"]) == (499, "The client disconnected.")


def test_a_config_over_the_limits_is_refused_where_it_is_saved_and_where_it_is_used() -> None:
    server = ServerOnFakes(limits=RequestLimits(config=ConfigLimits(max_classes=8)))  # the page has nine
    refused = server.client.post("/setup", json=setup_body())
    assert refused.status_code == 422
    assert "more than 8 labels, choices and synonyms" in refused.status and "raise MAX_CLASSES" in refused.status
    clicked = server.predict(predict_body("a.png", keypoint(50, 50)))
    assert (clicked.status_code, clicked.json["error"]) == (422, refused.json["error"])


def test_a_request_with_more_prompts_than_the_limit_is_refused() -> None:
    server = ServerOnFakes(limits=RequestLimits(max_prompts=2))
    assert server.predict(predict_body("a.png", keypoint(50, 50), keypoint(20, 20))).status_code == 200
    refused = server.predict(predict_body("a.png", *[keypoint(50, 50)] * 3))
    assert refused.status_code == 422
    assert refused.json["error"] == "The request has 3 points and boxes; the maximum is 2."
