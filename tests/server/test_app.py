from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from backend.cache import CacheCounts
from backend.errors import CheckpointError, ImageUnavailable
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_task
from backend.prefetch import Warmer
from backend.projects import ProjectSetups
from backend.runtime import BackgroundLoader, Patience
from backend.server import BackendStatus, ModelFacts, create_app
from backend.server.status_page import RequestRecord
from backend.values import Priority
from tests.fakes import (
    CONFIG,
    CONFIG_WITH_IMAGE_CHOICES,
    FakeClassifier,
    Hall,
    keypoint,
    noise_png,
    png,
    predict_body,
    rectangle,
)
from tests.paths import PAYLOADS


class Door:
    """The application on a hall of fakes; `client` is Flask's."""

    def __init__(self, hall: Hall | None = None, *, build=None, max_body: int = 10**6, following=None) -> None:
        self.hall = hall or Hall(classifier=FakeClassifier())
        self.status = BackendStatus()
        facts = ModelFacts(
            sam="demo (SHA-256 0)",
            clip="demo-clip (SHA-256 1)",
            device="cpu, encoder in float32",
            model_version="fake-1",
            demo=True,
            clip_works=True,
            counts=self.hall.cache.counts,
            cache=self.hall.cache,
            executor=self.hall.predictor.executor,
        )

        def attach():
            self.status.attach(facts)
            return self.hall.predictor, facts, Warmer(self.hall.predictor, following, 1)

        self.loader = BackgroundLoader(build or attach).start()
        if build is None:
            self.loader.get(10)
        self.app = create_app(self.loader, self.status, max_body_bytes=max_body, most_predicting=2)
        self.client = self.app.test_client()

    def predict(self, body: dict):
        return self.client.post("/predict", json=body)


def test_a_click_is_answered_with_a_mask_and_a_class() -> None:
    reply = Door().predict(predict_body("a.png", keypoint(50, 50)))
    assert reply.status_code == 200
    (prediction,) = reply.json["results"]
    assert [r["type"] for r in prediction["result"]] == ["brushlabels", "choices"]
    assert prediction["model_version"] == "fake-1"


def test_opening_a_task_is_answered_with_an_empty_list_and_warms_the_image() -> None:
    door = Door()
    assert door.predict(predict_body("a.png")).json == {"results": [[]]}
    wait_for_encodings(door, 1)
    assert len(door.hall.segmenter.encoded) == 1
    door.predict(predict_body("a.png", keypoint(50, 50)))
    assert len(door.hall.segmenter.encoded) == 1


def test_opening_a_task_gives_the_class_of_the_image_where_the_config_asks() -> None:
    body = predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES)
    (prediction,) = Door().predict(body).json["results"]
    assert [r["value"] for r in prediction["result"]] == [{"choices": ["indoor"]}]


@pytest.mark.parametrize("how_many", [1, 3])
def test_masks_that_are_predicted_already_are_not_hidden_by_a_class_of_the_image(how_many: int) -> None:
    """Label Studio stores what "Retrieve Predictions" brings, and shows people the newest prediction of a task."""
    door = Door()
    body = predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES)
    mask = {"id": "m", "type": "brushlabels", "from_name": "brush", "to_name": "img", "value": {"rle": [0]}}
    whole = {"id": "w", "type": "choices", "from_name": "place", "to_name": "img", "value": {"choices": ["indoor"]}}
    plain = body["tasks"][0]
    body["tasks"] = [plain | {"predictions": [{"id": 1, "result": [whole]}, {"id": 2, "result": [mask, whole]}]}]
    body["tasks"] += [plain | {"id": 8, "predictions": [{"id": 3, "result": [whole]}]}, plain][: how_many - 1]
    answers = door.predict(body).json["results"]
    assert [bool(answer) for answer in answers] == [False, True, True][:how_many]


def test_in_a_batch_one_missing_image_does_not_cost_the_others() -> None:
    hall = Hall(classifier=FakeClassifier())
    hall.fetcher.files["gone.png"] = ImageUnavailable("gone.png is away.", remedy="Upload it.")
    door = Door(hall)
    body = predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES)
    body["tasks"].append({"id": 8, "data": {"photo": "gone.png"}})
    first, second = door.predict(body).json["results"]
    assert first["result"]
    assert second == []
    page = door.client.get("/", headers={"Accept": "text/html"}).text
    assert "Task 8 is left out of the answer: gone.png is away." in page


