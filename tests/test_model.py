"""The class that hosts built on label-studio-ml serve, under label-studio-ml's own server."""

from __future__ import annotations

import pytest
from label_studio_ml import api

from backend.errors import BadPrompt
from backend.model import SamClipModel
from tests.fakes import CONFIG, FakeClassifier, Hall, keypoint, predict_body


@pytest.fixture
def hall(monkeypatch) -> Hall:
    hall = Hall(classifier=FakeClassifier())
    monkeypatch.setattr(SamClipModel, "_predictor", hall.predictor)
    return hall


def test_label_studio_ml_1_0_9_serves_the_class(hall: Hall, tmp_path) -> None:
    client = api.init_app(SamClipModel, model_dir=str(tmp_path)).test_client()
    assert client.post("/setup", json={"project": "3.1", "schema": CONFIG}).status_code == 200
    reply = client.post("/predict", json=predict_body("a.png", keypoint(50, 50, "dog")))
    (prediction,) = reply.json["results"]
    assert [r["type"] for r in prediction["result"]] == ["brushlabels", "choices"]
    assert prediction["result"][0]["value"]["brushlabels"] == ["dog"]
    assert client.post("/predict", json=predict_body("a.png")).json["results"] == [[]]


def test_the_constructor_and_predict_of_the_2_x_line(hall: Hall) -> None:
    model = SamClipModel(project_id="3", label_config=CONFIG)
    body = predict_body("a.png", keypoint(50, 50))
    (prediction,) = model.predict(body["tasks"], context=body["params"]["context"])
    assert prediction["model_version"] == "fake-1"
    assert model.predict(body["tasks"]) == [[]]
    assert model.predict(body["tasks"], None, login=None, password=None) == [[]]


def test_instances_share_the_weights(hall: Hall) -> None:
    assert SamClipModel(label_config=CONFIG).predictor() is SamClipModel(label_config=CONFIG).predictor()


def test_a_prompt_of_another_projects_config_is_refused(hall: Hall) -> None:
    model = SamClipModel(label_config=CONFIG.replace('name="k"', 'name="other"'))
    body = predict_body("a.png", keypoint(50, 50))
    with pytest.raises(BadPrompt, match=r'no keypoint control "k" for the image \(available: other\)'):
        model.predict(body["tasks"], context=body["params"]["context"])


def test_the_labeling_configs_settings_count_here_too(hall: Hall) -> None:
    said = CONFIG.replace("<View>", '<View><!-- backend: {"clip_threshold": 0.9} -->', 1)
    body = predict_body("a.png", keypoint(50, 50))
    (prediction,) = SamClipModel(label_config=said).predict(body["tasks"], context=body["params"]["context"])
    assert [r["type"] for r in prediction["result"]] == ["brushlabels"]


def test_answers_and_refusals_are_said_in_the_message_line(hall: Hall) -> None:
    with_line = CONFIG.replace("<View>", '<View><!-- backend: {"messages": "says"} --><TextArea name="says"/>', 1)
    model, said = SamClipModel(label_config=with_line), []
    for x in (50, 150):
        body = predict_body("a.png", keypoint(x, 50))
        (prediction,) = model.predict(body["tasks"], context=body["params"]["context"])
        said += prediction["result"][-1]["value"]["text"]
    assert said == [
        "black, 80 %.",
        "The point (150 %, 50 %) lies outside the image. Delete it and click inside the image.",
    ]


def test_training_is_accepted_and_does_nothing(hall: Hall) -> None:
    assert SamClipModel(label_config=CONFIG).fit((), event="ANNOTATION_CREATED", data={}) == {}
