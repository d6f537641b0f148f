"""Metrics for Prometheus: requests, the queue in front of the models, and the embedding cache."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backend.cache import CacheCounts
from backend.server.admission import Admission
from backend.server.services import Services

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("endpoint", "status")
        self._requests = Counter("backend_requests", "Completed requests.", labels, registry=self._registry)
        self._seconds = Histogram(
            "backend_request_seconds",
            "Request duration in seconds.",
            ("endpoint",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._ready = Gauge("backend_ready", "Whether the models are loaded.", registry=self._registry)
        self._waiting = Gauge("backend_waiting_work", "Jobs in the model queue.", registry=self._registry)
        self._cache_bytes = Gauge(
            "backend_cache_bytes", "Size of the in-process embedding cache.", registry=self._registry
        )

    def add_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a completed request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def attach(self, services: Services) -> None:
        """Report that the models are loaded, and from now on the state of the queue and the cache. Call it once."""
        self._ready.set(1)
        self._waiting.set_function(lambda: services.executor.waiting)
        self._cache_bytes.set_function(lambda: services.cache.nbytes)
        self._registry.register(_CacheCollector(services.cache.counts))

    def attach_admission(self, admission: Admission) -> None:
        """Report how many predictions run or wait, and how many were refused. Call it once."""
        self._registry.register(_AdmissionCollector(admission))

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _AdmissionCollector(Collector):
    """Collector of the admission's state, which is read at each scrape."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "backend_predictions_in_progress", "Predictions that run or wait.", self._admission.in_progress
        )
        yield GaugeMetricFamily(
            "backend_predictions_limit", "Limit of predictions that run or wait.", self._admission.max_predictions
        )
        yield CounterMetricFamily(
            "backend_predictions_refused", "Predictions refused at the limit.", self._admission.refused
        )


class _CacheCollector(Collector):
    """Collector of the cache's counters, which are read at each scrape."""

    def __init__(self, counts: CacheCounts) -> None:
        self._counts = counts

    def collect(self) -> list[CounterMetricFamily]:
        lookups = CounterMetricFamily("backend_embeddings", "Embeddings by source.", labels=["source"])
        for source in ("local_hits", "redis_hits", "computed"):
            lookups.add_metric([source], getattr(self._counts, source))
        redis = CounterMetricFamily("backend_redis_problems", "Redis errors and damaged entries.", labels=["kind"])
        redis.add_metric(["error"], self._counts.redis_errors)
        redis.add_metric(["damaged"], self._counts.damaged)
        return [lookups, redis]
