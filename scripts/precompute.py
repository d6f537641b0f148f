"""Fill the shared cache for a whole project, so that the first click on every image is a cache hit.

    python -m scripts.precompute --project 1 --url http://localhost:8080 --api-key TOKEN

It needs the Redis (REDIS_URL) and the model settings (SAM_MODEL, SAM_CHECKPOINT, DEVICE, SAM_DTYPE) of the backend that
will use the embeddings. It can be interrupted and restarted: an image whose embedding is cached is fetched, because the
cache key is a hash of its bytes, but not encoded. Exit status: 0 if every image is done, or if there is none, 1
if some failed (the summary lists the reasons), 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backend.bulk import DECODE_THREADS, FETCH_THREADS, Failures, Finished, Pipeline, Progress, Stage
from backend.cache import CacheCounts, GuardedRedis
from backend.errors import BadSettings, CacheUnavailable
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import TaskImage, parse_task
from backend.settings import Settings
from backend.values import Priority
from scripts.console import add_connection_options, read_settings, run_and_leave, run_command
from scripts.live_display import show_progress_of
from scripts.preannotating.running import limit_caches
from scripts.preannotating.selection import has_no_tasks

REDIS_REMEDY = "Set REDIS_URL to the backend's Redis, for example redis://localhost:6379/0, and start both with it."


class Warms(Protocol):
    """The part of `backend.predict.TaskPredictor` that is needed here."""

    def fetch_image(self, image: TaskImage, *, prefetch: bool = False) -> SourceImage: ...
    def is_warm(self, image: SourceImage) -> bool: ...
    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None: ...


@dataclass
class Summary(Failures):
    """Counts of the images, several per task; a task that cannot be parsed counts as one failed image."""

    computed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        first = f"images: computed {self.computed}, already cached {self.skipped}, failed {self.failed}"
        return "\n".join([first, *self.reason_lines])


@dataclass
class _ImageWork:
    """One image on its way through the stages."""

    task_id: object
    task_image: TaskImage
    source: SourceImage | None = None
    is_cached: bool = False


class PrecomputeStages:
    """The stages from a task's image to its embedding in Redis.

    Args:
        counts: The cache's counts, which tell whether an embedding was stored in Redis.
    """

    def __init__(self, predictor: Warms, counts: CacheCounts) -> None:
        self._predictor, self._counts = predictor, counts

    def build_pipeline(self, progress: Progress) -> Pipeline:
        """Build the pipeline; encoding has one thread, so that the counts belong to its image."""
        stages = [
            Stage("fetch", self._fetch, threads=FETCH_THREADS),
            Stage("decode", self._decode, threads=DECODE_THREADS),
            Stage("encode", self._encode),
        ]
        return Pipeline(stages, progress=progress)

    def _fetch(self, work: _ImageWork) -> _ImageWork:
        work.source = self._predictor.fetch_image(work.task_image, prefetch=True)
        return work

    def _decode(self, work: _ImageWork) -> _ImageWork:
        """Look whether the embedding is cached, else decode the image."""
        assert work.source is not None
        work.is_cached = self._predictor.is_warm(work.source)
        if not work.is_cached:
            _ = work.source.pixels
        return work

    def _encode(self, work: _ImageWork) -> bool:
        """Encode the image unless it is cached; return whether it was."""
        assert work.source is not None
        if work.is_cached:
            return True
        not_stored = self._counts.not_stored
        self._predictor.warm(work.source, priority=Priority.BULK)
        if self._counts.not_stored > not_stored:
            message = f"The embedding of {work.source.name} was computed, but not stored in Redis."
            reasons = "Redis is unreachable, full or read-only, or the embedding is not finite"
            raise CacheUnavailable(message, remedy=f"See the warning above: {reasons}.")
        return False


def precompute(
    predictor: Warms,
    tasks: Iterable[Mapping[str, Any]],
    config: LabelingConfig,
    project_id: str,
    counts: CacheCounts,
    summary: Summary,
    total: int | None = None,
) -> None:
    """Encode every image of the tasks that is not cached.

    Args:
        tasks: With "id" and "data".
        counts: As for `PrecomputeStages`.
        summary: Updated after each image, so that it is complete on interruption.
        total: Number of images, as far as it is known.
    """
    progress = Progress(("fetch", "decode", "encode"), total=total)
    pipeline = PrecomputeStages(predictor, counts).build_pipeline(progress)
    images = _find_images(tasks, config, project_id, summary)
    with pipeline.run(images) as run, show_progress_of(progress, "precomputing"):
        try:
            _count(run, summary)
        except KeyboardInterrupt:
            run.stop()
            _count(run, summary)  # what is under way is finished
            raise


def _count(run: Iterable[Finished[_ImageWork]], summary: Summary) -> None:
    for finished in run:
        if finished.error is not None:
            summary.fail(finished.item.task_id, finished.error)
        elif finished.value:
            summary.skipped += 1
        else:
            summary.computed += 1


def _find_images(
    tasks: Iterable[Mapping[str, Any]], config: LabelingConfig, project_id: str, summary: Summary
) -> Iterator[_ImageWork]:
    """Yield the images of the tasks; a task that cannot be parsed is counted as a failure."""
    for document in tasks:
        try:
            images = parse_task(document, config, project_id=project_id).images
        except Exception as error:  # one broken task must not end a run over thousands
            summary.fail(document.get("id"), error)
        else:
            yield from (_ImageWork(document.get("id"), image) for image in images)


def connect_redis(settings: Settings) -> GuardedRedis:
    """Connect to the shared cache.

    Raises:
        BadSettings: REDIS_URL is empty.
        CacheUnavailable: Redis cannot be reached.
    """
    from backend.wiring import build_redis

    redis = build_redis(settings)
    if redis is None:
        message = "REDIS_URL is empty, so there is no shared cache to fill."
        raise BadSettings(message, remedy=REDIS_REMEDY)
    if not redis.ping():
        raise CacheUnavailable(f"Redis cannot be reached at {settings.redacted_redis_url}.", remedy=REDIS_REMEDY)
    return redis


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_connection_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, encode, and print a summary."""
    from backend.label_studio.api import LabelStudioClient, TaskListing
    from backend.wiring import build_limits, build_predictor

    settings = read_settings(arguments.url, arguments.api_key)
    redis = connect_redis(settings)  # report a missing Redis or an invalid token before loading the models
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    project = client.project(project_id)
    config = parse_labeling_config(project.label_config, build_limits(settings).config)
    listing = TaskListing(client)
    if has_no_tasks(listing, project_id):
        return 0
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    predictor, summary = build_predictor(limit_caches(settings), redis), Summary()  # "cached" must mean "in Redis"
    try:
        total = listing.count(project_id) * len(config.images)
        precompute(predictor, listing.iterate(project_id), config, project_id, redis.counts, summary, total)
    finally:
        print(summary, flush=True)
    return 1 if summary.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
