"""How work is run: a priority queue in front of the models, deadlines, one call for many who want the
same, a bounded LRU, loading in the background, and a record of how long each stage of a request took.

Callables and budgets come in; their results go out, or `Overloaded`, `ClientDisconnected`, `NotReady`.
"""

from backend.runtime.background_loader import BackgroundLoader, import_torch
from backend.runtime.deadline import NO_DEADLINE, Deadline
from backend.runtime.lru import LeastRecentlyUsed
from backend.runtime.priority_executor import PriorityExecutor
from backend.runtime.single_flight import SingleFlight
from backend.runtime.stages import (
    EMBEDDING_SOURCES,
    STAGES,
    StageRecord,
    add_waited,
    note_embedding,
    stage,
    start_record,
    timed,
)

__all__ = [
    "EMBEDDING_SOURCES",
    "NO_DEADLINE",
    "STAGES",
    "BackgroundLoader",
    "Deadline",
    "LeastRecentlyUsed",
    "PriorityExecutor",
    "SingleFlight",
    "StageRecord",
    "add_waited",
    "import_torch",
    "note_embedding",
    "stage",
    "start_record",
    "timed",
]
