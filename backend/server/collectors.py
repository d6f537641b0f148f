"""Collectors of state that is read at each scrape: admission, the model queue, the embedding cache and Redis."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backend.server.admission import Admission
from backend.server.services import Services


class AdmissionCollector(Collector):
    """Collector of the admission's state."""

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


class ServicesCollector(Collector):
    """Collector of the state of what exists once the models are loaded."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("backend_waiting_work", "Jobs in the model queue.", labels=["priority"])
        for priority, count in self._services.executor.waiting_by_priority.items():
            waiting.add_metric([priority.name.lower()], count)
        yield waiting
        cache = self._services.cache
        yield GaugeMetricFamily("backend_cache_bytes", "Size of the in-process embedding cache.", cache.nbytes)
        lookups = CounterMetricFamily("backend_embeddings", "Embeddings by source.", labels=["source"])
        for source in ("local_hits", "redis_hits", "computed"):
            lookups.add_metric([source], getattr(cache.counts, source))
        yield lookups
        problems = CounterMetricFamily("backend_redis_problems", "Redis errors and damaged entries.", labels=["kind"])
        problems.add_metric(["error"], cache.counts.redis_errors)
        problems.add_metric(["damaged"], cache.counts.damaged)
        yield problems
        if cache.uses_redis:
            yield GaugeMetricFamily(
                "backend_redis_up", "Whether Redis answered the last command.", not cache.counts.redis_down
            )
