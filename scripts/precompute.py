"""Fill the shared cache for a whole project, so that the first click on every image is a cache hit.

    python -m scripts.precompute --project 1 --url http://localhost:8080 --api-key TOKEN

It needs the Redis (REDIS_URL) and the model settings (SAM_MODEL, SAM_CHECKPOINT, DEVICE, SAM_DTYPE) of the backend that
will use the embeddings. It can be interrupted and restarted: an image whose embedding is cached is fetched, because the
cache key is a hash of its bytes, but not encoded. Exit status: 0 if every image is done, 1 if some failed (the summary
lists the reasons), 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from backend.bulk import Failures
from backend.cache import CacheCounts, GuardedRedis
from backend.errors import BadSettings, CacheUnavailable
from backend.images import SourceImage
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import TaskImage, parse_task
from backend.settings import Settings
from backend.values import Priority
from scripts.console import add_connection_options, read_settings, run_and_leave, run_command, show_progress

Json = dict[str, Any]
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


def precompute(
    predictor: Warms,
    tasks: Sequence[Mapping[str, Any]],
    config: LabelingConfig,
    project_id: str,
    counts: CacheCounts,
    summary: Summary,
) -> None:
    """Encode every image of the tasks that is not cached.

    Args:
        tasks: With "id" and "data".
        counts: The cache's counts, which tell whether an embedding was stored in Redis.
        summary: Updated after each image, so that it is complete on interruption.
    """
    bar = show_progress(tasks, "precomputing")
    for document in bar:
        with _counting_failure(document, summary):
            for image in parse_task(document, config, project_id=project_id).images:
                with _counting_failure(document, summary):
                    _precompute_image(predictor, image, counts, summary)
        bar.set_postfix(computed=summary.computed, failed=summary.failed, refresh=False)


@contextmanager
def _counting_failure(document: Mapping[str, Any], summary: Summary) -> Iterator[None]:
    """Count an exception as a failure: one broken image or task must not end a run over thousands."""
    try:
        yield
    except Exception as error:
        logging.getLogger(__name__).debug("Task %s failed", document.get("id"), exc_info=True)
        summary.fail(document.get("id"), error)


def _precompute_image(predictor: Warms, task_image: TaskImage, counts: CacheCounts, summary: Summary) -> None:
    image = predictor.fetch_image(task_image, prefetch=True)
    if predictor.is_warm(image):
        summary.skipped += 1
        return
    not_stored = counts.not_stored
    predictor.warm(image, priority=Priority.BULK)
    if counts.not_stored > not_stored:
        message = f"The embedding of {image.name} was computed, but not stored in Redis."
        reasons = "Redis is unreachable, full or read-only, or the embedding is not finite"
        raise CacheUnavailable(message, remedy=f"See the warning above: {reasons}.")
    summary.computed += 1


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


def strip(documents: Iterable[Json]) -> list[Json]:
    """Keep only the ids and data of the tasks; annotations and predictions of thousands would fill the memory."""
    return [{"id": document.get("id"), "data": document.get("data")} for document in documents]


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_connection_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, encode, and print a summary."""
    from backend.label_studio.api import LabelStudioClient
    from backend.wiring import build_limits, build_predictor

    settings = read_settings(arguments.url, arguments.api_key)
    redis = connect_redis(settings)  # report a missing Redis or an invalid token before loading the models
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    project = client.project(project_id)
    config = parse_labeling_config(project.label_config, build_limits(settings).config)
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    only_shared = settings.model_copy(update={"cache_max_bytes": 0})  # here "cached" must mean "in Redis"
    predictor, summary = build_predictor(only_shared, redis), Summary()
    with show_progress(client.iterate_tasks(project_id, fields="task_only"), "looking for tasks") as listed:
        tasks = strip(listed)
    try:
        precompute(predictor, tasks, config, project_id, redis.counts, summary)
    finally:
        print(summary, flush=True)
    return 1 if summary.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
