"""The status page at /: the backend's state for people, above all why no mask came.

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
from backend.server.log_text import one_line
from backend.server.model_text import describe_clip, describe_device, describe_sam
from backend.server.recent_requests import RecentRequests
from backend.server.services import Services

_MAX_PROJECTS = 50


@dataclass(frozen=True)
class ProjectStatus:
    """What the page shows of one project.

    Attributes:
        number: Label Studio's.
        origin: Label Studio's address.
        settings: Those in force that differ from the defaults.
        complaint: What is wrong with the project's last settings, if they are not in force; else "".
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
        return ", ".join(values) or "the defaults"


def list_projects(setups: ProjectSetups) -> list[ProjectStatus]:
    """List the projects of which a /setup was accepted, the latest first."""
    return [
        ProjectStatus(one_line(project).partition(".")[0], setup.origin, setup.in_force, one_line(setup.complaint))
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
        services: None if they are not loaded.
        problem: Why they are not.
    """
    rows = [
        ("State", "A mask can be made now." if services else problem),
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
    demo = " These are the demo models, which know only the demo's coloured shapes." if facts.is_demo else ""
    return [
        ("SAM", f"{describe_sam(facts)}.{demo}"),
        ("CLIP", describe_clip(facts)),
        ("Device", describe_device(facts)),
        ("Model version", facts.model_version),
        ("Embeddings", f"kept {cache.description}, {cache.nbytes / 2**20:.1f} MiB here"),
        (
            "Cache",
            f"{counts.local_hits} found here, {counts.redis_hits} found in Redis, {counts.computed} computed, "
            f"{counts.redis_errors} Redis errors, {counts.damaged} damaged entries",
        ),
        ("Waiting", f"{services.executor.waiting} pieces of work wait for the models"),
    ]
