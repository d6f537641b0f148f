"""The message line of the page: what an answer says, and refusals that would otherwise be silent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.errors import BackendError, ClientDisconnected, ImageUnavailable, Overloaded
from backend.label_studio.results import decode_brush
from backend.server import Credentials, predict_replies
from backend.values import Size
from tests.fakes import CONFIG, FakeClassifier, FakeDetector, Hall, keypoint, predict_body, rectangle
from tests.server.fakes import ServerOnFakes
from tests.server.test_metrics import sample

SETTINGS = '<!-- backend: {"messages": "says", "text_prompt": "find"} -->'
AREAS = '<TextArea name="says" toName="img"/><TextArea name="find" toName="img"/>'
WITH_LINE = CONFIG.replace("<View>", f"<View>{SETTINGS}", 1).replace("</View>", f"{AREAS}</View>")
FULL = Overloaded("The queue is full.", remedy="Try again in 3 s.", retry_seconds=3)
GONE = ImageUnavailable("a.png is gone.", remedy="Upload it again.")

Json = dict[str, Any]


def body(*prompts: Json, config: str = WITH_LINE) -> Json:
    return predict_body("a.png", *prompts, config=config)


def typed(text: str) -> Json:
    return {"id": "t", "type": "textarea", "from_name": "find", "to_name": "img", "value": {"text": [text]}}


def without_prompts(*drafted: Json) -> Json:
    """What the page sends when a typed text was deleted, and now and then by itself, with what it saved before."""
    asked = body() | {"params": {"context": {"result": []}}}
    asked["tasks"][0]["drafts"] = [{"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": list(drafted)}]
    return asked


def message(text: str) -> Json:
    return typed(text) | {"id": "backend-message", "from_name": "says"}


def said(server: ServerOnFakes, asked: Json) -> list[str]:
    """What the line shows after the answer, which must be 200."""
    reply = server.predict(asked)
    assert reply.status_code == 200
    (prediction,) = reply.json["results"]
    *_, line = prediction["result"]
    assert line == {
        "id": "backend-message", "type": "textarea", "from_name": "says", "to_name": "img", "value": line["value"],
    }  # fmt: skip
    return list(line["value"]["text"])


def count_of(server: ServerOnFakes, status: int) -> float | None:
    text = server.client.get("/metrics").text
    return sample(text, "backend_requests_total", endpoint="predict", status=str(status))


def server_that_fails_with(error: Exception) -> ServerOnFakes:
    return ServerOnFakes(Hall(classifier=FakeClassifier(), files={"a.png": error}))


def test_the_class_of_a_mask_and_its_probability_are_said_after_the_mask(server: ServerOnFakes) -> None:
    (prediction,) = server.predict(body(keypoint(50, 50))).json["results"]
    assert [result["type"] for result in prediction["result"]] == ["brushlabels", "choices", "textarea"]
    assert said(server, body(keypoint(50, 50))) == ["black, 80 %."]


def test_an_answer_without_anything_to_say_clears_the_line(server: ServerOnFakes) -> None:
    assert said(server, without_prompts(message("Nothing matches."))) == []
    assert said(ServerOnFakes(Hall()), body(keypoint(50, 50))) == []  # without CLIP there is no class to name


@pytest.mark.parametrize("drafted", [(), (typed("a car"),), (message("") | {"value": {"text": []}},)])
def test_a_page_without_a_message_and_without_a_prompt_is_left_alone(
    server: ServerOnFakes, drafted: tuple[Json, ...]
) -> None:
    assert server.predict(without_prompts(*drafted)).json == {"results": [[]]}


def test_a_text_that_matches_nothing_is_answered_in_words() -> None:
    server = ServerOnFakes(Hall(classifier=FakeClassifier(looks=["grass"])))
    assert said(server, body(typed("the red  car"))) == ['Nothing matches "the red  car".']


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the red car", '3 objects match "the red car".'),
        ("everything", "3 objects."),
        ("like this", "2 more like the 'cat' region."),
    ],
)
def test_a_mask_that_is_not_saved_yet_is_said_to_be_no_duplicate(text: str, words: str) -> None:
    """Whether it was accepted or waits for the tick: Label Studio does not tell."""
    server = ServerOnFakes(Hall(classifier=FakeClassifier(looks=["red car"])))
    if text != "like this":
        assert said(server, body(typed(text))) == [words]
    server.predict(body(keypoint(13.75, 18.3)))  # the pixel (5, 5), where SAM has an automatic mask
    assert said(server, body(typed(text))) == [f"{words} Masks shown again are not doubled."]


def test_requests_whose_answers_are_stored_get_no_message() -> None:
    server = server_that_fails_with(GONE)
    opened = body()
    batch = opened | {"tasks": opened["tasks"] * 3}
    for asked in (opened, batch):
        assert "textarea" not in server.predict(asked).text
    with_choices = WITH_LINE.replace("</View>", '<Choices name="c" toName="img"><Choice value="day"/></Choices></View>')
    assert server.predict(body(config=with_choices)).status_code == 502


def test_a_project_without_the_setting_gets_no_message(server: ServerOnFakes) -> None:
    silent = WITH_LINE.replace(SETTINGS, "")
    assert "textarea" not in server.predict(body(keypoint(50, 50), config=silent)).text
    reply = server.predict(body(keypoint(150, 50), config=silent))
    assert (reply.status_code, reply.json["error"]) == (422, "The point (150 %, 50 %) lies outside the image.")


def test_a_line_that_the_labeling_config_has_lost_is_as_good_as_none(server: ServerOnFakes) -> None:
    lost = WITH_LINE.replace('<TextArea name="says"', '<TextArea name="other"')
    assert server.predict(body(keypoint(150, 50), config=lost)).status_code == 422


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (GONE, 502, "a.png is gone. Upload it again."),
        (FULL, 503, "The queue is full. Try again in 3 s."),
        (BackendError("x" * 500, remedy="Ask for help."), 500, f"{'x' * 105}… Ask for help."),
    ],
)  # fmt: skip
def test_a_refusal_is_shown_in_the_line_and_still_counted_as_one(
    error: Exception, status: int, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = server_that_fails_with(error)
    with caplog.at_level(logging.INFO):
        assert said(server, body(keypoint(50, 50))) == [shown]
    assert f"project 3, task 7, 1 point: {status} in " in caplog.text
    assert (count_of(server, status), count_of(server, 200)) == (1.0, 0.0)
    assert sample(server.client.get("/metrics").text, "backend_click_seconds_count", embedding="computed") == 0.0
    assert shown[:40] in server.page()


def test_an_unexpected_exception_is_shown_too_and_counted_as_a_bug() -> None:
    server = server_that_fails_with(RuntimeError("secret detail"))
    (shown,) = said(server, body(keypoint(50, 50)))
    assert shown.startswith("Internal error: RuntimeError. Look for ")
    assert count_of(server, 500) == 1.0


@pytest.mark.parametrize(
    ("change", "status", "shown"),
    [
        (
            lambda asked: asked["params"]["context"]["result"][0]["value"].update(x=150),
            422,
            "The point (150 %, 50 %) lies outside the image. Delete it and click inside the image.",
        ),
        (
            lambda asked: asked.update(label_config=WITH_LINE.replace('"says",', '"says", "answer": "polygon",')),
            422,
            'The setting answer is "polygon", but the labeling config has no PolygonLabels for its image.',
        ),
        (
            lambda asked: asked["tasks"][0]["data"].clear(),
            400,
            'Task 7 has no image under "photo"; its data has the keys: none.',
        ),
    ],
)
def test_a_prompt_a_setting_or_a_task_that_cannot_be_used_is_said(
    server: ServerOnFakes, change: Callable[[Json], None], status: int, shown: str
) -> None:
    asked = body(keypoint(50, 50))
    change(asked)
    (line,) = said(server, asked)
    assert line.startswith(shown[:30])
    assert count_of(server, status) == 1.0


def test_a_click_while_the_models_load_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_replies, "MODELS_TIMEOUT_SECONDS", 0.01)
    loaded = threading.Event()
    server = ServerOnFakes(build=loaded.wait)
    (shown,) = said(server, body(keypoint(50, 50)))
    loaded.set()
    assert "still loading" in shown
    assert count_of(server, 503) == 1.0


def test_a_click_over_the_limit_of_predictions_says_so() -> None:
    hall = Hall(classifier=FakeClassifier())
    go, fetch, fetching = threading.Event(), hall.fetcher.fetch, threading.Semaphore(0)

    def wait_and_fetch(*arguments: Any, **options: Any) -> bytes:
        fetching.release()
        go.wait(30)
        return fetch(*arguments, **options)

    hall.fetcher.fetch = wait_and_fetch  # type: ignore[method-assign]
    server = ServerOnFakes(hall)
    asked = body(keypoint(50, 50))
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(lambda: server.app.test_client().post("/predict", json=asked)) for _ in range(2)]
        assert all(fetching.acquire(timeout=30) for _ in waiting)
        (shown,) = said(server, asked)
        assert shown.startswith("2 predictions are running or waiting") and "Try again in 1 s" in shown
        assert server.predict(body(keypoint(50, 50), config=CONFIG)).status_code == 503
        assert server.client.post("/predict", data=b"{", content_type="application/json").status_code == 503
        go.set()
        assert [future.result().status_code for future in waiting] == [200, 200]
    assert count_of(server, 503) == 3.0


def test_disconnects_and_missing_credentials_are_answered_as_ever() -> None:
    gone = server_that_fails_with(ClientDisconnected("The client disconnected.", remedy="None."))
    assert gone.predict(body(keypoint(50, 50))).status_code == 499
    stranger = ServerOnFakes(credentials=Credentials(user="u", password="p"))
    assert stranger.predict(body(keypoint(50, 50))).status_code == 401


def test_the_request_log_names_a_message_without_a_mask_nothing(server: ServerOnFakes) -> None:
    server.predict(without_prompts(message("Hello.")))
    assert "no prompts: nothing" in server.page()


def test_a_text_finds_the_detectors_boxes_and_says_how_many() -> None:
    boxes = {"dog": [((2.0, 3.0, 12.0, 9.0), 0.6), ((20.0, 10.0, 30.0, 25.0), 0.5)]}
    detector = FakeDetector(boxes, unreadable=["very long"])
    server = ServerOnFakes(Hall(classifier=FakeClassifier(), detector=detector))
    reply = server.predict(body(typed("all dogs")))
    (prediction,) = reply.json["results"]
    shapes = [one["value"] for one in prediction["result"] if one["type"] == "brushlabels"]
    masks = [decode_brush(value["rle"], Size(40, 30)) for value in shapes]
    assert [value["brushlabels"] for value in shapes] == [["dog"], ["dog"]]  # CLIP would say "cat"
    assert [int(mask.sum()) for mask in masks] == [60, 150]
    assert masks[0][3:9, 2:12].all()
    assert prediction["model_version"] == "fake-1+seer-1"
    assert said(server, body(typed("all dogs"))) == ['2 objects match "all dogs". Masks shown again are not doubled.']
    assert said(server, body(typed("a bird"))) == ['Nothing matches "a bird".']
    assert said(server, body(typed("very long"))) == ['The text "very long" has too many tokens. Use fewer words.']
    assert detector.calls == [("dog",), ("bird",)]


def test_a_refused_background_click_is_explained_beside_the_masks_that_wait_and_counted_as_refused() -> None:
    server = ServerOnFakes(Hall())
    box = rectangle(10, 20, 20, 40) | {"id": "box"}
    (boxed,) = server.predict(body(box)).json["results"]
    stray = keypoint(90, 90, positive=False) | {"id": "stray"}
    reply = server.predict(body(stray))
    (refused,) = reply.json["results"]
    assert refused["result"][:-1] == boxed["result"][:-1]
    assert refused["result"][-1]["value"]["text"] == ["No mask here to take a part from. Click the object first."]
    assert (reply.status_code, count_of(server, 422)) == (200, 1)
    assert len(refused["result"]) > 1
