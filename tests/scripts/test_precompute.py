"""Precomputing: into a cache that others see, resumable, one broken task does not end it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
import redis

from backend.bulk import DECODE_THREADS
from backend.cache import CacheCounts, EmbeddingCache, GuardedRedis, LocalStore, RedisStore
from backend.engine import ImageEncoder, ImageLabeler
from backend.errors import ImageUnavailable
from backend.images import DecodedImages
from backend.label_studio.api.client import ProjectInfo
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_prompted_task
from backend.predict import TaskPredictor
from backend.runtime import PriorityExecutor
from backend.values import ProposalOptions, Size
from scripts import precompute
from scripts.console import run_command
from scripts.precompute import Summary
from tests.fakes import CONFIG, FakeFetcher, FakeSegmenter, keypoint, noise_png
from tests.servers import RedisServer

LABELING = parse_labeling_config(CONFIG)


class Replica:
    """A predictor on fakes and a real Redis."""

    def __init__(self, server: RedisServer, files: dict[str, bytes | Exception]) -> None:
        self.segmenter, self.counts, self.fetcher = FakeSegmenter(), CacheCounts(), FakeFetcher(files)
        store = RedisStore(GuardedRedis(server.url, 1.0, self.counts), 60)
        self.cache = EmbeddingCache(LocalStore(10**7), store)
        self.predictor = TaskPredictor(
            ImageEncoder(self.segmenter, self.cache, fingerprint="fake"),
            ImageLabeler(self.segmenter, None),
            self.fetcher,
            DecodedImages(10**7, 10**6),
            PriorityExecutor(2),
            model_version="fake-1",
            default_proposal=ProposalOptions(4, 0.5, 0.5, 10, 0.7),
        )

    def fill(self, tasks: list[dict]) -> Summary:
        summary = Summary()
        precompute.precompute(self.predictor, tasks, LABELING, "3", self.counts, summary)
        return summary


def project(count: int) -> tuple[list[dict], dict[str, bytes | Exception]]:
    tasks = [{"id": n, "data": {"photo": f"{n}.png"}} for n in range(1, count + 1)]
    return tasks, {f"{n}.png": noise_png(40, 30, n) for n in range(1, count + 1)}


def test_after_it_the_first_click_in_another_process_encodes_nothing(redis_server: RedisServer) -> None:
    tasks, files = project(4)
    assert str(Replica(redis_server, files).fill(tasks)) == "images: computed 4, already cached 0, failed 0"
    backend = Replica(redis_server, files)
    for document in tasks:
        task, click = parse_prompted_task(document, LABELING, [keypoint(50, 50)], project_id="3")
        assert backend.predictor.predict(task, LABELING, click)
    assert backend.segmenter.encoded == []
    assert (backend.counts.computed, backend.counts.redis_hits) == (0, 4)


def test_a_second_run_computes_nothing_and_reads_no_embedding(redis_server: RedisServer) -> None:
    tasks, files = project(3)
    Replica(redis_server, files).fill(tasks)
    again = Replica(redis_server, files)
    assert str(again.fill(tasks)) == "images: computed 0, already cached 3, failed 0"
    assert (again.segmenter.encoded, again.cache.nbytes) == ([], 0)


def test_it_goes_on_after_an_interruption(redis_server: RedisServer) -> None:
    tasks, files = project(5)
    first, summary = Replica(redis_server, files), Summary()

    def interrupted():
        yield from tasks[:2]
        while first.counts.computed < 2:
            time.sleep(0.001)
        raise KeyboardInterrupt

    def work() -> int:
        precompute.precompute(first.predictor, interrupted(), LABELING, "3", first.counts, summary)
        return 0

    assert run_command(work) == 130
    assert (summary.computed, summary.failed) == (2, 0)
    assert str(Replica(redis_server, files).fill(tasks)) == "images: computed 3, already cached 2, failed 0"


def test_broken_tasks_are_counted_with_their_reasons_and_the_others_go_on(redis_server: RedisServer) -> None:
    tasks, files = project(4)
    files["2.png"] = ImageUnavailable("2.png is gone.", remedy="Upload it again.")
    files["3.png"] = b"no image at all"
    tasks.append({"id": 9, "data": {"picture": "9.png"}})
    lines = str(Replica(redis_server, files).fill(tasks)).splitlines()
    assert lines[0] == "images: computed 2, already cached 0, failed 3"
    reasons = sorted(lines[1:])
    assert reasons[0] == "  task 2: 2.png is gone. Upload it again."
    assert reasons[1].startswith("  task 3: 3.png is not an image")
    assert reasons[2].startswith("  task 9: ")


TWO_IMAGES = parse_labeling_config(
    CONFIG.replace("</View>", '<Image name="late" value="$later"/><Brush name="m" toName="late"/></View>')
)


def test_a_task_of_two_images_counts_twice_and_one_of_them_may_fail(redis_server: RedisServer) -> None:
    task = {"id": 1, "data": {"photo": "1.png", "later": "2.png"}}
    files: dict[str, bytes | Exception] = {"1.png": b"no image at all", "2.png": noise_png(40, 30, 2)}
    replica, summary = Replica(redis_server, files), Summary()
    precompute.precompute(replica.predictor, [task], TWO_IMAGES, "3", replica.counts, summary)
    assert str(summary).splitlines()[0] == "images: computed 1, already cached 0, failed 1"


def test_an_embedding_that_redis_does_not_keep_is_a_failure(redis_server: RedisServer) -> None:
    tasks, files = project(1)
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    summary = Replica(redis_server, files).fill(tasks)
    assert (summary.computed, summary.failed) == (0, 1)
    assert "was computed, but not stored in Redis. See the warning above" in str(summary)


def test_what_is_computed_while_redis_does_not_answer_is_a_failure_of_each_image(
    redis_server: RedisServer, monkeypatch
) -> None:
    monkeypatch.setattr(GuardedRedis, "pause_seconds", 60.0)
    tasks, files = project(4)
    replica = Replica(redis_server, files)
    assert replica.cache.find("connect", lambda: replica.segmenter.embedding_spec(Size(1, 1))) is None
    redis_server.stop()
    summary = replica.fill(tasks)
    assert (summary.computed, summary.skipped, summary.failed) == (0, 0, 4)
    assert 1 <= replica.counts.redis_errors <= DECODE_THREADS, "those that asked at the same moment; then nobody asks"
    assert str(summary).count("was computed, but not stored in Redis") == 4


class Listing:
    """The project's tasks, listed without Label Studio."""

    tasks: ClassVar[list[dict]] = []

    def __init__(self, client: object) -> None: ...

    def count(self, project_id: str) -> int:
        return len(self.tasks)

    def iterate(self, project_id: str) -> Iterator[dict]:
        return iter(self.tasks)


