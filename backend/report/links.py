"""Addresses of regions in Label Studio, as its "Copy Region Link" builds them.

    http://localhost:8080/projects/1/data?task=7&annotation=12&region=a1B2

`annotation` takes the id of an annotation or of a prediction of the task, an annotation first where both have one id;
`region` is to be selected in it. Label Studio 1.23.2 opens the task and keeps both in the address, but selects no
region when a page is loaded: its `setTask` looks for the annotation before the annotations are there.
"""

from __future__ import annotations

from urllib.parse import urlencode

from backend.report.outcomes import RegionRow


def build_region_link(url: str, project_id: str, row: RegionRow) -> str:
    """Build the address of the final region; of a deleted proposal, which only the prediction has, that one's.

    Args:
        url: Label Studio's, without a slash at the end.
    """
    if row.region_id:
        place = {"annotation": row.annotation, "region": row.region_id}
    else:
        place = {"annotation": row.prediction, "region": row.proposal_id}
    return f"{url}/projects/{project_id}/data?{urlencode({'task': row.task, **place})}"
