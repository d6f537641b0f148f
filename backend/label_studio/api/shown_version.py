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
    path, subject = f"/api/projects/{project_id}/", f"the shown predictions of project {project_id}"
    before = str(client.requests.get(path, subject).get("model_version") or "")
    if before != version:
        client.requests.patch(path, subject, {"model_version": version})
    return before