def test_a_text_area_that_is_no_text_prompt_is_answered_with_nothing_and_without_complaint() -> None:
    text = {"value": {"text": ["a street"]}, "id": "t", "from_name": "note", "to_name": "img", "type": "textarea"}
    reply = Door().predict(predict_body("a.png", text))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})


def test_clearing_the_prompts_is_answered_with_nothing() -> None:
    body = predict_body("a.png")
    body["params"]["context"] = {"result": []}
    assert Door().predict(body).json == {"results": [[]]}


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (lambda b: b.pop("tasks"), 400, '"tasks" is missing, not a list.'),
        (lambda b: b["tasks"][0]["data"].pop("photo"), 400, 'has no image under "photo"'),
        (lambda b: b.update(label_config="<View><Image"), 422, "The labeling config is not XML that can be read"),
        (
            lambda b: b.update(label_config="<View><Image name='i' value='$photo'/></View>"),
            422,
            "no shape with a class",
        ),
        (lambda b: b["params"]["context"]["result"][0]["value"].update(x=120), 422, "lies outside the image"),
        (
            lambda b: b["params"]["context"]["result"][0].update(original_width=41),
            422,
            "drawn on an image of 41x30 pixels, but a.png has 40x30.",
        ),
        (
            lambda b: b["params"]["context"]["result"][0]["value"].update(keypointlabels=["bird"]),
            422,
            'The label "bird" is not in the control "k", which has: cat, dog, AUTO.',
        ),
    ],
)
def test_bad_input_gets_its_reason_and_a_remedy(change, status: int, says: str, caplog) -> None:
    body = predict_body("a.png", keypoint(50, 50))
    change(body)
    with caplog.at_level(logging.WARNING):
        reply = Door().predict(body)
    assert reply.status_code == status
    assert says in reply.json["error"]
    assert reply.json["remedy"]
    assert reply.json["request_id"] == reply.headers["X-Request-ID"]
    assert f"[{reply.json['request_id']}] {reply.json['error']}" in caplog.text


@pytest.mark.parametrize(
    ("data", "content_type", "status", "says"),
    [
        (b"{", "application/json", 400, "The body is not JSON"),
        (b"[]", "application/json", 400, "The body is a list, not an object."),
        (b"a=1", "application/x-www-form-urlencoded", 400, "not application/json"),
        (b" " * 2_000_000, "application/json", 413, "The body has 2000000 bytes, more than the 1000000"),
    ],
)
def test_a_body_that_is_no_document_is_refused(data: bytes, content_type: str, status: int, says: str) -> None:
    reply = Door().client.post("/predict", data=data, content_type=content_type)
    assert reply.status_code == status
    assert says in reply.json["error"]


def test_a_chunked_body_over_the_limit_is_too_large_and_not_broken() -> None:
    door = Door(max_body=2000)
    for size, status in ((1500, 400), (2500, 413)):
        environment = {"wsgi.input": io.BytesIO(b'"' + b"a" * size), "wsgi.input_terminated": True}
        reply = door.client.post("/predict", content_type="application/json", environ_overrides=environment)
        assert reply.status_code == status
    assert reply.json["error"] == "The body has more than 2000 bytes, more than the 2000 that are allowed."


def test_more_predictions_than_there_are_places_are_refused_and_health_answers() -> None:
    hall = Hall(classifier=FakeClassifier())
    go, fetch, fetching = threading.Event(), hall.fetcher.fetch, threading.Semaphore(0)

    def wait_and_fetch(*arguments, **options):
        fetching.release()
        go.wait(30)
        return fetch(*arguments, **options)

    hall.fetcher.fetch = wait_and_fetch
    door = Door(hall)
    body = predict_body("a.png", keypoint(50, 50))
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(lambda: door.app.test_client().post("/predict", json=body)) for _ in range(2)]
        assert all(fetching.acquire(timeout=30) for _ in waiting)
        assert door.client.get("/health").status_code == 200
        refused = door.predict(body)
        assert (refused.status_code, refused.json["error"]) == (
            503,
            "As many predictions as there is room for are being read or answered.",
        )
        go.set()
        assert [future.result().status_code for future in waiting] == [200, 200]
    assert door.predict(body).status_code == 200


def test_what_a_client_sends_enters_the_log_as_one_short_line(caplog) -> None:
    door = Door()
    with caplog.at_level(logging.DEBUG):
        door.client.post("/webhook", json={"action": "a\nforged line " + "x" * 5000})
    (line,) = [record.getMessage() for record in caplog.records if "webhook" in record.getMessage()]
    assert "a?forged line" in line
    assert len(line) < 1000


