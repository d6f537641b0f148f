"""Metrics for Prometheus; docs/operating.md lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from backend.runtime import EMBEDDING_SOURCES, STAGES
from backend.server.admission import Admission
from backend.server.collectors import AdmissionCollector, ServicesCollector
from backend.server.histograms import DurationHistograms
from backend.server.http_status import HTTP_STATUS
from backend.server.services import Services
from backend.server.version import VERSION

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
_STAGE_BUCKETS = (0.001, 0.0025, *_REQUEST_BUCKETS)
_CLICK_BUCKETS = (0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
"""0.5 s is the service level of warm clicks: with a bound there, p95 is above it exactly if the level is missed."""
WARM_SOURCES = tuple(source for source in EMBEDDING_SOURCES if source != "computed")
_PREDICT_STATUSES = sorted({200, *HTTP_STATUS.values()})
_KNOWN_STATUSES = {status.value for status in HTTPStatus} | {499}  # nginx's "client closed request"


@dataclass(frozen=True)
class ClickTimes:
    """Durations of answered clicks since the start.

    Attributes:
        count: How many there were.
        median, p95: Estimates in seconds; None without a click.
    """

    count: int
    median: float | None
    p95: float | None


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for each counter and histogram, which no query here needs
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        labels = ("endpoint", "status")
        self._requests = Counter("backend_requests", "Completed requests.", labels, registry=self._registry)
        for status in _PREDICT_STATUSES:  # counters that appear with their first error, `rate()` misses that error
            self._requests.labels("predict", str(status))
        self._seconds = Histogram(
            "backend_request_seconds",
            "Request duration in seconds.",
            ("endpoint",),
            buckets=_REQUEST_BUCKETS,
            registry=self._registry,
        )
        self._stages = DurationHistograms(
            "backend_stage_seconds", "Time of a request in a stage.", "stage", STAGES, _STAGE_BUCKETS
        )
        self._clicks = DurationHistograms(
            "backend_click_seconds",
            "Duration of answered clicks and boxes by the source of the embedding.",
            "embedding",
            EMBEDDING_SOURCES,
            _CLICK_BUCKETS,
        )
        self._registry.register(self._stages)
        self._registry.register(self._clicks)
        self._ready = Gauge("backend_ready", "Whether the models are loaded.", registry=self._registry)
        Info("backend_build", "Version of the backend.", registry=self._registry).info({"version": VERSION})

    def add_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a completed request.

        Args:
            endpoint: Name of a route, or "unknown": never a path, which a client chooses.
        """
        self._requests.labels(endpoint, str(status) if status in _KNOWN_STATUSES else "other").inc()
        self._seconds.labels(endpoint).observe(seconds)

    def add_stages(self, seconds: Mapping[str, float]) -> None:
        """Add the time of a request in each stage that it passed (see `runtime.StageRecord`)."""
        self._stages.observe(seconds)

    def add_click(self, embedding_source: str, seconds: float) -> None:
        """Count a click or box that was answered.

        Args:
            embedding_source: One of `runtime.EMBEDDING_SOURCES`. The click was warm unless it is "computed".
        """
        self._clicks.observe({embedding_source: seconds})

    def click_times(self, sources: Sequence[str]) -> ClickTimes:
        """Return how long the clicks took whose embeddings came from these sources (see `add_click`)."""
        median, p95 = (self._clicks.quantile(quantile, sources) for quantile in (0.5, 0.95))
        return ClickTimes(self._clicks.count(sources), median, p95)

    def attach(self, services: Services) -> None:
        """Report that the models are loaded, and from now on the state of the queue and the cache. Call it once."""
        self._ready.set(1)
        self._registry.register(ServicesCollector(services))
        facts = services.facts
        Info("backend_model", "The loaded models.", registry=self._registry).info(
            {
                "model_version": facts.model_version,
                "sam": facts.sam_name,
                "family": facts.sam_family,
                "clip": facts.clip_name if facts.has_clip else "",
                "detector": "" if facts.detector_problem else facts.detector_name,
                "device": facts.device,
                "dtype": facts.encoder_dtype,
            }
        )

    def attach_admission(self, admission: Admission) -> None:
        """Report how many predictions run or wait, and how many were refused. Call it once."""
        self._registry.register(AdmissionCollector(admission))

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
