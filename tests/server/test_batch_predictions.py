"""Several tasks without a prompt ("Batch predictions") are answered with masks, as `scripts.preannotate` makes them."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
import pytest

from backend.errors import ImageUnavailable
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from backend.label_studio.results import mask_from_value
from backend.predict import build_version
from backend.projects import ProjectSettings
from backend.runtime import BackgroundLoader
from backend.server import Metrics, create_app
from backend.values import Priority, Size
from tests.fakes import CONFIG_WITH_IMAGE_CHOICES, OPTIONS, FakeClassifier, FakeSegmenter, Hall, noise_png, predict_body
from tests.server.fakes import ServerOnFakes, setup_body

MASK = {"id": "m", "type": "brushlabels", "from_name": "b", "to_name": "img", "value": {"rle": [0]}}
WHOLE = {"id": "w", "type": "choices", "from_name": "place", "to_name": "img", "value": {"choices": ["indoor"]}}


class NoMasks(FakeSegmenter):
    """A SAM that finds nothing by itself."""

    def propose(self, embedding: object, parameters: object) -> list[Any]:
        return []


def version(**settings: Any) -> str:
    config = parse_labeling_config(CONFIG_WITH_IMAGE_CHOICES)
    return build_version("fake-1", config, SegmentAll(OPTIONS), ProjectSettings(**settings))


def hall(*broken: str, **options: Any) -> Hall:
    files: dict[str, Any] = {f"{number}.png": noise_png(40, 30, number) for number in range(30)}
    files |= {name: ImageUnavailable(f"{name} is away.", remedy="Upload it.") for name in broken}
    return Hall(files=files, **({"classifier": FakeClassifier()} | options))


def batch(count: int, **predictions: list[dict[str, Any]]) -> dict[str, Any]:
    """A request for some tasks; `predictions` by "task1"."""
    body = predict_body("", config=CONFIG_WITH_IMAGE_CHOICES)
    body["tasks"] = [
        {"id": number, "data": {"photo": f"{number}.png"}, "predictions": predictions.get(f"task{number}", [])}
        for number in range(count)
    ]
    return body


def types(answer: dict[str, Any]) -> list[str]:
    return [result["type"] for result in answer["result"]]


def test_every_task_gets_masks_and_the_class_of_its_image_under_the_version_of_preannotate() -> None:
    answers = ServerOnFakes(hall()).predict(batch(2)).json["results"]
    assert [answer["model_version"] for answer in answers] == [version()] * 2
    assert all(types(answer)[0] == "brushlabels" and types(answer)[-1] == "choices" for answer in answers)


def test_the_settings_of_a_project_are_part_of_the_version() -> None:
    server = ServerOnFakes(hall())
    server.client.post("/setup", json=setup_body(clip_threshold=0.25) | {"project": "3.1795206950"})
    answers = server.predict(batch(2)).json["results"]
    assert {answer["model_version"] for answer in answers} == {version(clip_threshold=0.25)} != {version()}


def test_a_task_with_a_prediction_of_this_version_is_left_alone_and_an_older_one_is_predicted_anew() -> None:
    server = ServerOnFakes(hall())
    done, older = {"result": [MASK], "model_version": version()}, {"result": [MASK], "model_version": "old"}
    answers = server.predict(batch(3, task0=[older, done], task1=[older])).json["results"]
    assert [bool(answer) for answer in answers] == [False, True, True]
    assert len(server.hall.segmenter.encoded) == 2


def test_a_task_that_was_scored_for_review_is_left_alone() -> None:
    config = parse_labeling_config(CONFIG_WITH_IMAGE_CHOICES)
    reviewed = build_version("fake-1", config, SegmentAll(OPTIONS, review=True), ProjectSettings())
    server = ServerOnFakes(hall())
    answers = server.predict(batch(2, task0=[{"result": [MASK], "model_version": reviewed}])).json["results"]
    assert [bool(answer) for answer in answers] == [False, True]
    assert len(server.hall.segmenter.encoded) == 1


def test_an_image_class_hides_no_earlier_masks() -> None:
    server = ServerOnFakes(hall(segmenter=NoMasks()))
    answers = server.predict(batch(2, task0=[{"result": [MASK, WHOLE], "model_version": "old"}])).json["results"]
    assert (answers[0], types(answers[1])) == ([], ["choices"])


def test_a_missing_image_does_not_fail_the_others() -> None:
    server = ServerOnFakes(hall("1.png"))
    first, second, third = server.predict(batch(3)).json["results"]
    assert (bool(first), second, bool(third)) == (True, [], True)
    assert "Task 1 is skipped: 1.png is away." in server.page()


def test_tasks_that_do_not_fit_into_the_time_are_named_with_the_command_that_makes_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("backend.server.predict_replies.BATCH_SECONDS", 3.0)
    server = ServerOnFakes(hall(segmenter=FakeSegmenter(encode_seconds=1.8)))
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        answers = server.predict(batch(25)).json["results"]
    assert time.monotonic() - started < 20  # 25 images take 45 s
    assert [bool(answer) for answer in answers] == [True] + [False] * 24
    sentence = f"24 of 25 tasks got no masks from Batch predictions: {', '.join(map(str, range(1, 21)))} and 4 more."
    for told in (caplog.text, server.page()):
        assert sentence in told
        assert "python -m scripts.preannotate --project 3" in told
    assert len(server.hall.segmenter.encoded) == 1  # the second would hardly have been in time


def test_while_the_models_load_all_tasks_are_named() -> None:
    never_loaded = BackgroundLoader(hall)
    app = create_app(never_loaded, Metrics(), max_body_bytes=10**6, max_predictions=2)
    client = app.test_client()
    assert client.post("/predict", json=batch(2)).json == {"results": [[], []]}
    page = client.get("/", headers={"Accept": "text/html"}).text
    assert "2 of 2 tasks got no masks from Batch predictions: 0, 1. The models are not loaded yet." in page


def test_without_a_clip_that_could_choose_the_labels_nothing_is_segmented() -> None:
    server = ServerOnFakes(hall(classifier=None))
    assert server.predict(batch(2)).json == {"results": [[], []]}
    assert server.hall.segmenter.encoded == []
    assert "CLIP is not loaded, so it cannot choose their labels" in server.page()


def test_the_work_has_the_lowest_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    server, priorities = ServerOnFakes(hall()), []
    executor = server.hall.predictor.executor
    submit = executor.submit
    monkeypatch.setattr(
        executor, "submit", lambda priority, *rest: priorities.append(priority) or submit(priority, *rest)
    )
    server.predict(batch(2))
    assert set(priorities) == {Priority.BULK}


def masks_for_one(*broken: str, **options: Any) -> ServerOnFakes:
    """A server whose project wants masks for a single task."""
    server = ServerOnFakes(hall(*broken, **options))
    server.client.post("/setup", json=setup_body(single_task="masks") | {"project": "3.1795206950"})
    return server


def test_a_single_task_gets_masks_where_the_project_asks_for_them() -> None:
    (default,) = ServerOnFakes(hall()).predict(batch(1)).json["results"]
    (answer,) = masks_for_one().predict(batch(1)).json["results"]
    assert types(default) == ["choices"]
    assert (types(answer)[0], types(answer)[-1]) == ("brushlabels", "choices")
    assert answer["model_version"] == "fake-1", "Label Studio would ask again each time the task is opened"


def test_a_single_task_hides_neither_what_preannotate_made_nor_earlier_masks() -> None:
    done = {"result": [MASK], "model_version": version()}
    assert masks_for_one().predict(batch(1, task0=[done])).json == {"results": [[]]}
    earlier = {"result": [MASK], "model_version": "old"}
    assert masks_for_one(segmenter=NoMasks()).predict(batch(1, task0=[earlier])).json == {"results": [[]]}


def test_a_single_task_that_fails_opens_without_masks_and_is_named() -> None:
    server = masks_for_one("0.png")
    assert server.predict(batch(1)).json == {"results": [[]]}
    assert "Task 0 is skipped: 0.png is away." in server.page()


def test_a_single_task_goes_before_the_work_in_the_background_and_after_clicks(monkeypatch) -> None:
    server, priorities = masks_for_one(), []
    executor = server.hall.predictor.executor
    submit = executor.submit
    monkeypatch.setattr(
        executor, "submit", lambda priority, *rest: priorities.append(priority) or submit(priority, *rest)
    )
    server.predict(batch(1))
    assert priorities[0] is Priority.WARM
    assert Priority.CLICK not in priorities


def test_a_client_who_leaves_stops_the_work_between_two_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ServerOnFakes(hall())
    segmenter = server.hall.segmenter
    monkeypatch.setattr(
        "backend.server.client_socket.Connection.has_disconnected", lambda _: len(segmenter.encoded) >= 2
    )
    reply = server.predict(batch(9))
    assert (reply.status_code, "disconnected" in reply.json["error"]) == (499, True)
    assert len(segmenter.encoded) <= 3


def test_no_tasks_are_no_answers() -> None:
    assert ServerOnFakes(hall()).predict(batch(0)).json == {"results": []}


def test_a_mask_of_a_batch_is_that_of_the_segmenter() -> None:
    (first, _) = ServerOnFakes(hall()).predict(batch(2)).json["results"]
    mask = mask_from_value(first["result"][0]["value"], "brush", Size(40, 30))
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (3, 7, 3, 7)