def test_an_error_that_is_told_often_does_not_grow() -> None:
    def fail():
        raise CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")

    loader = BackgroundLoader(fail).start()
    depths = []
    for _ in range(20):
        with pytest.raises(CheckpointError) as caught:
            loader.get(10)
        depths.append(len(caught.traceback))
    assert len(set(depths[1:])) == 1


def test_an_unreachable_image_is_said_on_the_status_page_with_what_to_do() -> None:
    hall = Hall(files={"a.png": ImageUnavailable("a.png <timed out>.", remedy="Check LABEL_STUDIO_URL.")})
    door = Door(hall)
    assert door.predict(predict_body("a.png", keypoint(50, 50))).status_code == 502
    page = door.client.get("/", headers={"Accept": "text/html"}).text
    assert "a.png &lt;timed out&gt;. Check LABEL_STUDIO_URL." in page
    assert "project 3, task 7, 1 point" in page


def test_the_status_page_says_what_was_asked_and_what_was_answered() -> None:
    door = Door()
    box = rectangle(10, 10, 50, 50)
    for prompts in ([keypoint(50, 50), keypoint(20, 20)], [box, box], []):
        door.predict(predict_body("a.png", *prompts))
    page = door.client.get("/", headers={"Accept": "text/html"}).text
    for said in ("2 points: 1 mask: 200", "2 boxes: 2 masks: 200", "no prompt: nothing: 200"):
        assert f"project 3, task 7, {said}" in page


def test_the_same_error_over_and_over_is_one_line_and_what_programs_ask_all_day_is_none() -> None:
    hall = Hall(files={"a.png": ImageUnavailable("a.png is away.", remedy="Upload it.")})
    door = Door(hall)
    for _ in range(3):
        door.predict(predict_body("a.png", keypoint(50, 50)))
    door.status.add(RequestRecord(0.0, "probe", "/ready", 503, 0.1, "The models are still loading."), "ready")
    errors, _ = door.client.get("/", headers={"Accept": "text/html"}).text.split("<h2>Last predictions</h2>")
    assert errors.count("a.png is away.") == 1
    assert "(3 times, this was the last)" in errors
    assert "still loading" not in errors


def test_projects_of_which_nothing_is_to_be_said_are_one_line_after_the_others() -> None:
    door = Door()
    for project, extra in (("3.1", ""), ("4.1", '{"prefetch": 5}'), ("5.1", "")):
        body = {"project": project, "schema": CONFIG, "hostname": "http://ls", "extra_params": extra}
        assert door.client.post("/setup", json=body).status_code == 200
    page = door.client.get("/", headers={"Accept": "text/html"}).text
    special, plain = "<b>Project 4</b> of http://ls: prefetch = 5", "Project <b>5, 3</b> of http://ls: the defaults"
    assert page.index(special) < page.index(plain)


def test_a_project_whose_first_setup_was_refused_is_not_listed() -> None:
    door = Door()
    refused = door.client.post(
        "/setup", json={"project": "98.1", "schema": "<View/>", "hostname": "", "extra_params": ""}
    )
    assert refused.status_code == 422
    assert "Project 98" not in door.client.get("/", headers={"Accept": "text/html"}).text


def test_an_unknown_route_is_answered_with_those_there_are() -> None:
    reply = Door().client.get("/predictions")
    assert (reply.status_code, reply.json["remedy"]) == (
        404,
        "The routes are /, /health, /metrics, /predict, /ready, /setup, /versions, /webhook.",
    )


