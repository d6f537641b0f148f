"""What refused and failed requests are answered with."""

from __future__ import annotations

import io
import json
import logging

import pytest

from backend.logs.request_id import RequestIdFilter
from backend.projects import ProjectSettings
from tests.fakes import CONFIG, Hall, keypoint, noise_png, predict_body, rectangle
from tests.server.fakes import ServerOnFakes, setup_body


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        (lambda b: b.pop("tasks"), 400, '"tasks" must be a list, but is missing.'),
        (lambda b: b["tasks"][0]["data"].pop("photo"), 400, 'has no image under "photo"'),
        (lambda b: b.update(label_config="<View><Image"), 422, "The labeling config cannot be parsed as XML"),
        (
            lambda b: b.update(label_config="<View><Image name='i' value='$photo'/></View>"),
            422,
            "The labeling config has no control for masks",
        ),
        (lambda b: b["params"]["context"]["result"][0]["value"].update(x=120), 422, "lies outside the image"),
        (
            lambda b: b["params"]["context"]["result"][0].update(original_width=41),
            422,
            "drawn on an image of 41x30 pixels, but a.png is 40x30.",
        ),
        (
            lambda b: b["params"]["context"]["result"][0]["value"].update(keypointlabels=["bird"]),
            422,
            'The label "bird" is not in the control "k", which has: cat, dog, AUTO.',
        ),
    ],
)
def test_invalid_input_is_answered_with_a_reason_and_a_remedy(
    server: ServerOnFakes, change, status: int, says: str, caplog
) -> None:
    body = predict_body("a.png", keypoint(50, 50))
    change(body)
    caplog.handler.addFilter(RequestIdFilter())
    with caplog.at_level(logging.WARNING):
        reply = server.predict(body)
    assert reply.status_code == status
    assert says in reply.json["error"]
    assert reply.json["remedy"]
    assert reply.json["request_id"] == reply.headers["X-Request-ID"]
    ids = {record.request_id for record in caplog.records if reply.json["error"] in record.getMessage()}
    assert ids == {reply.json["request_id"]}


