"""Fill the shared cache for a whole project, so that the first click on every image is a warm one.

    python -m scripts.precompute --project 1 --url http://localhost:8080 --api-key TOKEN

It needs the Redis (REDIS_URL) and the model settings (SAM_MODEL, SAM_CHECKPOINT, DEVICE, SAM_DTYPE) of the backend that
is to find the embeddings. It may be stopped and started again: an image whose embedding is in the cache is fetched,
for its bytes are its name, and not encoded. Exit status: 0 when every image was done, 1 when some failed (the summary
says which and why), 130 when it was stopped.
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
REDIS_REMEDY = "Set REDIS_URL to the Redis of your backend, as redis://localhost:6379/0, and start both with it."


class Warms(Protocol):
    """What of `backend.predict.task_predictor.TaskPredictor` is used here."""

    def fetch_image(self, image: TaskImage, *, prefetch: bool = False) -> SourceImage: ...
    def is_warm(self, image: SourceImage) -> bool: ...
    def warm(self, image: SourceImage, *, priority: Priority = Priority.WARM) -> None: ...


@dataclass
class Summary(Failures):
    """What became of the images, of which a task may have several; a task that cannot be read counts as one failed."""

    computed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        first = f"images: computed {self.computed}, in the cache already {self.skipped}, failed {self.failed}"
        return "\n".join([first, *self.reason_lines])


def precompute(
    predictor: Warms,
    tasks: Sequence[Mapping[str, Any]],
    config: LabelingConfig,
    project_id: str,
    counts: CacheCounts,
    summary: Summary,
) -> None:
    """Encode every image of the tasks that the cache does not hold.

    Args:
        tasks: With "id" and "data".
        counts: The cache's own; an error of Redis means that an embedding was not kept.
        summary: Told what became of each image, also when this is interrupted.
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
    """One broken image or task must not end the work on thousands."""
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
    errors = counts.redis_errors
    predictor.warm(image, priority=Priority.BULK)
    if counts.redis_errors > errors:
        message = f"The embedding of {image.name} was computed, but Redis did not keep it."
        raise CacheUnavailable(message, remedy="Read the warning above: Redis is away, full or read-only.")
    summary.computed += 1


def connect_redis(settings: Settings) -> GuardedRedis:
    """Connect to the shared cache.

    Raises:
        BadSettings: No REDIS_URL.
        CacheUnavailable: Redis does not answer.
    """
    from backend.wiring import build_redis

    redis = build_redis(settings)
    if redis is None:
        message = "REDIS_URL is empty, so there is no shared cache to fill."
        raise BadSettings(message, remedy=REDIS_REMEDY)
    if not redis.ping():
        raise CacheUnavailable(f"Redis does not answer at {settings.redacted_redis_url}.", remedy=REDIS_REMEDY)
    return redis


def strip(documents: Iterable[Json]) -> list[Json]:
    """What is needed of the tasks; their annotations and predictions would take the memory of thousands."""
    return [{"id": document.get("id"), "data": document.get("data")} for document in documents]


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_connection_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, encode, and say what became of it."""
    from backend.label_studio.api import LabelStudioClient
    from backend.wiring import build_predictor

    settings = read_settings(arguments.url, arguments.api_key)
    redis = connect_redis(settings)  # report a missing Redis or an invalid token before loading the models
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    project = client.project(project_id)
    config = parse_labeling_config(project.label_config)
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    predictor, summary = build_predictor(settings, redis), Summary()
    with show_progress(client.iterate_tasks(project_id, fields="task_only"), "looking for tasks") as listed:
        tasks = strip(listed)
    try:
        precompute(predictor, tasks, config, project_id, redis.counts, summary)
    finally:
        print(summary, flush=True)
    return 1 if summary.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
