"""How work is run: a priority queue in front of the models, deadlines, one call for many who want the
same, a bounded LRU, loading in the background, and whether the server is draining.

Callables and budgets come in; their results go out, or `Overloaded`, `ClientDisconnected`, `NotReady`.
"""

from backend.runtime.background_loader import BackgroundLoader, import_torch
from backend.runtime.deadline import NO_DEADLINE, Deadline
from backend.runtime.draining import IS_DRAINING, is_draining
from backend.runtime.lru import LeastRecentlyUsed
from backend.runtime.priority_executor import PriorityExecutor
from backend.runtime.single_flight import SingleFlight

__all__ = [
    "IS_DRAINING",
    "NO_DEADLINE",
    "BackgroundLoader",
    "Deadline",
    "LeastRecentlyUsed",
    "PriorityExecutor",
    "SingleFlight",
    "import_torch",
    "is_draining",
]
