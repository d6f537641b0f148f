"""How the tasks of a run are predicted: by threads of this process, or by workers, one for each device."""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import dataclass, replace

from backend.bulk import (
    STAGE_NAMES,
    ClosableRunner,
    Pipeline,
    PipelineRunner,
    Progress,
    RayActors,
    WorkerProcesses,
    WorkerRunner,
    WorkersUnusable,
    build_task_pipeline,
    load_ray,
)
from backend.errors import BadSettings, shorten
from backend.label_studio.config import parse_labeling_config
from backend.predict import BulkRequest, TaskPredictor
from backend.projects import ProjectSettings
from backend.settings import Settings
from scripts.console import positive_int

WINDOW = 8
ENGINES = ("processes", "ray")
MAX_WORKERS = 256


@dataclass(frozen=True)
class PredictionJob:
    """What a process needs to know to predict a project's tasks; it can be pickled.

    Attributes:
        uses_cache: Whether embeddings are taken from Redis and put there.
        window: Maximum number of tasks whose images are in memory at once.
        model_version: Names the weights that a worker must load; "" for any.
    """

    settings: Settings
    project_id: str
    label_config: str
    request: BulkRequest
    project_settings: ProjectSettings
    uses_cache: bool = True
    window: int = WINDOW
    model_version: str = ""


