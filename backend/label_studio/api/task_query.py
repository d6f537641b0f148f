"""The query of Label Studio's list of tasks: conditions that must all hold, by ascending id.

{"filters": {"conjunction": "and", "items": [{"filter": "filter:tasks:id", "operator": "greater", "type": "Number",
 "value": 7}]}, "ordering": ["tasks:id"]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def condition(column: str, operator: str, kind: str, value: object) -> Json:
    """Build a condition on a column of the Data Manager; `kind` is its type, such as "Number"."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def encode_query(conditions: Sequence[Json], task_ids: Sequence[int] | None = None) -> str:
    """Encode a query as the parameter `query`.

    Args:
        task_ids: Only these tasks, unknown ones are ignored; None for all. An empty selection would mean all, too.
    """
    query: Json = {"filters": {"conjunction": "and", "items": list(conditions)}, "ordering": ["tasks:id"]}
    if task_ids is not None:
        query["selectedItems"] = {"all": False, "included": list(task_ids)}
    return json.dumps(query, separators=(",", ":"))
