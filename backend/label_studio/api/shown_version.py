"""The predictions that a project shows to annotators: those of its `model_version`; new annotations start from them."""

from __future__ import annotations

from backend.label_studio.api.client import LabelStudioClient


def show_version(client: LabelStudioClient, project_id: int | str, version: str) -> str:
    """Make a project show the predictions of this model version; return what it showed before.

    That is a model version, the title of a connected backend (whose live predictions are shown), or "".

    Raises:
        LabelStudioUnavailable: Label Studio cannot answer now.
        LabelStudioError: It refused: no task has a prediction of this version, or the token's user may not change the
            project.
    """
    before = shown_version(client, project_id)
    if before != version:
        client.requests.patch(_path(project_id), _subject(project_id), {"model_version": version})
    return before


def shown_version(client: LabelStudioClient, project_id: int | str) -> str:
    """Return what a project shows: a model version, the title of a connected backend, or ""."""
    return str(client.requests.get(_path(project_id), _subject(project_id)).get("model_version") or "")


def _path(project_id: int | str) -> str:
    return f"/api/projects/{project_id}/"


def _subject(project_id: int | str) -> str:
    return f"the shown predictions of project {project_id}"