def add_runner_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of threads and workers."""
    options = parser.add_argument_group("running", "by default the threads of one process share the work")
    options.add_argument(
        "--workers",
        type=parse_workers,
        default=(),
        metavar="N|cuda:0,cuda:1",
        help="processes that predict: their number, or the device of each; an image that kills its process then fails "
        "alone",
    )
    options.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="where the workers live: as processes of this machine, or as actors of Ray, on several machines; see "
        f"docs/bulk_runs.md (default: {ENGINES[0]})",
    )
    options.add_argument(
        "--ray-address",
        default="",
        metavar="HOST:PORT",
        help="head of a Ray cluster that this machine belongs to (default: RAY_ADDRESS; without one a Ray is started)",
    )
    options.add_argument(
        "--window",
        type=positive_int,
        default=WINDOW,
        metavar="N",
        help=f"images in memory at once, in each process (default: {WINDOW})",
    )
    options.add_argument(
        "--no-embeddings",
        action="store_true",
        help="neither use the embeddings in Redis nor put new ones there, for a project that nobody will click in",
    )


def parse_workers(text: str) -> tuple[str, ...]:
    """Parse --workers: the device of each process, "" for that of DEVICE."""
    if text.strip().isdecimal():
        number = int(text)
        if not 1 <= number <= MAX_WORKERS:
            raise argparse.ArgumentTypeError(f"must be a number from 1 to {MAX_WORKERS}, got {text}")
        return ("",) * number
    devices = tuple(device.strip() for device in text.split(","))
    if not all(device.split(":")[0] in ("cpu", "cuda") for device in devices):
        raise argparse.ArgumentTypeError(f"must be a number, or devices such as cuda:0,cuda:1, got {text!r}")
    return devices


def check_runner_options(arguments: argparse.Namespace) -> None:
    """Raise BadSettings if the options of workers contradict each other, RayUnavailable if Ray is not there."""
    if arguments.engine == "ray" and not arguments.workers:
        raise BadSettings(
            "--engine ray does not say how many actors there are to be.",
            remedy="Give --workers N, or --workers cuda,cuda for two actors with a GPU each.",
        )
    if arguments.ray_address and arguments.engine != "ray":
        message = f"--ray-address {shorten(arguments.ray_address)} has no meaning without --engine ray."
        raise BadSettings(message, remedy="Give --engine ray, or leave it out.")
    if arguments.engine == "ray":
        load_ray(arguments.ray_address or os.environ.get("RAY_ADDRESS", ""))


def limit_caches(settings: Settings) -> Settings:
    """Return the settings without caches in this process, whose memory stays flat; a run sees each image once."""
    return settings.model_copy(update={"cache_max_bytes": 0, "image_cache_max_bytes": 0, "prefetch_max_bytes": 0})


def choose_models(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """Return the settings of this process; with workers it needs the models only to check that they know the labels."""
    device = {"device": "cpu"} if arguments.workers else {}
    return limit_caches(settings).model_copy(update=device)


def build_job(
    arguments: argparse.Namespace,
    settings: Settings,
    project_id: str,
    label_config: str,
    request: BulkRequest,
    project_settings: ProjectSettings,
    *,
    model_version: str = "",
) -> PredictionJob:
    """Build the job of a run from its options."""
    return PredictionJob(
        limit_caches(settings),
        project_id,
        label_config,
        request,
        project_settings,
        uses_cache=bool(settings.redis_url) and not arguments.no_embeddings,
        window=arguments.window,
        model_version=model_version,
    )


def build_runner(
    arguments: argparse.Namespace, predictor: TaskPredictor, job: PredictionJob
) -> tuple[ClosableRunner, Progress]:
    """Build what predicts the tasks, and the counters of its stages.

    Args:
        predictor: Predicts in this process, if there are no workers.
    """
    progress = Progress(STAGE_NAMES)
    if not arguments.workers:
        return PipelineRunner(build_pipeline(predictor, job, progress)), progress
    function = f"{build_worker.__module__}:{build_worker.__name__}"
    host: WorkerProcesses | RayActors
    if arguments.engine == "ray":
        devices = tuple(device or job.settings.device for device in arguments.workers)
        jobs = [replace(job, settings=settings) for settings in list_actor_settings(job.settings, devices)]
        gpus = list_gpus(devices)
        address = arguments.ray_address or os.environ.get("RAY_ADDRESS", "")
        host = RayActors(function, jobs, address=address, gpus=gpus, calls_at_once=job.window)
    else:
        jobs = [replace(job, settings=settings) for settings in list_worker_settings(job.settings, arguments.workers)]
        host = WorkerProcesses(function, jobs)
    return WorkerRunner(host, in_flight=job.window, progress=progress), progress


def list_worker_settings(settings: Settings, devices: tuple[str, ...], cores: int = 0) -> list[Settings]:
    """Return the settings of each worker: its device, and its share of the cores unless TORCH_THREADS says otherwise.

    Args:
        cores: Of this machine; 0 for those that this process may use.
    """
    share = max(1, (cores or count_cores()) // len(devices))
    threads = settings.torch_threads or share
    return [
        settings.model_copy(update={"device": device or settings.device, "torch_threads": threads})
        for device in devices
    ]


def list_actor_settings(settings: Settings, devices: tuple[str, ...]) -> list[Settings]:
    """Return the settings of each actor of Ray, which sees only the GPU that Ray reserved for it, as `cuda`."""
    threads = settings.torch_threads or 1  # an actor reserves one CPU
    return [
        settings.model_copy(update={"device": "cuda" if is_cuda(device) else "cpu", "torch_threads": threads})
        for device in devices
    ]


def list_gpus(devices: tuple[str, ...]) -> list[float]:
    """Return the GPUs that each actor reserves: one, or its part of one that several name by its number."""
    return [0.0 if not is_cuda(device) else 1 / devices.count(device) if ":" in device else 1.0 for device in devices]


def is_cuda(device: str) -> bool:
    return device.split(":")[0] == "cuda"


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def build_worker(job: PredictionJob) -> Pipeline:
    """Load the models and build the pipeline of a worker.

    Raises:
        WorkersUnusable: The weights are others than those of the parent, as they may be on another machine.
    """
    from backend.wiring import build_predictor

    predictor = build_predictor(job.settings)
    loaded = predictor.version_for(job.request)
    if job.model_version not in ("", loaded):
        raise WorkersUnusable(
            f"A worker on {socket.gethostname()} has loaded the models {loaded}, not {job.model_version}.",
            remedy="Put the same weights into WEIGHTS_DIR on every machine.",
        )
    return build_pipeline(predictor, job, Progress(STAGE_NAMES))


def build_pipeline(predictor: TaskPredictor, job: PredictionJob, progress: Progress) -> Pipeline:
    """Build the pipeline from a project's tasks to predictions."""
    from backend.wiring import build_limits

    config = parse_labeling_config(job.label_config, build_limits(job.settings).config)
    steps = predictor.stages(
        config,
        job.request,
        job.project_settings,
        project_id=job.project_id,
        uses_cache=job.uses_cache,
        note=progress.note,
    )
    return build_task_pipeline(steps, window=job.window, progress=progress)
