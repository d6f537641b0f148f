"""The pipeline of a bulk run: what it costs beside its model stages, and what a second worker brings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from backend.bulk import (
    PipelineRunner,
    Progress,
    RayActors,
    RayUnavailable,
    Runner,
    WorkerProcesses,
    WorkerRunner,
    build_task_pipeline,
)
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from backend.predict import TaskStages
from backend.projects import ProjectSettings
from backend.settings import Settings
from backend.wiring import build_predictor
from scripts.measuring.place import CLASSES_AND_MASKS, Picture
from scripts.measuring.timing import Row, SkippedRow, build_row, time_ms
from scripts.preannotating.running import PredictionJob, build_worker, limit_caches, list_worker_settings

GROUP = "Bulk runs"
MAX_OVERHEAD = 1.15  # of the whole pipeline, as a multiple of its model stages
MIN_GAIN = 1.6  # of two workers over one
WORKER = f"{build_worker.__module__}:{build_worker.__name__}"

Json = dict[str, Any]


def measure_overhead(settings: Settings, pictures: Sequence[Picture], *, repeats: int) -> Row:
    """Measure the pipeline against its model stages alone, one after the other on decoded images; wall clock."""
    settings = _one_thread(settings)
    steps = build_predictor(settings).stages(parse_labeling_config(CLASSES_AND_MASKS), SegmentAll(), uses_cache=False)
    tasks = _build_tasks(pictures)
    runner = PipelineRunner(build_task_pipeline(steps))
    mine, peer = [], []
    with _torch_threads(1):
        _run(runner, tasks[:2])
        for _ in range(repeats):
            mine.append(time_ms(partial(_run, runner, tasks), "wall") / len(tasks))
            peer.append(sum(_time_models(steps, task) for task in tasks) / len(tasks))
    return build_row(
        GROUP,
        f"an image of {pictures[0].scene.size}, from its URI to the prediction, one torch thread",
        mine,
        peer="its model stages alone: encoder, masks, CLIP",
        peer_ms=peer,
        aim=1 / MAX_OVERHEAD,
        remark=f"{len(tasks)} images through the threads of one process; fetching, decoding and cropping included",
    )


def measure_workers(settings: Settings, pictures: Sequence[Picture], *, repeats: int) -> Row | SkippedRow:
    """Measure two worker processes against one, each on one torch thread; wall clock."""
    if len(os.sched_getaffinity(0)) < 2:
        return SkippedRow(GROUP, "two workers against one", "this machine has one core")
    job, tasks = _build_job(settings), _build_tasks(pictures) * 2
    times: list[list[float]] = []
    for count in (2, 1):
        jobs = [job for _ in list_worker_settings(job.settings, ("",) * count)]
        runner = WorkerRunner(WorkerProcesses(WORKER, jobs), progress=Progress())
        _run(runner, tasks[: 2 * count])  # the models are loaded
        times.append([time_ms(partial(_run, runner, tasks), "wall") / len(tasks) for _ in range(repeats)])
        runner.close()
    return build_row(
        GROUP,
        f"an image of {pictures[0].scene.size}, two workers, one torch thread each",
        times[0],
        peer="one worker",
        peer_ms=times[1],
        aim=MIN_GAIN,
        remark=f"{len(tasks)} images, models loaded",
    )


def measure_actors(settings: Settings, pictures: Sequence[Picture], *, repeats: int) -> Row | SkippedRow:
    """Measure two actors of a local Ray against two worker processes, in turn, each on one torch thread; wall clock."""
    if len(os.sched_getaffinity(0)) < 2:
        return SkippedRow(GROUP, "two actors of Ray against two workers", "this machine has one core")
    job, tasks = _build_job(settings), _build_tasks(pictures) * 2
    hosts = (RayActors(WORKER, [job, job], calls_at_once=job.window), WorkerProcesses(WORKER, [job, job]))
    runners = [WorkerRunner(host, in_flight=job.window, progress=Progress()) for host in hosts]
    times: list[list[float]] = [[], []]
    try:
        for runner in runners:
            _run(runner, tasks[:4])  # the models are loaded; Ray is started
        for _ in range(repeats):
            for runner, measured in zip(runners, times, strict=True):
                measured.append(time_ms(partial(_run, runner, tasks), "wall") / len(tasks))
    except RayUnavailable as error:
        return SkippedRow(GROUP, "two actors of Ray against two workers", error.message)
    finally:
        for runner in runners:
            runner.close()
    return build_row(
        GROUP,
        f"an image of {pictures[0].scene.size}, two actors of a local Ray, one torch thread each",
        times[0],
        peer="two workers",
        peer_ms=times[1],
        remark=f"{len(tasks)} images, models loaded",
    )


def _build_job(settings: Settings) -> PredictionJob:
    return PredictionJob(
        _one_thread(settings), "1", CLASSES_AND_MASKS, SegmentAll(), ProjectSettings(), uses_cache=False
    )


def _one_thread(settings: Settings) -> Settings:
    return limit_caches(settings).model_copy(update={"torch_threads": 1, "redis_url": ""})


def _build_tasks(pictures: Sequence[Picture]) -> list[Json]:
    key = parse_labeling_config(CLASSES_AND_MASKS).images[0].data_key
    return [{"id": number, "data": {key: picture.uri}} for number, picture in enumerate(pictures)]


def _run(runner: Runner, tasks: Sequence[Json]) -> None:
    for outcome in runner(tasks):
        if outcome.error is not None:
            raise outcome.error


def _time_models(steps: TaskStages, task: Json) -> float:
    """Time what the models do for a task, in milliseconds; the rest of its work is done, but not timed."""
    work = steps.decode(steps.fetch(task))
    seconds = time_ms(partial(steps.encode, work), "wall") + time_ms(partial(steps.segment, work), "wall")
    steps.crop(work)
    return seconds + time_ms(partial(steps.classify, [work]), "wall")


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
