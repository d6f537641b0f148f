"""Label Studio's REST API: projects, tasks, predictions, webhooks, and the tasks that probably come next.

Ids come in; values and task documents go out, or `LabelStudioError`.
"""

from backend.label_studio.api.annotated_tasks import AnnotatedTasks
from backend.label_studio.api.annotations import AnnotationClient
from backend.label_studio.api.client import LabelStudioClient, ProjectInfo
from backend.label_studio.api.earlier_version import Removal, delete_earlier_version
from backend.label_studio.api.model_versions import find_similar
from backend.label_studio.api.new_tasks import NewTaskClient
from backend.label_studio.api.next_tasks import NextTasks
from backend.label_studio.api.predictions import PredictionClient, StoredPredictions
from backend.label_studio.api.shown_version import show_version, shown_version
from backend.label_studio.api.task_listing import AnswerOf, TaskFilter, TaskListing
from backend.label_studio.api.webhooks import Webhook, WebhookClient

__all__ = [
    "AnnotatedTasks",
    "AnnotationClient",
    "AnswerOf",
    "LabelStudioClient",
    "NewTaskClient",
    "NextTasks",
    "PredictionClient",
    "ProjectInfo",
    "Removal",
    "StoredPredictions",
    "TaskFilter",
    "TaskListing",
    "Webhook",
    "WebhookClient",
    "delete_earlier_version",
    "find_similar",
    "show_version",
    "shown_version",
]
