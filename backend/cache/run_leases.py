"""Leases of bulk runs in Redis: one run at a time does the same work, on whichever machine.

The holders of one piece of work are the fields of a hash, by shard: "all" excludes everybody, "1/2" only itself and
"all". A value is the holder's token, when its lease ends in Redis's own seconds, and a description, separated by lines.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from backend.cache.redis_client import GuardedRedis

WHOLE = "all"

_ACQUIRE = """
local time = redis.call('time')
local now = time[1] + time[2] / 1000000
local holders = redis.call('hgetall', KEYS[1])
for number = 1, #holders, 2 do
    local shard, holder = holders[number], holders[number + 1]
    local token, ends, description = string.match(holder, '^([^\\n]*)\\n([^\\n]*)\\n(.*)$')
    if not token or (tonumber(ends) or 0) < now then
        redis.call('hdel', KEYS[1], shard)
    elseif token ~= ARGV[2] and (shard == ARGV[1] or shard == 'all' or ARGV[1] == 'all') then
        return description
    end
end
local ends = string.format('%.3f', now + ARGV[3])
redis.call('hset', KEYS[1], ARGV[1], ARGV[2] .. '\\n' .. ends .. '\\n' .. ARGV[4])
redis.call('expire', KEYS[1], math.ceil(ARGV[3] * 10))
return 1
"""
_RELEASE = """
local holder = redis.call('hget', KEYS[1], ARGV[1])
if holder and string.sub(holder, 1, #ARGV[2]) == ARGV[2] then return redis.call('hdel', KEYS[1], ARGV[1]) end
return 0
"""


class RunLease:
    """Lease on one piece of work, renewed by a thread until it is released.

    An outage of Redis takes nothing away from the holder; when Redis is back, perhaps empty, the lease is acquired
    again.

    Args:
        work: What is done, such as server, project and version.
        shard: The part of the work, such as "1/2"; "" for all of it.
        description: Of the holder, for those it keeps out.
        on_lost: Called with the other holder's description if one took the lease during an outage.
    """

    lease_seconds = 30.0

    def __init__(
        self, client: GuardedRedis, work: str, shard: str, description: str, on_lost: Callable[[str], object]
    ) -> None:
        self._client, self._key, self._shard = client, f"run:{work}", shard or WHOLE
        self._token, self._description, self._on_lost = uuid.uuid4().hex, description, on_lost
        self._done = threading.Event()

    def acquire(self) -> str | None:
        """Acquire the lease; return the description of the run that holds it, None on success or without Redis."""
        answer = self._try()
        if isinstance(answer, bytes):
            return answer.decode("utf-8", "replace")
        threading.Thread(target=self._renew, name="run-lease", daemon=True).start()
        return None

    def release(self) -> None:
        """Give the lease back."""
        self._done.set()
        arguments: list[str | float] = [self._shard, self._token]
        self._client.execute(lambda redis: redis.register_script(_RELEASE)(keys=[self._key], args=arguments))

    def _try(self) -> Any:
        arguments: list[str | float] = [self._shard, self._token, self.lease_seconds, self._description]
        return self._client.execute(lambda redis: redis.register_script(_ACQUIRE)(keys=[self._key], args=arguments))

    def _renew(self) -> None:
        while not self._done.wait(self.lease_seconds / 3):
            answer = self._try()
            if isinstance(answer, bytes):
                self._on_lost(answer.decode("utf-8", "replace"))
                return
