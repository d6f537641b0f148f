"""Check of Redis from this machine."""

from __future__ import annotations

import redis

from backend.settings import Settings
from scripts.deployment_checks.findings import CheckFailed, Finding, State

EVICTING = "allkeys"  # policies that evict any key
_TIMEOUT_SECONDS = 5.0


def check_redis(settings: Settings) -> Finding:
    """Check that Redis answers with the URL's password, and that it evicts entries when it is full."""
    if not settings.redis_url:
        text = "REDIS_URL is empty here: replicas would each compute every embedding"
        return Finding(State.OK, text)
    address = settings.redacted_redis_url
    client = redis.Redis.from_url(
        settings.redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
    try:
        memory = client.info("memory")
    except redis.AuthenticationError as error:
        raise CheckFailed(f"Redis at {address} refused the password.", "Correct the password in REDIS_URL.") from error
    except redis.RedisError as error:
        remedy = "Start Redis, or correct the host and port in REDIS_URL."
        raise CheckFailed(f"Redis at {address} does not answer ({type(error).__name__}).", remedy) from error
    finally:
        client.close()
    policy, max_bytes = str(memory.get("maxmemory_policy", "")), int(memory.get("maxmemory", 0))
    if max_bytes and not policy.startswith(EVICTING):
        remedy = "Set maxmemory-policy to allkeys-lru."
        text = f"Redis at {address} keeps at most {max_bytes} bytes, then refuses new entries ({policy})."
        return Finding(State.WARNING, text, remedy)
    if not max_bytes:
        text = f"Redis at {address} has no memory limit."
        return Finding(State.WARNING, text, "Set maxmemory, for example to 1gb, and maxmemory-policy allkeys-lru.")
    return Finding(State.OK, f"{address} answers and evicts with {policy}")
