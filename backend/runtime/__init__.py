"""How work is run: a priority queue in front of the models, deadlines, one call for many who want the
same, a bounded LRU, rate limits, loading in the background, whether a listening address is for this machine only,
whether the server is draining, and a record of how long each stage of a request took.

Callables and budgets come in; their results go out, or `Overloaded`, `ClientDisconnected`, `NotReady`.
"""

from backend.runtime.background_loader import BackgroundLoader, import_torch
from backend.runtime.deadline import NO_DEADLINE, Deadline
from backend.runtime.draining import IS_DRAINING, is_draining
from backend.runtime.listening import find_public_addresses
from backend.runtime.lru import LeastRecentlyUsed
from backend.runtime.priority_executor import PriorityExecutor, make_way
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
from backend.runtime.token_bucket import TokenBucket, TokenBuckets

__all__ = [
    "EMBEDDING_SOURCES",
    "IS_DRAINING",
    "NO_DEADLINE",
    "STAGES",
    "BackgroundLoader",
    "Deadline",
    "LeastRecentlyUsed",
    "PriorityExecutor",
    "SingleFlight",
    "StageRecord",
    "TokenBucket",
    "TokenBuckets",
    "add_waited",
    "find_public_addresses",
    "import_torch",
    "is_draining",
    "make_way",
    "note_embedding",
    "stage",
    "start_record",
    "timed",
]