def test_no_traceback_leaves_when_something_breaks(monkeypatch, caplog) -> None:
    door = Door()
    monkeypatch.setattr(door.hall.segmenter, "decode", lambda *_, **__: 1 // 0)
    reply = door.predict(predict_body("a.png", keypoint(50, 50)))
    assert reply.status_code == 500
    assert reply.json["error"] == "The backend broke: ZeroDivisionError."
    assert "Traceback" not in reply.text
    assert "Traceback" in caplog.text
    assert door.predict(predict_body("a.png", rectangle(0, 0, 50, 50))).status_code == 500


def test_unknown_routes_and_methods_are_refused_in_json() -> None:
    client = Door().client
    assert client.get("/nothing").status_code == 404
    assert client.get("/predict").status_code == 405
    assert "remedy" in client.get("/nothing").json


def test_health_says_which_models_run_and_that_they_are_the_demo() -> None:
    body = Door().client.get("/health").json
    assert (body["status"], body["ready"], body["demo_models"]) == ("UP", True, True)
    assert "SAM_MODEL" in body["warning"]


def test_while_the_models_load_the_state_routes_answer_at_once() -> None:
    go, waits = threading.Event(), []
    door = Door(build=lambda: go.wait(60))
    get = door.loader.get
    door.loader.get = lambda timeout_seconds=0.0: waits.append(timeout_seconds) or get(timeout_seconds)
    assert door.client.get("/health").json["ready"] is False
    assert door.client.post("/setup", json={"project": "3.1", "schema": CONFIG}).json == {"model_version": "loading"}
    assert door.client.get("/versions").json == {"versions": []}
    assert door.predict(predict_body("a.png")).json == {"results": [[]]}
    ready = door.client.get("/ready")
    assert (ready.status_code, ready.json["error"]) == (503, "The models are still loading.")
    assert set(waits) == {0.0}
    assert not door.loader.ready
    go.set()


def test_models_that_cannot_load_are_said_everywhere_and_kill_nothing() -> None:
    def fail():
        raise CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")

    door = Door(build=fail)
    with pytest.raises(CheckpointError):
        door.loader.get(20)
    for reply in (
        door.client.get("/health"),
        door.client.get("/ready"),
        door.client.post("/setup", json={"schema": CONFIG}),
        door.predict(predict_body("a.png", keypoint(50, 50))),
    ):
        assert reply.status_code >= 500
        assert (reply.json["error"], reply.json["remedy"]) == ("sam.pth is damaged.", "Fetch it again.")
    assert "sam.pth is damaged." in door.client.get("/", headers={"Accept": "text/html"}).text


def test_setup_gives_the_model_version_and_refuses_a_config_without_a_brush() -> None:
    client = Door().client
    assert client.post("/setup", json={"project": "3.1", "schema": CONFIG}).json == {"model_version": "fake-1"}
    reply = client.post("/setup", json={"project": "4.1", "schema": "<View/>"})
    assert (reply.status_code, "no Image tag" in reply.json["error"]) == (422, True)


def setup_body(**extra_params) -> dict:
    return {"project": "3.1", "schema": CONFIG, "hostname": "http://ls", "extra_params": extra_params}


def test_of_a_refused_setup_the_reason_phrase_says_what_is_wrong_and_what_to_do() -> None:
    reply = Door().client.post("/setup", json=setup_body(clip_threshold=1.7))
    assert reply.status == "422 clip_threshold is 1.7. Set clip_threshold to a number from 0 to 1."
    assert reply.json["remedy"] == "Set clip_threshold to a number from 0 to 1."


@pytest.mark.parametrize("key", ["a\r\nSet-Cookie: b", "ключ", "x" * 5000, "<b>\x00\x7f"])
def test_a_reason_phrase_is_one_short_ascii_line_and_keeps_the_remedy(key: str) -> None:
    reply = Door().client.post("/setup", json=setup_body(**{key: 1}))
    phrase = reply.status.removeprefix("422 ")
    assert len(phrase) <= 400
    assert all(32 <= ord(character) < 127 for character in phrase)
    assert "<" not in phrase
    assert phrase.endswith("polygon_tolerance, clean_masks, prefetch, text_prompt.")


def test_a_project_with_other_settings_gets_other_answers() -> None:
    hall = Hall(classifier=FakeClassifier())
    door = Door(hall)

    def types(project: str) -> list[str]:
        (prediction,) = door.predict(predict_body("a.png", keypoint(50, 50)) | {"project": project}).json["results"]
        return [result["type"] for result in prediction["result"]]

    door.client.post("/setup", json=setup_body(clip_threshold=0.9, templates=["the {}"]))
    assert types("3.1") == ["brushlabels"]
    assert hall.classifier.templates == [("the {}",)]
    assert types("4.1") == ["brushlabels", "choices"]
    assert hall.classifier.templates[1:] == [()]
    door.client.post("/setup", json=setup_body())
    assert types("3.1") == ["brushlabels", "choices"]


def test_a_comment_in_the_labeling_config_is_a_setting() -> None:
    body = predict_body("a.png", keypoint(50, 50))
    body["label_config"] = CONFIG.replace("<View>", '<View><!-- backend: {"clip_threshold": 0.9} -->', 1)
    (prediction,) = Door().predict(body).json["results"]
    assert [result["type"] for result in prediction["result"]] == ["brushlabels"]


def test_auto_label_of_the_project_lets_clip_pick_the_label() -> None:
    door = Door()
    body = predict_body("a.png", keypoint(50, 50, "dog"))
    labels = []
    for auto_label in (False, True):
        door.client.post("/setup", json=setup_body(auto_label=auto_label) | {"project": body["project"]})
        (prediction,) = door.predict(body).json["results"]
        labels += prediction["result"][0]["value"]["brushlabels"]
    assert labels == ["dog", "cat"]


def test_the_status_page_says_the_settings_in_force_and_what_is_wrong() -> None:
    client = Door().client
    client.post("/setup", json=setup_body(auto_label=True))
    client.post("/setup", json=setup_body(auto_label=True) | {"schema": "<View><Broken"})
    page = client.get("/", headers={"Accept": "text/html"}).text
    assert "<b>Project 3</b> of http://ls: auto_label = true" in page
    assert "Not in force: The labeling config is not XML that can be read" in page


def test_health_asks_nobody_for_the_settings() -> None:
    class Away:
        def get(self, name: str) -> bytes | None:
            raise AssertionError(name)

        put = get

    door = Door()
    client = create_app(door.loader, door.status, max_body_bytes=10**6, setups=ProjectSetups(Away())).test_client()
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("name", ["health", "setup"])
def test_recorded_state_requests_are_answered(name: str) -> None:
    recorded = json.loads((PAYLOADS / f"{name}.json").read_text())
    reply = Door().client.open(recorded["path"], method=recorded["method"], json=recorded["json"])
    assert reply.status_code == 200


def test_a_recorded_batch_gets_one_answer_for_each_of_its_tasks() -> None:
    recorded = json.loads((PAYLOADS / "batch_predict_3_tasks.json").read_text())["json"]
    hall = Hall(classifier=FakeClassifier(), files={recorded["tasks"][0]["data"]["image"]: png(40, 30)})
    results = Door(hall).predict(recorded).json["results"]
    assert [r["result"][0]["value"] for r in results] == [{"choices": ["Indoor"]}] * 3


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("webhook_*.json")), ids=lambda path: path.stem)
def test_recorded_webhooks_are_answered(path: Path) -> None:
    recorded = json.loads(path.read_text())
    assert Door().client.post("/webhook", json=recorded["json"]).status_code == 200


