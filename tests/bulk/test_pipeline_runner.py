"""A pipeline of tasks as the runner that the importer takes."""

from __future__ import annotations

from backend.bulk import Outcomes, Pipeline, PipelineRunner, Runner, Stage


def predict(task: dict) -> dict:
    if task["id"] == 2:
        raise ValueError("no image")
    return {"result": [task["id"]], "score": None}


def test_each_task_becomes_its_prediction_or_its_error() -> None:
    runner: Runner = PipelineRunner(Pipeline([Stage("predict", predict)]))
    outcomes = {outcome.task["id"]: outcome for outcome in runner({"id": number} for number in range(1, 4))}
    assert outcomes[1].prediction == {"result": [1], "score": None}
    assert outcomes[2].prediction is None
    assert str(outcomes[2].error) == "no image"
    assert outcomes[3].error is None


def test_a_stopped_run_returns_what_is_in_flight_and_a_closed_one_nothing() -> None:
    runner = PipelineRunner(Pipeline([Stage("predict", predict)], window=1, lookahead=4))
    outcomes: Outcomes = runner({"id": number} for number in range(100))
    next(outcomes)
    outcomes.stop()
    assert len(list(outcomes)) <= 4
    other = runner({"id": number} for number in range(100))
    next(other)
    other.close()
    assert list(other) == []
