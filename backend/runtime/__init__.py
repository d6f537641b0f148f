"""How work is run: a priority queue in front of the models, deadlines, one call for many who want the
same, a bounded LRU, loading in the background.

Callables and budgets come in; their results go out, or `Overloaded`, `ClientGone`, `NotReady`.
"""

from backend.runtime.background_loader import BackgroundLoader, import_torch
from backend.runtime.deadline import ENDLESS, Patience
from backend.runtime.lru import LeastRecentlyUsed
from backend.runtime.priority_executor import PriorityExecutor
from backend.runtime.single_flight import SingleFlight

__all__ = [
    "ENDLESS",
    "BackgroundLoader",
    "LeastRecentlyUsed",
    "Patience",
    "PriorityExecutor",
    "SingleFlight",
    "import_torch",
]
