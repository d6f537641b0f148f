"""BackendStatus: metrics for Prometheus, and how the backend is, in words, for whoever wonders why no mask came."""

from __future__ import annotations

import html
import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from backend.cache import CacheCounts, EmbeddingCache
from backend.runtime import PriorityExecutor

_REMEMBERED = 20
_PROBES = {"health", "ready", "metrics"}
_PROJECTS_SHOWN = 50
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True)
class ModelFacts:
    """What runs here, in words, and the parts whose counts are shown."""

    sam: str
    clip: str
    device: str
    model_version: str
    demo: bool
    clip_works: bool
    counts: CacheCounts
    cache: EmbeddingCache
    executor: PriorityExecutor


@dataclass(frozen=True)
class ProjectFacts:
    """A project that Label Studio told of: its settings that are not the default, and what is wrong with the last."""

    project: str
    origin: str
    settings: Mapping[str, Any]
    complaint: str


@dataclass(frozen=True)
class RequestRecord:
    """One request, or `times` alike: when (seconds since 1970) the last was, which, how it ended, how long it took."""

    at: float
    request_id: str
    what: str
    status: int
    seconds: float
    problem: str = ""
    times: int = 1

    def is_like(self, other: RequestRecord) -> bool:
        """Whether it is the same thing once more."""
        return (self.what, self.status, self.problem) == (other.what, other.status, other.problem)


class BackendStatus:
    """Remembers the last requests and errors, and counts all of them."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self._lock = threading.Lock()
        self._requests: deque[RequestRecord] = deque(maxlen=_REMEMBERED)
        self._errors: deque[RequestRecord] = deque(maxlen=_REMEMBERED)
        self.registry = CollectorRegistry()
        labels = ("endpoint", "status")
        self._count = Counter("backend_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "backend_request_seconds",
            "Seconds a request took.",
            ("endpoint",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._ready = Gauge("backend_ready", "Whether a mask can be made now.", registry=self.registry)
        self._waiting = Gauge("backend_waiting_work", "Work that waits for the models.", registry=self.registry)
        self._cache_bytes = Gauge("backend_cache_bytes", "Embeddings kept in this process.", registry=self.registry)

    def add(self, record: RequestRecord, endpoint: str) -> None:
        """Count a request; those that a person caused are remembered, and errors, but for what programs ask all day."""
        self._count.labels(endpoint, str(record.status)).inc()
        self._seconds.labels(endpoint).observe(record.seconds)
        with self._lock:
            if endpoint == "predict":
                self._requests.appendleft(record)
            if record.problem and endpoint not in _PROBES:
                before = self._errors.popleft() if self._errors and self._errors[0].is_like(record) else None
                self._errors.appendleft(replace(record, times=before.times + 1) if before else record)

    def attach(self, facts: ModelFacts) -> None:
        """Tell the metrics of the parts that were loaded."""
        self._ready.set(1)
        self._waiting.set_function(lambda: facts.executor.waiting)
        self._cache_bytes.set_function(lambda: facts.cache.nbytes)
        self.registry.register(_CacheCollector(facts.counts))

    def metrics(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

    def page(self, facts: ModelFacts | None, problem: str, projects: Sequence[ProjectFacts] = ()) -> str:
        """The status page: HTML without scripts; everything that came from outside is escaped."""
        with self._lock:
            requests, errors = list(self._requests), list(self._errors)
        state = "A mask can be made now." if facts else problem
        rows = [("State", state), ("Running since", _clock(self.started_at))]
        if facts:
            rows += _fact_rows(facts)
        return _PAGE.format(
            mark="ok" if facts and facts.clip_works else "bad" if not facts else "warn",
            rows="".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows),
            projects=_list_projects(projects[:_PROJECTS_SHOWN]) or "<p>None yet. Open one in Label Studio.</p>",
            errors=_list(errors) or "<p>None.</p>",
            requests=_list(requests) or "<p>None yet. Click in Label Studio, then reload this page.</p>",
        )


class _CacheCollector(Collector):
    def __init__(self, counts: CacheCounts) -> None:
        self._counts = counts

    def collect(self) -> list[CounterMetricFamily]:
        lookups = CounterMetricFamily("backend_embeddings", "Where embeddings came from.", labels=["source"])
        for source in ("local_hits", "redis_hits", "computed"):
            lookups.add_metric([source], getattr(self._counts, source))
        redis = CounterMetricFamily("backend_redis_problems", "Redis errors and damaged entries.", labels=["kind"])
        redis.add_metric(["error"], self._counts.redis_errors)
        redis.add_metric(["damaged"], self._counts.damaged)
        return [lookups, redis]


def _fact_rows(facts: ModelFacts) -> list[tuple[str, str]]:
    counts = facts.counts
    demo = " These are the demo models, which know only the demo's coloured shapes." if facts.demo else ""
    return [
        ("SAM", facts.sam + "." + demo),
        ("CLIP", facts.clip),
        ("Device", facts.device),
        ("Model version", facts.model_version),
        ("Embeddings", f"kept {facts.cache.description}, {facts.cache.nbytes / 2**20:.1f} MiB here"),
        (
            "Cache",
            f"{counts.local_hits} found here, {counts.redis_hits} found in Redis, {counts.computed} computed, "
            f"{counts.redis_errors} Redis errors, {counts.damaged} damaged entries",
        ),
        ("Waiting", f"{facts.executor.waiting} pieces of work wait for the models"),
    ]


def _list_projects(projects: Sequence[ProjectFacts]) -> str:
    """Those that something is to be said of, then the others of each Label Studio in a line."""
    plain: dict[str, list[str]] = {}
    for facts in projects:
        if not facts.settings and not facts.complaint:
            plain.setdefault(facts.origin, []).append(html.escape(facts.project.partition(".")[0]))
    return "".join(_project(facts) for facts in projects if facts.settings or facts.complaint) + "".join(
        f"<p>Project <b>{', '.join(numbers)}</b> of {html.escape(origin or '?')}: the defaults</p>"
        for origin, numbers in plain.items()
    )


def _project(facts: ProjectFacts) -> str:
    number = facts.project.partition(".")[0]
    said = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in facts.settings.items())
    wrong = f"<br><em>Not in force: {html.escape(facts.complaint)}</em>" if facts.complaint else ""
    settings = html.escape(said or "the defaults")
    return f"<p><b>Project {html.escape(number)}</b> of {html.escape(facts.origin or '?')}: {settings}{wrong}</p>"


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def _list(records: list[RequestRecord]) -> str:
    return "".join(
        f"<p><b>{_clock(record.at)}</b> {html.escape(record.what)}: {record.status} in {record.seconds * 1000:.0f} ms "
        + (f"({record.times} times, this was the last) " if record.times > 1 else "")
        + f"<small>{html.escape(record.request_id)}</small>"
        + (f"<br><em>{html.escape(record.problem)}</em>" if record.problem else "")
        + "</p>"
        for record in records
    )


_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Segmentation backend</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}}
h1::before{{content:"";display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.5em}}
h1.ok::before{{background:#1a9c4b}}h1.warn::before{{background:#e0a100}}h1.bad::before{{background:#c22}}
th{{text-align:left;vertical-align:top;padding-right:1.5rem;white-space:nowrap}}em{{color:#a11}}small{{color:#777}}
</style></head><body><h1 class="{mark}">Segmentation backend</h1><table>{rows}</table>
<p>No mask came? Label Studio shows nothing when a backend refuses; the reason is below.</p>
<h2>Last errors</h2>{errors}<h2>Last predictions</h2>{requests}
<h2>Projects and their settings</h2>{projects}</body></html>
"""
