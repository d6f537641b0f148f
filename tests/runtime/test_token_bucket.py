"""Rate limits."""

from __future__ import annotations

from backend.runtime import TokenBucket, TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 3, clock=clock)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    clock.now += 0.5
    assert [bucket.take(), bucket.take()] == [True, False]


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 3, clock=clock)
    clock.now += 1000
    assert [bucket.take() for _ in range(5)].count(True) == 3


def test_each_key_has_a_bucket_of_its_own_and_old_keys_are_forgotten() -> None:
    buckets = TokenBuckets(0.0, 1, 2, clock=Clock())
    assert [buckets.take("a"), buckets.take("a"), buckets.take("b")] == [True, False, True]
    assert [buckets.take("c"), buckets.take("a")] == [True, True]  # "a" was forgotten for "c"
