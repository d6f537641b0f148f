"""The hall: one Label Studio task and a request come in, its prediction goes out.

It fetches and opens the image, asks the engine and names the regions; the same for a click, an opened page and a
bulk run.
"""

from backend.predict.box_masks import NO_MASK, OUTSIDE
from backend.predict.bulk_version import BulkRequest, build_version, is_bulk_version
from backend.predict.last_answers import ANSWER_TTL_SECONDS, LastAnswers
from backend.predict.model_facts import ModelFacts
from backend.predict.phrases import Phrase, list_phrases
from backend.predict.prediction import TaskAnswer
from backend.predict.refused_click import document_to_keep
from backend.predict.request_needs import search_vocabulary
from backend.predict.task_predictor import ANSWER_SECONDS, TaskPredictor
from backend.predict.task_stages import CACHED, COMPUTED, TaskStages, TaskWork

__all__ = [
    "ANSWER_SECONDS",
    "ANSWER_TTL_SECONDS",
    "CACHED",
    "COMPUTED",
    "NO_MASK",
    "OUTSIDE",
    "BulkRequest",
    "LastAnswers",
    "ModelFacts",
    "Phrase",
    "TaskAnswer",
    "TaskPredictor",
    "TaskStages",
    "TaskWork",
    "build_version",
    "document_to_keep",
    "is_bulk_version",
    "list_phrases",
    "search_vocabulary",
]
