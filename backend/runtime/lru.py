"""Bounded in-memory LRU cache, safe for threads.

Prefetched entries have a budget of their own (`max_prefetched`), so that they never evict entries in use: those always
keep `max_cost - max_prefetched`. The first `get` turns a prefetched entry into one in use.
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
        max_prefetched: Budget of prefetched entries, a part of `max_cost`.
    """

    def __init__(self, max_cost: int, cost: Callable[[Value], int] = lambda _: 1, max_prefetched: int = 0) -> None:
        self._max_cost, self._cost_of = max_cost, cost
        self._max_prefetched = min(max_prefetched, max_cost)
        self._used: OrderedDict[Key, Value] = OrderedDict()
        self._prefetched: OrderedDict[Key, Value] = OrderedDict()
        self._used_cost = self._prefetched_cost = 0
        self._lock = threading.Lock()

    @property
    def cost(self) -> int:
        """Total cost of all entries."""
        return self._used_cost + self._prefetched_cost

    def __contains__(self, key: Key) -> bool:
        """Whether there is an entry; not counted as a use."""
        with self._lock:
            return key in self._used or key in self._prefetched

    def get(self, key: Key) -> Value | None:
        """Return the value, or None, and mark it as used."""
        with self._lock:
            if key in self._prefetched:
                value = self._prefetched[key]
                self._drop(key)
                self._insert(key, value, prefetch=False)
            elif key in self._used:
                self._used.move_to_end(key)
            return self._used.get(key)

    def peek(self, key: Key) -> Value | None:
        """Return the value, or None, without marking it as used."""
        with self._lock:
            return self._used.get(key, self._prefetched.get(key))

    def is_in_use(self, key: Key) -> bool:
        """Whether there is an entry, and it was used since it was prefetched."""
        with self._lock:
            return key in self._used

    def items(self) -> list[tuple[Key, Value]]:
        """All keys and values: the prefetched ones, then those in use, in each the least recently used first."""
        with self._lock:
            return [*self._prefetched.items(), *self._used.items()]

    def put(self, key: Key, value: Value, *, prefetch: bool = False) -> None:
        """Store a value and evict others; a value larger than its budget is not stored.

        Args:
            prefetch: The value is prefetched. An entry in use stays in use.
        """
        with self._lock:
            prefetch = prefetch and key not in self._used
            self._drop(key)
            if self._cost_of(value) <= (self._max_prefetched if prefetch else self._max_cost):
                self._insert(key, value, prefetch=prefetch)

    def replace(self, key: Key, old: Value, new: Value) -> bool:
        """Replace `old` by `new` in its place, unless it has been evicted, discarded or replaced; return whether."""
        with self._lock:
            entries = self._prefetched if key in self._prefetched else self._used
            if entries.get(key) is not old:
                return False
            self._drop(key)
            self._insert(key, new, prefetch=entries is self._prefetched)
            return True

    def discard(self, matches: Callable[[Key, Value], bool]) -> None:
        """Remove the entries for which `matches` returns True; it looks at all of them, so this is for rare events."""
        with self._lock:
            for key, value in [*self._used.items(), *self._prefetched.items()]:
                if matches(key, value):
                    self._drop(key)

    def _insert(self, key: Key, value: Value, *, prefetch: bool) -> None:
        if prefetch:
            self._prefetched[key] = value
            self._prefetched_cost += self._cost_of(value)
        else:
            self._used[key] = value
            self._used_cost += self._cost_of(value)
        while self._prefetched_cost > self._max_prefetched:
            self._drop(next(iter(self._prefetched)))
        while self.cost > self._max_cost:
            over_its_share = self._used_cost > self._max_cost - self._max_prefetched
            from_used = not self._prefetched or (over_its_share and len(self._used) > 1)
            self._drop(next(iter(self._used if from_used else self._prefetched)))

    def _drop(self, key: Key) -> None:
        if key in self._prefetched:
            self._prefetched_cost -= self._cost_of(self._prefetched.pop(key))
        elif key in self._used:
            self._used_cost -= self._cost_of(self._used.pop(key))
