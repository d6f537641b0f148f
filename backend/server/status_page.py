"""The status page at /: the backend's state, its figures and its recent errors, for people.

The HTML is in templates/status_page.html, where Jinja escapes every value. The page works without scripts: its one
script only turns the times, which are in UTC, into the reader's time zone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template

from backend.server.metrics import WARM_SOURCES, Metrics
from backend.server.minute_counts import predictions_a_minute
from backend.server.model_text import describe_clip, describe_detector, describe_device, describe_sam
from backend.server.project_list import ProjectStatus, group_defaults, link_projects
from backend.server.recent_requests import RecentRequests, RequestRecord
from backend.server.services import Services
from backend.server.status_text import (
    format_age,
    format_duration,
    format_latency,
    format_machine_time,
    format_share,
    format_time,
)
from backend.server.version import VERSION

_MAX_PROJECTS = 50


@dataclass(frozen=True)
class Figure:
    """One figure with its name, what explains it, and whether it is a problem."""

    name: str
    value: str
    note: str
    is_bad: bool = False


def render_status_page(
    started_at: float,
    services: Services | None,
    problem: str,
    projects: Sequence[ProjectStatus],
    recent: RecentRequests,
    metrics: Metrics,
    nonce: str,
) -> str:
    """Render the page as HTML. Needs Flask's application context.

    Args:
        started_at: Seconds since 1970.
        services: None if the models are not loaded.
        problem: Why they are not loaded.
        nonce: Of the Content-Security-Policy; names the page's own style and script.
    """
    now, links = time.time(), link_projects(projects)
    errors = recent.errors()
    return render_template(
        "status_page.html",
        nonce=nonce,
        version=VERSION,
        state=_choose_state(services),
        state_text=_state_in_words(services, problem),
        now=now,
        started_at=started_at,
        uptime=format_duration(now - started_at),
        figures=_figures(now, started_at, services, recent, metrics),
        minutes=recent.last_hour(now),
        errors=[error for error in errors if not error.later_successes],
        past_errors=[error for error in errors if error.later_successes],
        predictions=recent.predictions(),
        projects=[project for project in projects[:_MAX_PROJECTS] if not project.has_defaults],
        default_projects=group_defaults(projects[:_MAX_PROJECTS]),
        rows=_model_rows(services) if services else [],
        task_url=lambda record: _task_url(links, record),
        format_time=format_time,
        format_machine_time=format_machine_time,
        format_age=format_age,
        format_latency=format_latency,
    )


def _state_in_words(services: Services | None, problem: str) -> str:
    if services is None:
        return problem
    if not services.facts.has_clip:
        return "Ready, but masks get no classes: CLIP is not loaded."
    return "Ready, but the detector is not loaded." if services.facts.lacks_detector else "Ready."


def _choose_state(services: Services | None) -> str:
    """Return the class of the page's headline."""
    if services is None:
        return "bad"
    return "ok" if services.facts.has_clip and not services.facts.lacks_detector else "warn"


def _figures(
    now: float, started_at: float, services: Services | None, recent: RecentRequests, metrics: Metrics
) -> list[Figure]:
    rate = predictions_a_minute(recent.last_hour(now), now, started_at)
    warm, cold = metrics.click_times(WARM_SOURCES), metrics.click_times(("computed",))
    figures = [Figure("Predictions a minute", f"{rate:.1f}", "in the last five minutes")]
    for name, about, times in (
        ("Click", "image already encoded", warm),
        ("First click on an image", "waits for the encoder", cold),
    ):
        note = f"median; 95 % within {format_latency(times.p95)}; {times.count} since the start, {about}"
        figures.append(Figure(name, format_latency(times.median), note if times.count else f"none yet; {about}"))
    return figures + (_service_figures(services) if services else [])


def _service_figures(services: Services) -> list[Figure]:
    cache, counts, waiting = services.cache, services.cache.counts, services.executor.waiting
    hits = counts.local_hits + counts.redis_hits
    note = (
        f"hits in this process: {counts.local_hits}, in Redis: {counts.redis_hits}; computed: {counts.computed}; "
        f"{cache.nbytes / 2**20:.1f} MiB in memory"
    )
    state, about = "not used", "embeddings are kept in this process only"
    if cache.uses_redis:
        state, about = ("no answer", "embeddings are computed in this process") if counts.redis_down else ("up", "")
        about = "; ".join(filter(None, (about, f"errors: {counts.redis_errors}", f"damaged entries: {counts.damaged}")))
    return [
        Figure("Cache hit rate", format_share(hits, hits + counts.computed), note),
        Figure("Redis", state, about, is_bad=cache.uses_redis and counts.redis_down),
        Figure("Model queue", str(waiting), "jobs waiting"),
    ]


def _model_rows(services: Services) -> list[tuple[str, str]]:
    facts = services.facts
    note = [("Note", "Demo models were trained only on the demo's coloured shapes.")] if facts.is_demo else []
    return [
        ("SAM", describe_sam(facts)),
        ("CLIP", describe_clip(facts)),
        ("Detector", describe_detector(facts)),
        ("Device", describe_device(facts)),
        ("Model version", facts.model_version),
        *note,  # not beside SAM: only one of the models may be a demo model
    ]


def _task_url(links: dict[str, str], record: RequestRecord) -> str:
    """Return the address of the request's task in Label Studio; "" if it is not known."""
    url = links.get(record.project, "")
    return f"{url}?task={record.task}" if url and record.task is not None else ""