def test_metrics_count_requests_and_where_embeddings_came_from() -> None:
    door = Door()
    for _ in range(2):
        door.predict(predict_body("a.png", keypoint(50, 50)))
    text = door.client.get("/metrics").text
    assert 'backend_requests_total{endpoint="predict",status="200"} 2.0' in text
    assert 'backend_embeddings_total{source="computed"} 1.0' in text
    assert 'backend_embeddings_total{source="local_hits"} 1.0' in text
    assert "backend_ready 1.0" in text


def test_drafts_and_annotations_in_the_body_do_not_change_the_answer() -> None:
    door = Door()
    plain = predict_body("a.png", keypoint(50, 50))
    full = orjson.loads(orjson.dumps(plain))
    full["tasks"][0]["annotations"] = [{"result": [{"type": "brushlabels", "value": {"rle": [1, 2]}}]}] * 3
    first, second = (door.predict(body).json["results"][0]["result"][0]["value"] for body in (plain, full))
    assert first == second


def test_counts_start_at_nothing() -> None:
    counts = CacheCounts()
    assert (counts.local_hits, counts.redis_hits, counts.computed) == (0, 0, 0)


CONFIG_WITH_TWO_IMAGES = CONFIG_WITH_IMAGE_CHOICES.replace(
    "</View>",
    """<Image name="two" value="$other"/><Choices name="at" toName="two"><Choice value="in"/><Choice value="out"/>
</Choices></View>""",
)


