"""Metrics for Prometheus."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backend.cache import CacheCounts, EmbeddingCache, GuardedRedis, LocalStore, RedisStore
from backend.runtime import STAGES
from backend.server import Metrics
from backend.server.version import VERSION
from backend.values import Priority
from backend.wiring import LoadedServices
from tests.fakes import CONFIG_WITH_IMAGE_CHOICES, FakeClassifier, Hall, keypoint, predict_body
from tests.paths import ROOT
from tests.server.fakes import ServerOnFakes
from tests.servers import RedisServer


def sample(text: str, name: str, **labels: str) -> float | None:
    """Value of a series in Prometheus' text format; None without it."""
    samples = [found for family in text_string_to_metric_families(text) for found in family.samples]
    return next((found.value for found in samples if found.name == name and found.labels == labels), None)


def click_counts(server: ServerOnFakes) -> dict[str, float | None]:
    text = server.client.get("/metrics").text
    sources = ("memory", "redis", "computed")
    return {source: sample(text, "backend_click_seconds_count", embedding=source) for source in sources}


def test_metrics_count_requests_and_cache_lookups(server: ServerOnFakes) -> None:
    for _ in range(2):
        server.predict(predict_body("a.png", keypoint(50, 50)))
    text = server.client.get("/metrics").text
    assert 'backend_requests_total{endpoint="predict",status="200"} 2.0' in text
    assert 'backend_embeddings_total{source="computed"} 1.0' in text
    assert 'backend_embeddings_total{source="local_hits"} 1.0' in text
    assert "backend_ready 1.0" in text


def test_counts_of_the_cache_start_at_zero() -> None:
    counts = CacheCounts()
    assert (counts.local_hits, counts.redis_hits, counts.computed) == (0, 0, 0)


def test_before_the_models_are_loaded_the_backend_is_not_ready_and_has_no_cache() -> None:
    text = Metrics().render().decode()
    assert "backend_ready 0.0" in text
    assert "backend_embeddings_total" not in text


def test_queue_and_cache_are_read_when_metrics_are_rendered(services: LoadedServices) -> None:
    metrics = Metrics()
    metrics.attach(services)
    services.cache.counts.add("redis_errors")
    started, go = threading.Semaphore(0), threading.Event()

    def block() -> None:
        started.release()
        go.wait(20)

    for _ in range(2):  # a thread each
        services.executor.submit(Priority.CLICK, block)
    assert all(started.acquire(timeout=20) for _ in range(2))
    for _ in range(3):
        services.executor.submit(Priority.CLICK, lambda: None)
    text = metrics.render().decode()
    go.set()
    assert 'backend_redis_problems_total{kind="error"} 1.0' in text
    assert 'backend_waiting_work{priority="click"} 3.0' in text
    assert 'backend_waiting_work{priority="bulk"} 0.0' in text
    assert "backend_cache_bytes 0.0" in text


def test_unknown_paths_are_counted_under_one_name(server: ServerOnFakes) -> None:
    for path in ("/a", "/b"):
        server.client.get(path)
    text = server.client.get("/metrics").text
    assert 'backend_requests_total{endpoint="unknown",status="404"} 2.0' in text


@pytest.mark.parametrize("path", ["health", "ready", "metrics", "versions"])
def test_a_route_is_counted_under_the_name_of_its_path(server: ServerOnFakes, path: str) -> None:
    server.client.get(f"/{path}")
    assert f'backend_requests_total{{endpoint="{path}",status="200"}} 1.0' in server.client.get("/metrics").text


def test_a_status_or_endpoint_that_is_not_known_gets_no_series_of_its_own(server: ServerOnFakes) -> None:
    metrics = Metrics()
    for status in (299, 777):
        metrics.add_request("predict", status, 0.1)
    text = metrics.render().decode()
    assert sample(text, "backend_requests_total", endpoint="predict", status="other") == 2
    server.client.open("/x\u0301", method="MADE-UP")
    server.client.put("/predict")
    text = server.client.get("/metrics").text
    found = {
        found.labels["endpoint"]
        for family in text_string_to_metric_families(text)
        for found in family.samples
        if "endpoint" in found.labels
    }
    assert found <= {"predict", "unknown"}


def test_errors_of_predictions_are_counted_from_zero_on() -> None:
    """`rate()` does not see an error with which its series begins."""
    text = Metrics().render().decode()
    assert [sample(text, "backend_requests_total", endpoint="predict", status=status) for status in ("500", "503")] == [
        0,
        0,
    ]


def test_each_stage_of_a_click_is_observed_once(server: ServerOnFakes) -> None:
    server.predict(predict_body("a.png", keypoint(50, 50)))
    server.predict(predict_body("a.png", keypoint(20, 50)))
    text = server.client.get("/metrics").text
    counts = {stage: sample(text, "backend_stage_seconds_count", stage=stage) for stage in STAGES}
    assert counts == dict.fromkeys(STAGES, 2.0) | {"decode": 1.0, "encode": 1.0, "detector": 0.0}
    total = sum(sample(text, "backend_stage_seconds_sum", stage=stage) or 0 for stage in STAGES)
    assert 0 < total <= (sample(text, "backend_request_seconds_sum", endpoint="predict") or 0)