@pytest.mark.parametrize(
    ("data", "content_type", "status", "says"),
    [
        (b"{", "application/json", 400, "The request body is not JSON"),
        (b"[]", "application/json", 400, "The request body must be a JSON object, but is a list."),
        (b"a=1", "application/x-www-form-urlencoded", 400, "must be application/json"),
        (b" " * 2_000_000, "application/json", 413, "The request body has 2000000 bytes; the limit is 1000000."),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    server: ServerOnFakes, data: bytes, content_type: str, status: int, says: str
) -> None:
    reply = server.client.post("/predict", data=data, content_type=content_type)
    assert reply.status_code == status
    assert says in reply.json["error"]


def test_a_chunked_body_over_the_limit_is_refused_as_too_large() -> None:
    server = ServerOnFakes(max_body=2000)
    for size, status in ((1500, 400), (2500, 413)):
        environment = {"wsgi.input": io.BytesIO(b'"' + b"a" * size), "wsgi.input_terminated": True}
        reply = server.client.post("/predict", content_type="application/json", environ_overrides=environment)
        assert reply.status_code == status
    assert reply.json["error"] == "The request body has more than 2000 bytes; the limit is 2000."


def test_the_reason_phrase_of_a_refused_setup_says_what_is_wrong_and_what_to_do(server: ServerOnFakes) -> None:
    reply = server.client.post("/setup", json=setup_body(clip_threshold=1.7))
    assert reply.status == "422 clip_threshold is 1.7. Set clip_threshold to a number from 0 to 1."
    assert reply.json["remedy"] == "Set clip_threshold to a number from 0 to 1."


@pytest.mark.parametrize("key", ["a\r\nSet-Cookie: b", "ключ", "x" * 5000, "<b>\x00\x7f"])
def test_a_reason_phrase_is_one_short_ascii_line_and_keeps_the_remedy(server: ServerOnFakes, key: str) -> None:
    reply = server.client.post("/setup", json=setup_body(**{key: 1}))
    phrase = reply.status.removeprefix("422 ")
    assert len(phrase) <= 600
    assert all(32 <= ord(character) < 127 for character in phrase)
    assert "<" not in phrase
    assert phrase.endswith(f", {ProjectSettings.documentation()[-1][0]}.")


def test_an_unknown_route_is_answered_with_the_known_ones(server: ServerOnFakes) -> None:
    reply = server.client.get("/predictions")
    assert (reply.status_code, reply.json["remedy"]) == (
        404,
        "The routes are /, /health, /metrics, /predict, /ready, /setup, /versions, /webhook.",
    )


def test_unknown_routes_and_methods_are_refused_in_json(server: ServerOnFakes) -> None:
    client = server.client
    assert client.get("/nothing").status_code == 404
    assert client.get("/predict").status_code == 405
    assert "remedy" in client.get("/nothing").json


def test_the_traceback_of_an_unhandled_exception_is_logged_and_not_sent(
    server: ServerOnFakes, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(server.hall.segmenter, "decode", lambda *_, **__: 1 // 0)
    reply = server.predict(predict_body("a.png", keypoint(50, 50)))
    assert reply.status_code == 500
    assert reply.json["error"] == "Internal error: ZeroDivisionError."
    assert "Traceback" not in reply.text
    assert "Traceback" in caplog.text
    assert server.predict(predict_body("a.png", rectangle(0, 0, 50, 50))).status_code == 500


def body_with_deep(holder: str, key: str, depth: int) -> bytes:
    """A click whose prompt, task or body has a deep list under a key."""
    body = predict_body("a.png", keypoint(50, 50))
    body["tasks"][0]["drafts"] = [{"id": 1, "result": []}]
    holders = {
        "body": body,
        "task": body["tasks"][0],
        "draft": body["tasks"][0]["drafts"][0],
        "prompt": body["params"]["context"]["result"][0],
        "value": body["params"]["context"]["result"][0]["value"],
    }
    holders[holder][key] = "DEEP"
    return json.dumps(body).encode().replace(b'"DEEP"', b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("depth", [101, 900, 960, 1000])
@pytest.mark.parametrize(
    ("holder", "key"),
    [
        ("body", "project"),
        ("task", "id"),
        ("draft", "updated_at"),
        ("prompt", "id"),
        ("prompt", "type"),
        ("prompt", "from_name"),
        ("prompt", "to_name"),
        ("prompt", "origin"),
        ("value", "keypointlabels"),
    ],
)
def test_a_click_that_is_nested_too_deeply_is_refused(server: ServerOnFakes, holder: str, key: str, depth: int) -> None:
    body = body_with_deep(holder, key, depth)
    reply = server.client.post("/predict", data=body, content_type="application/json")
    assert (reply.status_code, reply.json["error"]) == (400, "The request body is nested more than 100 levels deep.")
    assert reply.json["remedy"] == "Send lists and objects that are nested less deeply."


@pytest.mark.parametrize(
    ("route", "key"),
    [("/setup", "extra_params"), ("/setup", "project"), ("/webhook", "action"), ("/webhook", "project")],
)
def test_other_bodies_that_are_nested_too_deeply_are_refused(server: ServerOnFakes, route: str, key: str) -> None:
    for depth, says in ((950, "nested more than 100 levels deep"), (5000, "not JSON: depth limit exceeded")):
        body = f'{{"{key}": {"[" * depth}{"]" * depth}}}'
        reply = server.client.post(route, data=body, content_type="application/json")
        assert (reply.status_code, says in reply.json["error"]) == (400, True)


def test_a_webhook_whose_action_is_a_list_is_ignored(server: ServerOnFakes) -> None:
    reply = server.client.post("/webhook", json={"action": ["ANNOTATION_CREATED"]})
    assert (reply.status_code, reply.json) == (200, {"status": "ok"})


def test_a_prompt_on_a_list_of_images_is_refused(server: ServerOnFakes) -> None:
    reply = server.predict(predict_body("a.png", keypoint(50, 50) | {"to_name": ["img"]}))
    assert (reply.status_code, reply.json["error"]) == (400, '"to_name" of a prompt must be a string, but is a list.')


def test_a_click_on_an_image_that_can_only_be_classified_is_refused() -> None:
    other = '<Image name="map" value="$map"/><Choices name="c" toName="map"><Choice value="x"/></Choices>'
    config = CONFIG.replace('name="k" toName="img"', 'name="k" toName="img, map"')
    body = predict_body(
        "a.png", keypoint(50, 50) | {"to_name": "map"}, config=config.replace("</View>", f"{other}</View>")
    )
    body["tasks"][0]["data"]["map"] = "a.png"
    reply = ServerOnFakes(Hall(files={"a.png": noise_png(40, 30, 1)})).predict(body)
    assert reply.status_code == 422
    assert reply.json["error"] == 'The labeling config has no control for masks on the image "map".'
    assert reply.json["remedy"] == "Add one, such as BrushLabels, whose toName is that image."


def test_a_score_with_a_step_near_zero_is_shown_without_it(server: ServerOnFakes) -> None:
    number = '<Number name="score" toName="img" perRegion="true" step="1e-320"/>'
    reply = server.predict(
        predict_body("a.png", keypoint(50, 50), config=CONFIG.replace("</View>", f"{number}</View>"))
    )
    assert reply.status_code == 200
    (score,) = [result["value"] for result in reply.json["results"][0]["result"] if result["type"] == "number"]
    assert score == {"number": 0.9}


def test_half_a_surrogate_pair_in_a_setting_is_refused_and_breaks_no_page(server: ServerOnFakes) -> None:
    for key, value in (("text_prompt", r"\ud800"), ("templates", r"\udfff {}")):
        reply = server.client.post("/setup", json=setup_body() | {"extra_params": f'{{"{key}": "{value}"}}'})
        assert reply.status_code == 422
        assert reply.json["error"].startswith("The extra params are not valid JSON: ")
    assert "Ready." in server.page()
