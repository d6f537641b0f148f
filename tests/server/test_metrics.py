"""Metrics for Prometheus."""

from __future__ import annotations

import threading

import pytest

from backend.cache import CacheCounts
from backend.server import Metrics
from backend.values import Priority
from backend.wiring import LoadedServices
from tests.fakes import keypoint, predict_body
from tests.server.fakes import ServerOnFakes


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