def test_clicks_are_counted_by_the_source_of_their_embedding(redis_server: RedisServer) -> None:
    def build() -> ServerOnFakes:
        redis = RedisStore(GuardedRedis(redis_server.url, 5.0), 60)
        return ServerOnFakes(Hall(classifier=FakeClassifier(), cache=EmbeddingCache(LocalStore(10**7), redis)))

    first, replica = build(), build()
    for server in (first, first, replica, replica):
        assert server.predict(predict_body("a.png", keypoint(50, 50))).status_code == 200
    assert click_counts(first) == {"memory": 1, "redis": 0, "computed": 1}
    assert click_counts(replica) == {"memory": 1, "redis": 1, "computed": 0}


def test_what_is_no_answered_click_is_not_counted_as_one(server: ServerOnFakes) -> None:
    server.predict(predict_body("a.png", config=CONFIG_WITH_IMAGE_CHOICES))
    server.predict(predict_body("a.png", keypoint(50, 50, positive=False)))
    server.client.post("/predict", json={})
    assert click_counts(server) == {"memory": 0, "redis": 0, "computed": 0}


def test_a_click_that_waits_for_an_embedding_of_another_thread_is_not_warm() -> None:
    server, started, go = ServerOnFakes(), threading.Semaphore(0), threading.Event()
    encode, try_encode = server.hall.segmenter.encode, server.hall.predictor._encoder.try_encode
    asked = threading.Semaphore(0)

    def encode_when_told(pixels):
        started.release()
        assert go.wait(20)
        return encode(pixels)

    def counted(*arguments, **options):
        made = try_encode(*arguments, **options)
        asked.release()
        return made

    server.hall.segmenter.encode, server.hall.predictor._encoder.try_encode = encode_when_told, counted
    body = predict_body("a.png", keypoint(50, 50))
    with ThreadPoolExecutor(2) as pool:
        clicks = [pool.submit(server.app.test_client().post, "/predict", json=body)]
        assert started.acquire(timeout=20)
        clicks.append(pool.submit(server.app.test_client().post, "/predict", json=body))
        assert asked.acquire(timeout=20)  # the second one knows that it waits
        go.set()
        assert [click.result(20).status_code for click in clicks] == [200, 200]
    assert click_counts(server) == {"memory": 0, "redis": 0, "computed": 2}


def test_what_waits_for_the_models_is_counted_by_priority(services: LoadedServices) -> None:
    metrics, started, go = Metrics(), threading.Semaphore(0), threading.Event()
    metrics.attach(services)

    def block() -> None:
        started.release()
        go.wait(20)

    for _ in range(2):
        services.executor.submit(Priority.CLICK, block)
    assert all(started.acquire(timeout=20) for _ in range(2))
    queued = [Priority.PREFETCH, Priority.BULK, Priority.CLICK, Priority.PREFETCH, Priority.PREFETCH]
    futures = [services.executor.submit(priority, lambda: None) for priority in queued]
    assert futures[-1].cancel()  # its caller has given up
    text = metrics.render().decode()
    go.set()
    counts = {priority: sample(text, "backend_waiting_work", priority=priority.name.lower()) for priority in Priority}
    assert counts == {Priority.CLICK: 1, Priority.WARM: 0, Priority.PREFETCH: 2, Priority.BULK: 1}


def test_the_state_of_redis_is_that_of_the_last_command(redis_server: RedisServer, services: LoadedServices) -> None:
    redis = GuardedRedis(redis_server.url, 5.0)
    redis.pause_seconds = 0.0
    cache, metrics = EmbeddingCache(LocalStore(10**7), RedisStore(redis, 60)), Metrics()
    metrics.attach(LoadedServices(services.predictor, services.facts, cache, services.executor, services.warmer))
    states = []
    for change in (lambda: None, redis_server.stop, redis_server.start):
        change()
        redis.ping()
        states.append(sample(metrics.render().decode(), "backend_redis_up"))
    assert states == [1, 0, 1]


def test_without_redis_its_state_is_not_reported(server: ServerOnFakes) -> None:
    assert "backend_redis_up" not in server.client.get("/metrics").text


def test_the_version_is_that_of_the_project_and_the_models_are_named(server: ServerOnFakes) -> None:
    written = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert written
    text = server.client.get("/metrics").text
    assert written[1] == VERSION
    assert sample(text, "backend_build_info", version=VERSION) == 1
    models = {"model_version": "fake-1", "sam": "demo", "family": "sam1", "clip": "demo-clip", "detector": ""}
    assert sample(text, "backend_model_info", **models, device="cpu", dtype="float32") == 1


def test_the_process_reports_its_memory_and_cpu_time(server: ServerOnFakes) -> None:
    text = server.client.get("/metrics").text
    assert (sample(text, "process_resident_memory_bytes") or 0) > 10**7
    assert (sample(text, "process_cpu_seconds_total") or 0) > 0
    assert "_created" not in text