class Neighbours:
    """Task n is followed by n + 1, whose image is b.png."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def after(self, project_id: str, task_id: int, most: int) -> list[dict]:
        self.asked.append((project_id, task_id, most))
        return [{"id": task_id + 1, "data": {"photo": "b.png"}}]


def door_with_neighbours() -> tuple[Door, Neighbours]:
    hall = Hall(classifier=FakeClassifier(), files={"a.png": noise_png(40, 30, 1), "b.png": noise_png(40, 30, 2)})
    neighbours = Neighbours()
    return Door(hall, following=neighbours), neighbours


def wait_for_encodings(door: Door, count: int) -> None:
    end = time.monotonic() + 20
    while len(door.hall.segmenter.encoded) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("prompts", [(), (keypoint(50, 50),)], ids=["opened", "clicked"])
def test_the_first_click_on_the_next_task_encodes_nothing(prompts) -> None:
    door, neighbours = door_with_neighbours()
    assert door.predict(predict_body("a.png", *prompts, task_id=7)).status_code == 200
    wait_for_encodings(door, 2)
    assert door.predict(predict_body("b.png", keypoint(50, 50), task_id=8)).json["results"][0]["result"]
    assert len(door.hall.segmenter.encoded) == 2
    assert neighbours.asked[0] == ("3", 7, 1)


def test_a_submitted_annotation_prepares_what_comes_next() -> None:
    door, neighbours = door_with_neighbours()
    recorded = json.loads((PAYLOADS / "webhook_annotation_created.json").read_text())["json"]
    recorded["project"]["label_config"] = CONFIG
    assert door.client.post("/webhook", json=recorded).status_code == 200
    wait_for_encodings(door, 1)
    assert neighbours.asked == [("3", 70, 1)]


def test_several_tasks_at_once_are_no_persons_way_through_a_project() -> None:
    door, neighbours = door_with_neighbours()
    body = predict_body("a.png")
    body["tasks"].append({"id": 8, "data": {"photo": "b.png"}})
    assert door.predict(body).json == {"results": [[], []]}
    wait_for_encodings(door, 2)
    assert neighbours.asked == []


@pytest.mark.parametrize("body", [{"action": "ANNOTATION_CREATED"}, {"action": "ANNOTATION_CREATED", "project": 3}])
def test_a_webhook_that_tells_nothing_is_answered_all_the_same(body: dict) -> None:
    door, neighbours = door_with_neighbours()
    assert door.client.post("/webhook", json=body).status_code == 200
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
    door = Door(hall)
    reply = door.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})
    assert max(wait for wait in waits if wait is not None) <= 0.2
    wait_for_encodings(door, 1)


def test_a_page_does_not_wait_for_busy_models(monkeypatch) -> None:
    monkeypatch.setattr("backend.server.predict_replies.OPENING_SECONDS", 0.2)
    door, go = Door(), threading.Event()
    busy = [door.hall.predictor.executor.submit(Priority.CLICK, lambda: go.wait(20)) for _ in range(2)]
    started = time.monotonic()
    reply = door.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})
    assert time.monotonic() - started < 5
    go.set()
    assert all(future.result(20) for future in busy)


def test_a_page_opens_while_too_much_waits_for_the_models() -> None:
    door, go, busy = Door(), threading.Event(), threading.Barrier(3)
    executor = door.hall.predictor.executor

    def block() -> None:
        busy.wait(20)
        go.wait(20)

    for _ in range(2):  # a thread each
        executor.submit(Priority.BULK, block)
    busy.wait(20)
    for _ in range(64):
        executor.submit(Priority.BULK, lambda: None)
    reply = door.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json) == (200, {"results": [[]]})
    go.set()


def test_all_images_of_a_task_share_the_patience_of_its_page() -> None:
    hall, waits = Hall(classifier=FakeClassifier()), []
    fetch = hall.fetcher.fetch

    def fetch_slowly(*arguments, wait_seconds=None, **options):
        waits.append(wait_seconds)
        time.sleep(0.1)
        return fetch(*arguments, **options)

    hall.fetcher.fetch = fetch_slowly
    config = parse_labeling_config(CONFIG_WITH_TWO_IMAGES)
    task = parse_task({"id": 1, "data": {"photo": "a.png", "other": "a.png"}}, config, project_id="3")
    hall.predictor.predict_document(task, config, patience=Patience.of(5.0))
    assert len(waits) == 2
    assert waits[1] <= waits[0] - 0.1 < 5.0


def test_nothing_is_done_for_a_client_that_has_closed_the_connection() -> None:
    door = Door()
    ours, theirs = socket.socketpair()
    body = predict_body("a.png", keypoint(50, 50))
    with ours:
        assert door.client.post("/predict", json=body, environ_overrides={"gunicorn.socket": ours}).status_code == 200
        theirs.close()
        reply = door.client.post("/predict", json=body, environ_overrides={"gunicorn.socket": ours})
    assert (reply.status_code, reply.json["error"]) == (499, "Whoever asked has closed the connection.")


def test_an_opened_image_that_is_gone_is_said() -> None:
    hall = Hall(classifier=FakeClassifier(), files={"a.png": ImageUnavailable("a.png is gone.", remedy="Upload it.")})
    reply = Door(hall).predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    assert (reply.status_code, reply.json["error"]) == (502, "a.png is gone.")
