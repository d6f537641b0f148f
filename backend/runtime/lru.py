"""Bounded in-memory LRU cache, safe for threads.

Prefetched entries have a budget of their own (`max_ahead`), so that they never evict entries in use: those always keep
`max_cost - max_ahead`. The first `get` turns a prefetched entry into one in use.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LeastRecentlyUsed(Generic[Key, Value]):
    """LRU cache of at most `max_cost`.

    Args:
        max_cost: In bytes, or in the unit of `cost`.
        cost: Cost of a value; by default 1, so that `max_cost` is a count.
        max_ahead: Budget of prefetched entries, a part of `max_cost`.
    """

    def __init__(self, max_cost: int, cost: Callable[[Value], int] = lambda _: 1, max_ahead: int = 0) -> None:
        self._max_cost, self._cost_of = max_cost, cost
        self._max_ahead = min(max_ahead, max_cost)
        self._used: OrderedDict[Key, Value] = OrderedDict()
        self._ahead: OrderedDict[Key, Value] = OrderedDict()
        self._used_cost = self._ahead_cost = 0
        self._lock = threading.Lock()

    @property
    def cost(self) -> int:
        """Total cost of all entries."""
        return self._used_cost + self._ahead_cost

    def __contains__(self, key: Key) -> bool:
        """Whether there is an entry; not counted as a use."""
        with self._lock:
            return key in self._used or key in self._ahead

    def get(self, key: Key) -> Value | None:
        """Return the value, or None, and mark it as used."""
        with self._lock:
            if key in self._ahead:
                value = self._ahead[key]
                self._drop(key)
                self._insert(key, value, ahead=False)
            elif key in self._used:
                self._used.move_to_end(key)
            return self._used.get(key)

    def peek(self, key: Key) -> Value | None:
        """Return the value, or None, without marking it as used."""
        with self._lock:
            return self._used.get(key, self._ahead.get(key))

    def put(self, key: Key, value: Value, *, ahead: bool = False) -> None:
        """Store a value and evict others; a value larger than its budget is not stored.

        Args:
            ahead: The value is prefetched. An entry in use stays in use.
        """
        with self._lock:
            ahead = ahead and key not in self._used
            self._drop(key)
            if self._cost_of(value) <= (self._max_ahead if ahead else self._max_cost):
                self._insert(key, value, ahead=ahead)

    def _insert(self, key: Key, value: Value, *, ahead: bool) -> None:
        if ahead:
            self._ahead[key] = value
            self._ahead_cost += self._cost_of(value)
        else:
            self._used[key] = value
            self._used_cost += self._cost_of(value)
        while self._ahead_cost > self._max_ahead:
            self._drop(next(iter(self._ahead)))
        while self.cost > self._max_cost:
            over_its_share = self._used_cost > self._max_cost - self._max_ahead
            from_used = not self._ahead or (over_its_share and len(self._used) > 1)
            self._drop(next(iter(self._used if from_used else self._ahead)))

    def _drop(self, key: Key) -> None:
        if key in self._ahead:
            self._ahead_cost -= self._cost_of(self._ahead.pop(key))
        elif key in self._used:
            self._used_cost -= self._cost_of(self._used.pop(key))
