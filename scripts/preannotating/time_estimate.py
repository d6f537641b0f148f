"""The line that tells how long a run will take, before it starts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from backend.bulk import Clock, MaskTime, describe_mask_time, measure_mask_time
from backend.errors import BackendError, shorten
from backend.label_studio.config import LabelingConfig
from backend.label_studio.requests import FindText, FromBoxes, SegmentAll
from backend.predict import BulkRequest, TaskPredictor
from backend.projects import ProjectSettings
from backend.settings import Settings
from backend.values import ProposalOptions
from scripts.preannotating.selection import Selection

WITH_WORKERS = (
    "The time is not estimated, because the workers load the models themselves; the rate is shown during the run."
)


def measure_task(
    predictor: TaskPredictor,
    config: LabelingConfig,
    request: FindText | SegmentAll,
    settings: ProjectSettings,
    project_id: str,
    cpu_clock: Clock | None,
    document: Mapping[str, Any],
) -> MaskTime | None:
    """Measure the time of the automatic masks of a task; None if its page has no place for masks.

    Args:
        cpu_clock: As of `choose_cpu_clock`.

    Raises:
        BackendError: An image of the task cannot be fetched or decoded.
    """

    options = request.options or predictor.default_proposal()
    everything = SegmentAll(options)  # a search by text makes the same masks first
    steps = predictor.stages(config, everything, settings, project_id=project_id, uses_cache=False)
    work = steps.decode(steps.fetch(document))
    images = [image for image in work.images if image.source is not None and image.needs_masks]
    if not images:
        return None

    def encode() -> None:
        for image in images:
            image.encoded = None
        steps.encode(work)

    def segment(fewer: ProposalOptions) -> None:
        for image in images:
            image.request = SegmentAll(fewer)
        steps.segment(work)

    return measure_mask_time(encode, segment, options, cpu_clock=cpu_clock)


def print_time_estimate(
    select: Callable[[], Selection],
    count: Callable[[], int],
    measure: Callable[[Mapping[str, Any]], MaskTime | None],
) -> None:
    """Measure one of the chosen tasks and print how long all of them will take; what goes wrong is only printed.

    Args:
        select: Chooses the tasks.
        count: Returns their number, once they are chosen.
    """
    try:
        for document in select().sample(1):
            measured = measure(document)
            if measured is not None:
                print(describe_mask_time(measured, count(), "task"), flush=True)
    except BackendError as error:
        print(f"The time is not estimated. {shorten(str(error))}", flush=True)


def choose_cpu_clock(settings: Settings) -> Clock | None:
    """Return the clock of the processor's time, if the models compute there; on a GPU it says nothing."""
    return None if _is_cuda(settings.device) else time.process_time


def makes_automatic_masks(request: BulkRequest, predictor: TaskPredictor) -> TypeGuard[FindText | SegmentAll]:
    """Whether a request makes automatic masks, which take most of the time; boxes are decoded in a fraction of it."""
    if isinstance(request, FromBoxes):
        return False
    return not (isinstance(request, FindText) and predictor.labeler.boxes is not None)


def estimates_here(arguments: argparse.Namespace, settings: Settings) -> bool:
    """Whether this process is as fast as the run; prints why the time is not estimated if it is not.

    Workers on the CPU share its cores, so together they are about as fast as this process.
    """
    devices = [device or settings.device for device in arguments.workers]
    if arguments.workers and (arguments.engine == "ray" or any(_is_cuda(device) for device in devices)):
        print(WITH_WORKERS, flush=True)
        return False
    return True


def _is_cuda(device: str) -> bool:
    from backend.models.devices import choose_device

    return device != "cpu" and choose_device(device).type == "cuda"
