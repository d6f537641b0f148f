"""How work is run: a priority queue in front of the models, deadlines, a bounded LRU, loading in the background.

Callables and budgets come in; their results go out, or `Overloaded`, `ClientDisconnected`, `NotReady`.
"""

from backend.runtime.background_loader import BackgroundLoader, import_torch
from backend.runtime.deadline import NO_DEADLINE, Deadline
from backend.runtime.lru import LeastRecentlyUsed
from backend.runtime.priority_executor import PriorityExecutor

__all__ = ["NO_DEADLINE", "BackgroundLoader", "Deadline", "LeastRecentlyUsed", "PriorityExecutor", "import_torch"]
