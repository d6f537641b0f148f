"""Tabs of the Data Manager, which are "views" in the API."""

from __future__ import annotations

from backend.errors import LabelStudioError, shorten
from backend.label_studio.api.json_requests import JsonRequests

MAX_NAMED = 10


def check_tab(requests: JsonRequests, project_id: int | str, tab_id: int) -> None:
    """Raise `LabelStudioError` if a project has no such tab; the error names those that it has."""
    tabs = requests.get("/api/dm/views/", "tabs of the Data Manager", {"project": project_id})
    if any(tab["id"] == tab_id for tab in tabs):
        return
    titled = [f"{tab['id']} ({shorten((tab.get('data') or {}).get('title') or 'no title')})" for tab in tabs]
    known = ", ".join(titled[:MAX_NAMED]) + (", …" if len(titled) > MAX_NAMED else "")
    raise LabelStudioError(
        f"Project {project_id} has no tab {tab_id} in the Data Manager.",
        remedy=f'It has: {known or "none yet"}. The id is the number after "tab=" in the URL of a tab.',
    )
