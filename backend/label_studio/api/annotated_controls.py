"""The controls that annotations of a project were made with, from Label Studio's own count of them."""

from __future__ import annotations

from backend.errors import LabelStudioError
from backend.label_studio.api.client import LabelStudioClient


def annotated_controls(client: LabelStudioClient, project_id: int | str) -> frozenset[str]:
    """Return the names (`from_name`) of controls with results in annotations, in the labeling config or not.

    Raises:
        LabelStudioError: No such project, an invalid token, or Label Studio cannot be reached.
    """
    summary = client.requests.get(f"/api/projects/{project_id}/summary/", f"the summary of project {project_id}")
    counts = summary.get("created_annotations") if isinstance(summary, dict) else None
    if not isinstance(counts, dict):
        message = f"The summary of project {project_id} does not say which controls its annotations were made with."
        raise LabelStudioError(message, remedy="Check LABEL_STUDIO_URL.")
    return frozenset(key.split("|")[0] for key in counts)  # "from_name|to_name|type"
