"""The pipeline of a project's tasks: what waits for the network, the disk or Python runs beside the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from backend.bulk.pipeline import DEFAULT_LOOKAHEAD, DEFAULT_WINDOW, Pipeline
from backend.bulk.progress import Progress
from backend.bulk.stage import Stage

Work = TypeVar("Work")
MODEL = "model"  # the pool of the model stages: one thread for the one device of this process
FETCH_THREADS = 4
DECODE_THREADS = 2  # one takes up to 1.3 GB while it decodes 64 megapixels
TASKS_IN_A_BATCH = 4  # for CLIP; a full batch is waited for only while there is other work for the models
STAGE_NAMES = ("fetch", "decode", "encode", "segment", "crop", "classify", "build")


class TaskSteps(Protocol[Work]):
    """The steps from a task document to its prediction; see `predict.TaskStages`."""

    def fetch(self, document: Mapping[str, Any]) -> Work: ...
    def decode(self, work: Work) -> Work: ...
    def encode(self, work: Work) -> Work: ...
    def segment(self, work: Work) -> Work: ...
    def crop(self, work: Work) -> Work: ...
    def classify(self, works: Sequence[Work]) -> list[Work]: ...
    def build(self, work: Work) -> dict[str, Any]: ...


def build_task_pipeline(
    steps: TaskSteps[Any],
    *,
    window: int = DEFAULT_WINDOW,
    lookahead: int = DEFAULT_LOOKAHEAD,
    progress: Progress | None = None,
) -> Pipeline:
    """Build the pipeline from task documents to predictions; the arguments are those of `Pipeline`."""
    stages = [
        Stage("fetch", steps.fetch, threads=FETCH_THREADS),
        Stage("decode", steps.decode, threads=DECODE_THREADS),
        Stage("encode", steps.encode, pool=MODEL),
        Stage("segment", steps.segment, pool=MODEL),
        Stage("crop", steps.crop),
        Stage("classify", steps.classify, pool=MODEL, max_batch=TASKS_IN_A_BATCH),
        Stage("build", steps.build),
    ]
    return Pipeline(stages, window=window, lookahead=lookahead, progress=progress)
