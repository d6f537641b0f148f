"""Whole projects: stages in threads, reading annotations for an export, importing predictions, counting failures.

Label Studio's client and task documents come in; labeled images, stored predictions and summaries go out.
"""

from backend.bulk.failures import Failures, list_reasons
from backend.bulk.import_predictions import Json, Predictions, Summary, import_before_exit, import_chunk
from backend.bulk.outcome import Outcome, Runner
from backend.bulk.pipeline import Pipeline, Run
from backend.bulk.progress import Progress, Snapshot, StageCount
from backend.bulk.read_annotations import Collected, FetchSize, category_names, collect
from backend.bulk.stage import Failed, Finished, Stage

__all__ = [
    "Collected",
    "Failed",
    "Failures",
    "FetchSize",
    "Finished",
    "Json",
    "Outcome",
    "Pipeline",
    "Predictions",
    "Progress",
    "Run",
    "Runner",
    "Snapshot",
    "Stage",
    "StageCount",
    "Summary",
    "category_names",
    "collect",
    "import_before_exit",
    "import_chunk",
    "list_reasons",
]
