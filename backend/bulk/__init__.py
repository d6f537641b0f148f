"""Whole projects: reading annotations for an export, importing predictions in chunks, counting failures, a page of
predictions to look at before they are imported.

Label Studio's client and task documents come in; labeled images, stored predictions and summaries go out.
"""

from backend.bulk.contact_sheet import ContactSheet
from backend.bulk.failures import Failures, list_reasons
from backend.bulk.import_predictions import Json, Predictions, Summary, import_before_exit, import_chunk
from backend.bulk.outcome import Outcome
from backend.bulk.read_annotations import Collected, FetchSize, category_names, collect

__all__ = [
    "Collected",
    "ContactSheet",
    "Failures",
    "FetchSize",
    "Json",
    "Outcome",
    "Predictions",
    "Summary",
    "category_names",
    "collect",
    "import_before_exit",
    "import_chunk",
    "list_reasons",
]
