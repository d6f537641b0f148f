"""The status page at /: the backend's state and its recent errors, for people.

The HTML is in templates/status_page.html, where Jinja escapes every value.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template

from backend.projects import ProjectSetups
from backend.safe_text import show
from backend.server.log_text import one_line
from backend.server.model_text import describe_clip, describe_device, describe_sam
from backend.server.recent_requests import RecentRequests
from backend.server.services import Services

_MAX_PROJECTS = 50
_MAX_SETTINGS_CHARACTERS = 4000


@dataclass(frozen=True)
class ProjectStatus:
    """One project on the page.

    Attributes:
        number: Label Studio's id of the project.
        origin: Label Studio's address.
        settings: Settings in force that differ from the defaults.
        complaint: Why the project's last settings are not in force; "" if they are.
    """

    number: str
    origin: str
    settings: Mapping[str, Any]
    complaint: str

    @property
    def has_defaults(self) -> bool:
        return not self.settings and not self.complaint

    @property
    def settings_text(self) -> str:
        values = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in self.settings.items())
        return show(", ".join(values), _MAX_SETTINGS_CHARACTERS) or "defaults"


def list_projects(setups: ProjectSetups) -> list[ProjectStatus]:
    """List the projects with an accepted /setup, latest first."""
    return [
        ProjectStatus(
            one_line(project).partition(".")[0], one_line(setup.origin), setup.in_force, one_line(setup.complaint)
        )
        for project, setup in setups.reports()
    ]


def render_status_page(
    started_at: float,
    services: Services | None,
    problem: str,
    projects: Sequence[ProjectStatus],
    recent: RecentRequests,
) -> str:
    """Render the page as HTML without scripts. Needs Flask's application context.

    Args:
        started_at: Seconds since 1970.
        services: None if the models are not loaded.
        problem: Why they are not loaded.
    """
    rows = [
        ("State", "Ready." if services else problem),
        ("Running since", format_time(started_at)),
    ]
    return render_template(
        "status_page.html",
        state="ok" if services and services.facts.has_clip else "warn" if services else "bad",
        rows=rows + (_service_rows(services) if services else []),
        projects=[project for project in projects[:_MAX_PROJECTS] if not project.has_defaults],
        default_projects=_group_defaults(projects[:_MAX_PROJECTS]),
        errors=recent.errors(),
        predictions=recent.predictions(),
        format_time=format_time,
    )


def format_time(seconds: float) -> str:
    """Format seconds since 1970 as UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _group_defaults(projects: Sequence[ProjectStatus]) -> dict[str, list[str]]:
    """Group the numbers of the projects with default settings by Label Studio's address."""
    numbers: dict[str, list[str]] = {}
    for project in projects:
        if project.has_defaults:
            numbers.setdefault(project.origin, []).append(project.number)
    return numbers


def _service_rows(services: Services) -> list[tuple[str, str]]:
    facts, cache, counts = services.facts, services.cache, services.cache.counts
    demo = " Demo models, trained only on the demo's coloured shapes." if facts.is_demo else ""
    return [
        ("SAM", f"{describe_sam(facts)}.{demo}"),
        ("CLIP", describe_clip(facts)),
        ("Device", describe_device(facts)),
        ("Model version", facts.model_version),
        ("Embeddings", f"cached {cache.description}, {cache.nbytes / 2**20:.1f} MiB in memory"),
        (
            "Cache",
            f"hits in this process: {counts.local_hits}, in Redis: {counts.redis_hits}; computed: {counts.computed}; "
            f"Redis errors: {counts.redis_errors}; damaged entries: {counts.damaged}",
        ),
        ("Model queue", f"{services.executor.waiting} jobs waiting"),
    ]
