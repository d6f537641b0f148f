"""The line before a run: what it measures, and when there is none."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import pytest
import torch

from backend.bulk import MaskTime
from backend.errors import ImageUnavailable, LabelStudioUnavailable
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, FromBoxes, SegmentAll
from backend.projects import ProjectSettings
from backend.settings import Settings
from scripts.preannotating.time_estimate import (
    WITH_WORKERS,
    choose_cpu_clock,
    estimates_here,
    makes_automatic_masks,
    measure_task,
    print_time_estimate,
)
from tests.fakes import CONFIG, OPTIONS, FakeClassifier, FakeDetector, FakeFetcher, FakeSegmenter, Hall

PAGE = parse_labeling_config(CONFIG)
TWO_IMAGES = parse_labeling_config(
    CONFIG.replace(
        "</View>",
        '<Image name="map" value="$map"/><Choices name="c" toName="map"><Choice value="a"/></Choices></View>',
    )
)
TASK = {"id": 12, "data": {"photo": "a.png"}}


class CountingSegmenter(FakeSegmenter):
    """Keeps the parameters of all automatic masks."""

    def __init__(self) -> None:
        super().__init__()
        self.proposed: list[Any] = []

    def propose(self, embedding: Any, parameters: Any) -> Any:
        self.proposed.append(parameters)
        return super().propose(embedding, parameters)


def measure(
    hall: Hall,
    request: SegmentAll | FindText = SegmentAll(OPTIONS),
    page: LabelingConfig = PAGE,
    task: dict[str, Any] = TASK,
) -> MaskTime | None:
    return measure_task(hall.predictor, page, request, ProjectSettings(), "1", time.process_time, task)


@pytest.mark.parametrize("request_", [SegmentAll(OPTIONS), SegmentAll(), FindText(("a cat",), OPTIONS)])
def test_the_image_of_a_task_is_encoded_and_its_masks_made_from_growing_grids(request_: SegmentAll | FindText) -> None:
    hall = Hall(segmenter=CountingSegmenter(), classifier=FakeClassifier())
    measured = measure(hall, request_)
    assert measured is not None and measured.points == OPTIONS.points_per_side**2 and measured.seconds > 0
    assert measured.cpu_seconds is not None
    assert hall.segmenter.encoded == [(30, 40, 3)] * 2
    assert [one.points_per_side for one in hall.segmenter.proposed] == [1, 1, 2, 4]
    assert replace(hall.segmenter.proposed[-1], points_per_side=OPTIONS.points_per_side) == OPTIONS
    assert hall.classifier.calls == []


def test_a_task_that_shows_no_image_for_masks_has_no_time_for_them() -> None:
    hall = Hall(classifier=FakeClassifier())
    assert measure(hall, page=TWO_IMAGES, task={"id": 12, "data": {"map": "a.png"}}) is None
    assert hall.segmenter.encoded == []


class Chosen:
    """A selection with one task, or none."""

    def __init__(self, *tasks: dict[str, Any]) -> None:
        self.tasks = tasks

    def sample(self, size: int) -> list[dict[str, Any]]:
        return list(self.tasks[:size])


def test_the_line_tells_the_time_of_all_tasks(capsys) -> None:
    print_time_estimate(
        lambda: Chosen(TASK), lambda: 60, lambda task: MaskTime(0, 120 if task is TASK else 0, 0, 1, 1, False, 0)
    )
    assert "2.0 minutes for each task" in (said := capsys.readouterr().out)
    assert "2 h 0 min for 60 tasks" in said


def test_without_tasks_nothing_is_measured_or_said(capsys) -> None:
    print_time_estimate(Chosen, lambda: 0, lambda task: pytest.fail("measured"))
    assert capsys.readouterr().out == ""


def test_a_label_studio_that_does_not_answer_costs_the_estimate_and_not_the_run(capsys) -> None:
    def select() -> Chosen:
        raise LabelStudioUnavailable("No answer.", remedy="Start it.")

    print_time_estimate(select, lambda: 60, lambda task: pytest.fail("measured"))
    assert capsys.readouterr().out == "The time is not estimated. No answer. Start it.\n"


def test_an_image_that_cannot_be_fetched_costs_the_estimate_and_not_the_run(capsys) -> None:
    gone = ImageUnavailable("a.png is gone.", remedy="Upload it again.")
    hall = Hall(fetcher=FakeFetcher({"a.png": gone}))
    print_time_estimate(lambda: Chosen(TASK), lambda: 60, lambda task: measure(hall))
    assert capsys.readouterr().out == "The time is not estimated. a.png is gone. Upload it again.\n"


@pytest.mark.parametrize(
    ("workers", "engine", "is_estimated"),
    [
        ((), "processes", True),
        (("cpu", "cpu"), "processes", True),
        (("", ""), "processes", False),
        (("cpu", "cuda:1"), "processes", False),
        (("cpu",), "ray", False),
    ],
)
def test_workers_on_other_devices_are_not_estimated_by_this_process(
    workers: tuple[str, ...], engine: str, is_estimated: bool, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    arguments = argparse.Namespace(workers=workers, engine=engine)
    assert estimates_here(arguments, Settings(device="auto")) == is_estimated
    assert capsys.readouterr().out == ("" if is_estimated else WITH_WORKERS + "\n")


def test_the_processor_is_timed_only_where_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_cpu_clock(Settings(device="cpu")) is time.process_time
    assert choose_cpu_clock(Settings(device="auto")) is None


def test_where_boxes_are_decoded_no_time_of_automatic_masks_is_told() -> None:
    with_clip, with_detector = Hall(classifier=FakeClassifier()).predictor, Hall(detector=FakeDetector({})).predictor
    text = FindText(("a cat",), OPTIONS)
    assert makes_automatic_masks(text, with_clip) and makes_automatic_masks(SegmentAll(OPTIONS), with_detector)
    assert not makes_automatic_masks(text, with_detector)
    assert not makes_automatic_masks(FromBoxes(()), with_clip)
