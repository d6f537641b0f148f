"""Label Studio's REST API: projects, tasks, predictions, and the tasks that an annotator will probably open next.

Ids come in; values and task documents go out, or `LabelStudioError`.
"""

from backend.label_studio.api.client import LabelStudioClient
from backend.label_studio.api.next_tasks import NextTasks

__all__ = ["LabelStudioClient", "NextTasks"]
