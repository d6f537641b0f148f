"""LeastRecentlyUsed: a bounded store in memory, safe for threads; the one place that forgets for want of room.

What was fetched ahead of anybody's asking is bounded apart (`max_ahead`), so that it never drives out what is in use:
that always keeps `max_cost - max_ahead`. The first `get` makes an entry one in use.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LeastRecentlyUsed(Generic[Key, Value]):
    """At most `max_cost` of values, the least recently used out first.

    Args:
        max_cost: In bytes, or whatever `cost` counts in.
        cost: Of one value; without it each costs 1, and `max_cost` is a count.
        max_ahead: The most that values put `ahead` of use may take of `max_cost`.
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
        """Of all that is kept."""
        return self._used_cost + self._ahead_cost

    @property
    def ahead_cost(self) -> int:
        """Of what nobody asked for yet."""
        return self._ahead_cost

    def __contains__(self, key: Key) -> bool:
        """Whether it is kept; asking does not count as a use."""
        with self._lock:
            return key in self._used or key in self._ahead

    def get(self, key: Key) -> Value | None:
        """The value, which is from now on the last to go; None where there is none."""
        with self._lock:
            if key in self._ahead:
                value = self._ahead[key]
                self._drop(key)
                self._insert(key, value, ahead=False)
            elif key in self._used:
                self._used.move_to_end(key)
            return self._used.get(key)

    def peek(self, key: Key) -> Value | None:
        """The value; looking does not count as a use."""
        with self._lock:
            return self._used.get(key, self._ahead.get(key))

    def items(self) -> list[tuple[Key, Value]]:
        """Keys and values in use, the least recently used first."""
        with self._lock:
            return list(self._used.items())

    def put(self, key: Key, value: Value, *, ahead: bool = False) -> None:
        """Keep a value in place of the old one, and let go of others; one that is larger than its budget is not kept.

        Args:
            ahead: Nobody has asked for it yet. What is in use already stays so.
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
