"""The projects on the status page, with links to their tasks in Label Studio."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.projects import ProjectSetups
from backend.safe_text import show
from backend.server.log_text import one_line

_MAX_SETTINGS_CHARACTERS = 4000
_LINKABLE = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:/[A-Za-z0-9._~-]+)*/?")  # no user info, no query
_NUMBER = re.compile(r"[0-9]{1,18}")


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

    @property
    def url(self) -> str:
        """Address of the project's tasks; "" unless Label Studio's address is a plain http or https URL."""
        if not (_LINKABLE.fullmatch(self.origin) and _NUMBER.fullmatch(self.number)):
            return ""
        return f"{self.origin.rstrip('/')}/projects/{self.number}/data"


def list_projects(setups: ProjectSetups) -> list[ProjectStatus]:
    """List the projects with an accepted /setup, latest first."""
    return [
        ProjectStatus(
            one_line(project).partition(".")[0], one_line(setup.origin), setup.in_force, one_line(setup.complaint)
        )
        for project, setup in setups.reports()
    ]


def link_projects(projects: Sequence[ProjectStatus]) -> dict[str, str]:
    """Return the URL of each project by its id, leaving out ids that two Label Studios use."""
    urls: dict[str, set[str]] = {}
    for project in projects:
        urls.setdefault(project.number, set()).add(project.url)
    return {number: found.pop() for number, found in urls.items() if len(found) == 1 and "" not in found}


def group_defaults(projects: Sequence[ProjectStatus]) -> dict[str, list[ProjectStatus]]:
    """Group the projects with default settings by Label Studio's address."""
    groups: dict[str, list[ProjectStatus]] = {}
    for project in projects:
        if project.has_defaults:
            groups.setdefault(project.origin, []).append(project)
    return groups
