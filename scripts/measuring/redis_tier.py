"""A click whose embedding is in Redis and not in this process's memory, as if another worker had computed it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from backend.wiring import build_predictor, build_redis
from scripts.demo_circle.places import free_ports
from scripts.demo_circle.processes import Programs
from scripts.demo_circle.stage import listens
from scripts.measuring.clicks import build_click
from scripts.measuring.place import MASKS_ONLY, Picture, build_body
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, SkippedRow, compare

WHAT = "warm click whose embedding is only in Redis"
START_SECONDS = 15.0


def measure_redis_click(subject: Subject, picture: Picture, folder: Path, *, repeats: int) -> Row | SkippedRow:
    """Measure a click with a predictor without an in-process cache, against one with it."""
    group = f"A click, SAM {subject.name}"
    program = shutil.which("redis-server")
    if program is None:
        return SkippedRow(group, WHAT, "redis-server is not installed")
    with run_redis(program, folder / "redis") as url:
        update = {"redis_url": url, "cache_max_bytes": 0, "prefetch_max_bytes": 0}
        settings = subject.settings.model_copy(update=update)
        redis = build_redis(settings)
        predictor = build_predictor(settings, redis)
        body = build_body(picture, MASKS_ONLY)
        row = compare(
            group,
            WHAT,
            build_click(replace(subject, predictor=predictor), body),
            "the same with the embedding in this process",
            build_click(subject, body),
            repeats=repeats,
        )
        counts = redis.counts if redis else None
        if counts is None or counts.redis_hits < repeats or counts.computed != 1:
            raise AssertionError(f"not every click read its embedding from Redis: {counts}")
    return row


@contextmanager
def run_redis(program: str, folder: Path) -> Iterator[str]:
    """Run redis-server on a free port; yield its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    programs, ports = Programs(), free_ports()
    options = ["--port", str(ports.redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    try:
        server = programs.start("Redis", [program, *options], os.environ, folder / "redis.log", folder)
        programs.wait_until(server, lambda: listens(ports.redis), START_SECONDS)
        yield ports.redis_url
    finally:
        programs.stop_all()