class Client:
    """Label Studio with a project."""

    def __init__(self, url: str, api_key: str) -> None: ...

    def project(self, project_id: str) -> ProjectInfo:
        return ProjectInfo(3, "Birds", CONFIG)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Two tasks of the project in Label Studio."""
    tasks, files = project(2)
    monkeypatch.setattr(Listing, "tasks", tasks)
    monkeypatch.setattr("backend.label_studio.api.LabelStudioClient", Client)
    monkeypatch.setattr("backend.label_studio.api.TaskListing", Listing)
    monkeypatch.setattr("backend.wiring._build_fetcher", lambda settings: FakeFetcher(files))
    return tasks


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "error: REDIS_URL is empty, so there is no shared cache"),
        ("redis://127.0.0.1:9/0", "error: Redis cannot be reached at redis://127.0.0.1:9/0."),
        ("redis://:hunter2@127.0.0.1:9/0", "error: Redis cannot be reached at redis://***@127.0.0.1:9/0."),
        ("http://127.0.0.1:9", "error: REDIS_URL is 'http://127.0.0.1:9'"),
        ("redis://:hunter2@127.0.0.1:9/0?db=x", "error: REDIS_URL is 'redis://***@127.0.0.1:9/0': Invalid value"),
    ],
)
def test_without_a_shared_cache_it_refuses_before_anything_else(monkeypatch, capsys, url: str, says: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert precompute.main(["--project", "3", "--url", "http://127.0.0.1:9", "--api-key", "x"]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert "hunter2" not in said
    assert re.search(r"help: .*redis://", said)


def test_the_command_fills_the_cache_with_the_real_models(
    monkeypatch, capsys, redis_server: RedisServer, tasks: list[dict]
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    command = ["--project", "3", "--url", "http://127.0.0.1:9", "--api-key", "x"]
    assert precompute.main(command) == 0
    assert "images: computed 2, already cached 0, failed 0" in capsys.readouterr().out
    assert len(redis.Redis.from_url(redis_server.url).keys("codec4:embedding:*")) == 2
    assert precompute.main(command) == 0
    assert "images: computed 0, already cached 2, failed 0" in capsys.readouterr().out


def test_an_empty_project_ends_before_the_models_are_loaded(
    monkeypatch, capsys, redis_server: RedisServer, tasks: list[dict]
) -> None:
    monkeypatch.setattr(Listing, "tasks", [])
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    assert precompute.main(["--project", "3", "--url", "http://127.0.0.1:9", "--api-key", "x"]) == 0
    assert capsys.readouterr().out == "Nothing was done: project 3 has no tasks. Import pictures into it first.\n"


def test_the_command_fails_if_redis_stops_while_it_runs(
    monkeypatch, capsys, redis_server: RedisServer, tasks: list[dict]
) -> None:
    """Three tasks of two images: one of them twice, which must not count as cached because it was computed before."""

    def stop_redis(listing: Listing, project_id: str) -> Iterator[dict]:
        redis_server.stop()
        return iter([*tasks, {**tasks[0], "id": 3}])

    monkeypatch.setattr(GuardedRedis, "pause_seconds", 60.0)
    monkeypatch.setattr(Listing, "iterate", stop_redis)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    assert precompute.main(["--project", "3", "--url", "http://127.0.0.1:9", "--api-key", "x"]) == 1
    said = capsys.readouterr().out
    assert "images: computed 0, already cached 0, failed 3" in said
    assert said.count("but not stored in Redis. See the warning above: Redis is unreachable") == 3
